// Who may connect now, and what all sessions together may hold: counts and budgets of the process.
//
//   connections an address       421 4.7.0
//   octets before login          421 4.3.2   each session is charged its limit (64 KiB) until it
//                                            logs in
//   file descriptors             421 4.3.2   a share is kept for delivery
//   memory of the process        421 4.3.2   above `memory_octets`
//   store sealed                 421 4.3.0   nothing can be promised
//   messages being received      452 4.3.1   each is charged what it holds, from a little at DATA
//                                            on; none begins above `memory_octets`
// The last quarter of the messages' budget is for those that have begun: a new one is refused at
// DATA before one that is half here must be.
// limits_for() says what there is to share: budgets follow the limit of the control group, so that
// a small container sheds load and is not killed. Any thread. A Ticket gives back when it goes.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/metrics.h"
#include "mail/journey.h"
#include "run/memory.h"

namespace goniec {

struct AdmissionLimits {
  std::size_t connections_per_address = 50;
  std::size_t connections = 10000;
  std::size_t session_octets = 64 * 1024;  // before login
  std::size_t waiting_octets = 1u << 30;   // all sessions before login
  std::size_t drafts_octets = 1u << 30;    // all messages being received
  std::size_t draft_octets = 32 * 1024;    // of one, at least: it and its session's buffers
  std::uint64_t memory_octets = 0;         // of the process; 0: not looked at
};

// Budgets for a process that may have so much memory: never more than the defaults.
AdmissionLimits limits_for(std::uint64_t memory_octets);

class Admission {
 public:
  // `resident`: octets the process has now; it is asked at most every 16th time. `relieve` is
  // called when they are too many, before anything is refused and now and then while they are.
  Admission(AdmissionLimits limits, Metrics& metrics,
            std::function<std::uint64_t()> resident = resident_octets,
            std::function<void()> relieve = return_free_memory);

  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept;
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket();
    void logged_in();  // the session no longer counts against the waiting budget

   private:
    friend class Admission;
    Admission* owner_ = nullptr;
    IpAddress address_;
    bool waiting_ = false;
    void release();
  };
  struct Answer {
    Ticket ticket;
    std::optional<Reply> refusal;
    std::string rule;  // of the refusal
  };
  Answer admit(const IpAddress& address, bool store_sealed);

  // What one message being received is charged; gives back when it goes. One thread at a time.
  class Charge {
   public:
    Charge() = default;
    Charge(Charge&& other) noexcept;
    Charge& operator=(Charge&& other) noexcept;
    ~Charge();
    explicit operator bool() const { return owner_ != nullptr; }
    // From now on the message holds so many octets, more or fewer than before, besides
    // `draft_octets`. false: there is no room for more; what was charged stays.
    bool cover(std::size_t octets);

   private:
    friend class Admission;
    Admission* owner_ = nullptr;
    std::size_t octets_ = 0, least_ = 0;
    void release();
  };
  // `expected`: what it will come to hold as far as is known; it is looked at and not charged.
  // None: 452 4.3.1. Who is alone is never refused for what is expected.
  Charge take_draft(std::size_t expected = 0);
  void set_limits(AdmissionLimits limits);
  std::size_t connections() const { return connections_.load(); }
  std::size_t drafts() const { return drafts_.load(); }  // messages being received

 private:
  bool memory_is_short();  // REQUIRES mutex_
  bool grow(std::size_t octets);

  std::mutex mutex_;
  AdmissionLimits limits_;
  std::function<std::uint64_t()> resident_;
  std::function<void()> relieve_;
  std::unordered_map<std::string, std::size_t> by_address_;
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> waiting_{0};
  std::atomic<std::size_t> drafts_{0}, charged_{0};  // messages being received, their octets
  std::atomic<std::size_t> drafts_octets_{0};        // the limit, for those that grow
  std::uint32_t until_memory_check_ = 0, short_looks_ = 0;
  bool memory_short_ = false;
  Gauge& open_;
};

}  // namespace goniec
