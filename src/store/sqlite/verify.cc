// See verify.h.
#include "store/sqlite/verify.h"

#include "base/digest.h"
#include "base/text.h"

namespace goniec {
namespace {

Error broken(MessageId id, std::string_view what) {
  return {ErrorKind::damaged, fmt::format("message {}: {}", id.text(), what)};
}

Result<void> check_structure(const Connection& connection) {
  const auto statement = TRY(connection.prepare("PRAGMA quick_check"));
  Bound rows(statement);
  while (TRY(rows.step())) {
    if (rows.bytes(0) != "ok") {
      return fail(ErrorKind::damaged, fmt::format("the database is damaged: {}", rows.bytes(0)));
    }
  }
  return {};
}

Result<void> check_entries(const Connection& connection) {
  const auto statement = TRY(connection.prepare("SELECT message, number, row FROM entries"));
  Bound rows(statement);
  while (TRY(rows.step())) {
    TRY(decode_entry(rows.bytes(2),
                     {MessageId{rows.count(0)}, static_cast<std::uint32_t>(rows.integer(1))}));
  }
  return {};
}

Result<void> check_events(const Connection& connection) {
  const auto statement = TRY(connection.prepare("SELECT sequence, message, row FROM events"));
  Bound rows(statement);
  while (TRY(rows.step())) {
    TRY(decode_event(rows.bytes(2), rows.count(0), MessageId{rows.count(1)}));
  }
  return {};
}

}  // namespace

Result<ContentCheck> ContentCheck::prepare(const Connection& connection) {
  ContentCheck check;
  check.message_ =
      TRY(connection.prepare("SELECT envelope, prepend, header, body FROM messages WHERE id=?"));
  check.chunks_ = TRY(
      connection.prepare("SELECT number, crc, octets FROM chunks WHERE message=? ORDER BY number"));
  return check;
}

Result<StoredMessage> ContentCheck::check(MessageId id) const {
  Bound row(message_);
  if (!TRY(row.number(id.value).step())) return std::unexpected(broken(id, "its row is missing"));
  auto stored = TRY(decode_message(row.bytes(0), id));
  const auto body = row.bytes(3);
  if (crc32c(body, crc32c(row.bytes(2), crc32c(row.bytes(1)))) != stored.row_crc) {
    return std::unexpected(broken(id, "its content fails the checksum"));
  }
  const Content& content = stored.message.content;
  std::uint32_t whole = crc32c(body, crc32c(row.bytes(2)));
  std::uint64_t octets = body.size(), chunks = body.empty() ? 0 : 1;
  Bound rows(chunks_);
  rows.number(id.value);
  while (TRY(rows.step())) {
    if (crc32c(rows.bytes(2)) != static_cast<std::uint32_t>(rows.integer(1))) {
      return std::unexpected(
          broken(id, fmt::format("chunk {} fails its checksum", rows.integer(0))));
    }
    whole = crc32c(rows.bytes(2), whole);
    octets += rows.bytes(2).size();
    ++chunks;
  }
  if (octets != content.body_octets ||
      (stored.inline_octets == 0 && chunks != content.body_chunks)) {
    return std::unexpected(broken(id, "a part of its body is missing"));
  }
  if (content.crc32c != 0 && whole != content.crc32c) {
    return std::unexpected(broken(id, "its content is not what came in"));
  }
  return stored;
}

Result<void> verify_database(const Connection& connection) {
  TRY(check_structure(connection));
  const auto check = TRY(ContentCheck::prepare(connection));
  const auto ids = TRY(connection.prepare("SELECT id FROM messages"));
  Bound rows(ids);
  while (TRY(rows.step())) TRY(check.check(MessageId{rows.count(0)}));
  TRY(check_entries(connection));
  return check_events(connection);
}

std::set<MessageId> known_ids(const Connection& connection) {
  constexpr const char* walks[] = {
      "SELECT id FROM messages ORDER BY id",
      "SELECT id FROM messages ORDER BY id DESC",
      "SELECT message FROM entries ORDER BY message, number",
      "SELECT message FROM entries ORDER BY message DESC, number DESC",
      "SELECT message FROM entries INDEXED BY entries_due WHERE due IS NOT NULL ORDER BY due",
      "SELECT message FROM entries INDEXED BY entries_due WHERE due IS NOT NULL ORDER BY due DESC",
      "SELECT message FROM events INDEXED BY events_message ORDER BY message",
      "SELECT message FROM events INDEXED BY events_message ORDER BY message DESC",
      "SELECT content FROM letters INDEXED BY letters_content ORDER BY content",
      "SELECT message FROM retention ORDER BY until",
  };
  std::set<MessageId> ids;
  for (const auto* walk : walks) {
    const auto statement = connection.prepare(walk);
    if (!statement) continue;
    Bound rows(*statement);
    for (auto row = rows.step(); row && *row; row = rows.step())
      ids.insert(MessageId{rows.count(0)});
  }
  return ids;
}

}  // namespace goniec
