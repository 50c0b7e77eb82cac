// Streams: kinds of mail that are kept apart, so that a person who wants no more newsletters still
// gets his invoices. Two always exist, `transactional` and `bulk`; others are objects of the store
// (kind "stream", key the id, JSON {"kind","name","description","archived","track_opens",
// "track_clicks","created_at","changed_at"}). In memory behind a lock for readers; a change is
// committed first, then seen.
//
// A message names its stream (SendOptions::stream); one that names none is transactional. What a
// kind means (docs/streams.md):
//   transactional  one person asked for it: an invoice, a password. Nothing is added to it.
//   bulk           many get the same. List-Unsubscribe and one-click are added (RFC 8058).
// Suppressions are a stream's (suppressions.h). An archived stream takes no new mail. The two that
// always exist can be changed (tracking, name), not archived, and their kind stays.
#pragma once
#include <map>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "store/committer.h"

namespace goniec {

inline constexpr std::string_view transactional_stream = "transactional", bulk_stream = "bulk";

enum class StreamKind { transactional, bulk };
std::string_view name_of(StreamKind kind);
std::optional<StreamKind> stream_kind_of(std::string_view name);

struct MailStream {
  std::string id;  // is_stream_id()
  StreamKind kind = StreamKind::transactional;
  std::string name;  // for people
  std::string description;
  bool archived = false;
  bool track_opens = false, track_clicks = false;  // where a message does not say
  Instant created{}, changed{};                    // of those that always exist: zero
  bool operator==(const MailStream&) const = default;
};

// Lower-case letters, digits, '-' and '_', at most 64, the first a letter or digit.
bool is_stream_id(std::string_view text);

struct StreamLimits {
  std::size_t streams = 1000;
  std::size_t name_octets = 200, description_octets = 1000;
};

class Streams {
 public:
  Streams();
  // Reads all; damaged names the object. Before: the two that always exist.
  Result<void> open(Committer& committer, Reader& reader);

  // ---- any thread, no waiting
  std::vector<MailStream> all() const;  // by id, those that are archived too
  // "" is the transactional one. nullopt: there is none of that id.
  std::optional<MailStream> find(std::string_view id) const;

  // ---- changes, durable when they end
  // conflict: the id is taken. bad_data: id, name. try_later: too many.
  Task<Result<MailStream>> add(Loop& loop, MailStream stream);
  // What is given of the id is replaced, but kind and created. not_found. conflict: archiving one
  // of the two.
  Task<Result<MailStream>> replace(Loop& loop, MailStream stream);

 private:
  Task<Result<MailStream>> put(Loop& loop, MailStream stream, bool must_be_new);
  Committer* committer_ = nullptr;
  mutable std::shared_mutex mutex_;
  std::map<std::string, MailStream, std::less<>> streams_;
};

}  // namespace goniec
