// Idempotency keys: what was asked for once is done once, however often the asking comes.
//
//   claim(name) -> find() -> nothing kept: send, with to_object() in the transaction of the message
//                         -> kept, same body: the message that it became, again
//                         -> kept, another body: a conflict
//   claim taken -> somebody asks the same right now: a conflict
//
// A name is what the key is said to be unique in: who asks, at which call. The record is an object
// of the store, durable with the message and gone with it when the power goes: there is never one
// without the other. It is kept `keep` after the sending, or after the time that a message was put
// off to; then a sweep takes it. Kinds are spread by the digest of the name, so that a sweep looks
// at few at a time.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/id.h"
#include "base/time.h"
#include "store/committer.h"

namespace goniec {

struct IdempotencyLimits {
  std::size_t key_octets = 256;
  Duration keep = std::chrono::hours(24);
};

struct IdempotencyRecord {
  std::string fingerprint;  // SHA-256 of the body, octets
  MessageId message;
  Instant expires{};
};

// Who asks ("key=key_…", "anna@example.pl"), at which call ("/emails"), with which key; of several
// messages that one call sends, which.
std::string idempotency_name(std::string_view owner, std::string_view call, std::string_view key,
                             std::size_t index = 0);
ObjectPut to_object(const std::string& name, const IdempotencyRecord& record);
Instant idempotency_end(Instant now, Instant send_at);

// 1 to 256 printable characters of ASCII.
bool is_idempotency_key(std::string_view text);

class Idempotency {
 public:
  // In flight while it lives.
  class Claim {
   public:
    Claim() = default;
    Claim(Claim&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {
      name_.swap(other.name_);
    }
    Claim& operator=(Claim&& other) noexcept;
    ~Claim() { release(); }
    explicit operator bool() const { return owner_ != nullptr; }

   private:
    friend class Idempotency;
    void release();
    Idempotency* owner_ = nullptr;
    std::string name_;
  };
  void open(ReaderPool& readers) { readers_ = &readers; }  // before anything else
  Claim claim(const std::string& name);                    // none: somebody has it. Any thread

  // What is kept of each name, in their order; what is over is not.
  Task<Result<std::vector<std::optional<IdempotencyRecord>>>> find(Loop& loop,
                                                                   std::vector<std::string> names);

  // One part of all records: those that are over go. `part` below `parts`.
  static constexpr unsigned parts = 256;
  Task<Result<std::size_t>> sweep(Loop& loop, Committer& committer, unsigned part);

 private:
  Claim claim_object(std::string key);
  ReaderPool* readers_ = nullptr;
  std::mutex mutex_;
  std::unordered_set<std::string> taken_;  // keys of objects
};

}  // namespace goniec
