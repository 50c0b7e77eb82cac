// See streams.h.
// The two that always exist stand in the map from the beginning; an object of the same id replaces
// what it says, but its kind.
#include "accounts/streams.h"

#include <mutex>

#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::string_view object_kind = "stream";
constexpr std::size_t id_octets = 64;

std::string to_json(const MailStream& stream) {
  JsonWriter w;
  w.object().key("kind").text(name_of(stream.kind)).key("name").text(stream.name);
  w.key("description").text(stream.description).key("archived").boolean(stream.archived);
  w.key("track_opens").boolean(stream.track_opens);
  w.key("track_clicks").boolean(stream.track_clicks);
  w.key("created_at").text(to_rfc3339(stream.created));
  w.key("changed_at").text(to_rfc3339(stream.changed)).end();
  return std::move(w).take();
}

Result<MailStream> from_json(std::string_view id, std::string_view json) {
  const auto value = JsonValue::parse(json);
  const auto kind = value ? stream_kind_of(value->text_at("kind")) : std::nullopt;
  if (!kind || !is_stream_id(id))
    return fail(ErrorKind::damaged,
                fmt::format("the stored stream \"{}\" cannot be read", printable(id)));
  MailStream stream;
  stream.id = id;
  stream.kind = *kind;
  stream.name = value->text_at("name");
  stream.description = value->text_at("description");
  stream.archived = value->boolean_at("archived");
  stream.track_opens = value->boolean_at("track_opens");
  stream.track_clicks = value->boolean_at("track_clicks");
  stream.created = parse_rfc3339(value->text_at("created_at")).value_or(Instant{});
  stream.changed = parse_rfc3339(value->text_at("changed_at")).value_or(Instant{});
  return stream;
}

bool always_exists(std::string_view id) {
  return id == transactional_stream || id == bulk_stream;
}

Result<void> check(const MailStream& stream) {
  const StreamLimits limits;
  if (!is_stream_id(stream.id))
    return fail(
        ErrorKind::bad_data,
        fmt::format("\"{}\" cannot be the id of a stream: lower-case letters, digits, - and "
                    "_, at most {}, the first a letter or digit",
                    printable(stream.id, 80), id_octets));
  if (stream.name.size() > limits.name_octets)
    return fail(ErrorKind::bad_data,
                fmt::format("the name of a stream has at most {} octets", limits.name_octets));
  if (stream.description.size() > limits.description_octets)
    return fail(ErrorKind::bad_data,
                fmt::format("the description of a stream has at most {} octets",
                            limits.description_octets));
  return {};
}

Event changed_event(const MailStream& stream, std::string_view action) {
  Event event;
  event.kind = EventKind::object_changed;
  event.at = stream.changed;
  JsonWriter w;
  w.object().key("object").text(object_kind).key("key").text(stream.id);
  w.key("action").text(action).end();
  event.data = std::move(w).take();
  return event;
}

}  // namespace

std::string_view name_of(StreamKind kind) {
  return kind == StreamKind::bulk ? "bulk" : "transactional";
}

std::optional<StreamKind> stream_kind_of(std::string_view name) {
  for (const StreamKind kind : {StreamKind::transactional, StreamKind::bulk})
    if (name == name_of(kind)) return kind;
  return std::nullopt;
}

bool is_stream_id(std::string_view text) {
  if (text.empty() || text.size() > id_octets || text[0] == '-' || text[0] == '_') return false;
  for (const char c : text) {
    const bool good = (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
    if (!good) return false;
  }
  return true;
}

Streams::Streams() {
  MailStream transactional;
  transactional.id = transactional_stream;
  transactional.name = "Transactional";
  MailStream bulk;
  bulk.id = bulk_stream;
  bulk.kind = StreamKind::bulk;
  bulk.name = "Bulk";
  streams_.emplace(transactional.id, transactional);
  streams_.emplace(bulk.id, bulk);
}

Result<void> Streams::open(Committer& committer, Reader& reader) {
  committer_ = &committer;
  const auto objects = TRY(reader.objects(object_kind));
  std::unique_lock lock(mutex_);
  for (const auto& [id, json] : objects) {
    MailStream stream = TRY(from_json(id, json));
    if (always_exists(id)) stream.kind = streams_[id].kind;
    streams_[id] = std::move(stream);
  }
  return {};
}

std::vector<MailStream> Streams::all() const {
  std::shared_lock lock(mutex_);
  std::vector<MailStream> all;
  for (const auto& [id, stream] : streams_) all.push_back(stream);
  return all;
}

std::optional<MailStream> Streams::find(std::string_view id) const {
  std::shared_lock lock(mutex_);
  const auto found = streams_.find(id.empty() ? transactional_stream : id);
  return found == streams_.end() ? std::nullopt : std::optional(found->second);
}

Task<Result<MailStream>> Streams::put(Loop& loop, MailStream stream, bool must_be_new) {
  CHECK(committer_);
  stream.changed = std::chrono::floor<std::chrono::milliseconds>(loop.clock().now());
  if (must_be_new) stream.created = stream.changed;
  FactsRequest request;
  request.puts.push_back({{std::string(object_kind), stream.id}, to_json(stream), must_be_new});
  request.events.push_back(changed_event(stream, must_be_new ? "created" : "updated"));
  CO_TRY(co_await committer_->record(loop, std::move(request)));
  std::unique_lock lock(mutex_);
  streams_[stream.id] = stream;
  co_return stream;
}

Task<Result<MailStream>> Streams::add(Loop& loop, MailStream stream) {
  CO_TRY(check(stream));
  {
    std::shared_lock lock(mutex_);
    if (streams_.contains(stream.id))
      co_return fail(ErrorKind::conflict, fmt::format("there is a stream {} already", stream.id));
    if (streams_.size() >= StreamLimits{}.streams)
      co_return fail(ErrorKind::try_later,
                     fmt::format("there are {} streams: no more", streams_.size()));
  }
  if (stream.name.empty()) stream.name = stream.id;
  stream.archived = false;
  co_return co_await put(loop, std::move(stream), true);
}

Task<Result<MailStream>> Streams::replace(Loop& loop, MailStream stream) {
  CO_TRY(check(stream));
  const auto known = find(stream.id);
  if (!known) co_return fail(ErrorKind::not_found, fmt::format("there is no stream {}", stream.id));
  if (stream.archived && always_exists(stream.id))
    co_return fail(ErrorKind::conflict,
                   fmt::format("the stream {} always exists: it cannot be archived", stream.id));
  stream.kind = known->kind;
  stream.created = known->created;
  if (stream.name.empty()) stream.name = known->name;
  co_return co_await put(loop, std::move(stream), false);
}

}  // namespace goniec
