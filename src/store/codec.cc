// See codec.h. One Writer and one Reader of bytes; each type's fields are listed once for each way,
// in the same order.
#include "store/codec.h"

#include "base/digest.h"
#include "base/text.h"
#include "store/row_bytes.h"

namespace goniec {
namespace {

unsigned bits_of(const NotifyOptions& notify) {
  return (notify.never ? 1u : 0u) | (notify.success ? 2u : 0u) | (notify.failure ? 4u : 0u) |
         (notify.delay ? 8u : 0u);
}

NotifyOptions notify_of(std::uint64_t bits) {
  return {.never = (bits & 1) != 0,
          .success = (bits & 2) != 0,
          .failure = (bits & 4) != 0,
          .delay = (bits & 8) != 0};
}

void write_sender(RowWriter& row, const Sender& sender) {
  row.address(sender.address);
  row.flag(sender.declared_size.has_value());
  row.number(sender.declared_size.value_or(0));
  row.number(static_cast<unsigned>(sender.body));
  row.flags(sender.smtputf8, sender.requiretls);
  row.number(static_cast<unsigned>(sender.ret));
  row.optional_text(sender.envelope_id);
}

Sender read_sender(RowReader& row) {
  Sender sender;
  sender.address = row.address();
  const bool declared = row.flag();
  const auto size = row.number();
  if (declared) sender.declared_size = size;
  sender.body = row.one_of(BodyType::eight_bit);
  const auto asked = row.flags();
  sender.smtputf8 = asked.first;
  sender.requiretls = asked.second;
  sender.ret = row.one_of(DsnReturn::headers);
  sender.envelope_id = row.optional_text();
  return sender;
}

void write_recipient(RowWriter& row, const EntryRecipient& recipient) {
  row.address(recipient.recipient.address);
  row.number(bits_of(recipient.recipient.notify));
  row.optional_text(recipient.recipient.original_recipient);
  row.number(static_cast<unsigned>(recipient.state));
  row.number(recipient.tries);
  row.flag(recipient.delay_notified);
  row.text(recipient.reply);
  row.text(recipient.site);
}

EntryRecipient read_recipient(RowReader& row) {
  EntryRecipient recipient;
  recipient.recipient.address = row.address();
  recipient.recipient.notify = notify_of(row.number());
  recipient.recipient.original_recipient = row.optional_text();
  recipient.state = row.one_of(RecipientState::expanded);
  recipient.tries = row.small<std::uint32_t>();
  recipient.delay_notified = row.flag();
  recipient.reply = row.text();
  recipient.site = row.text();
  return recipient;
}

}  // namespace

void encode_message(const StoredMessage& stored, std::string& out) {
  const auto& message = stored.message;
  RowWriter row(out);
  row.number(message.id.value);
  row.number(message.parent.value);
  row.number(static_cast<unsigned>(message.source));
  write_sender(row, message.sender);
  row.time(message.received_at);
  row.text(message.message_id);
  row.text(message.submitter);
  row.text(message.stream);
  row.number(message.priority);
  row.time(message.not_before);
  row.flags(message.requires_8bit, message.tls_policies_off);
  row.flag(message.verified_sender);
  row.number(message.content.body_octets);
  row.number(message.content.body_chunks);
  row.fixed32(message.content.crc32c);
  row.time(stored.keep_until);
  row.number(stored.octets);
  row.number(stored.entries);
  row.number(stored.inline_octets);
  row.fixed32(stored.row_crc);
  row.finish();
}

Result<StoredMessage> decode_message(std::string_view bytes, MessageId id) {
  RowReader row(bytes);
  StoredMessage stored;
  auto& message = stored.message;
  message.id = MessageId{row.number()};
  message.parent = MessageId{row.number()};
  message.source = row.one_of(Source::report);
  message.sender = read_sender(row);
  message.received_at = row.time();
  message.message_id = row.text();
  message.submitter = row.text();
  message.stream = row.text();
  message.priority = row.small<std::uint8_t>();
  message.not_before = row.time();
  const auto told = row.flags();
  message.requires_8bit = told.first;
  message.tls_policies_off = told.second;
  message.verified_sender = row.flag();
  message.content.body_octets = row.number();
  message.content.body_chunks = row.small<std::uint32_t>();
  message.content.crc32c = row.fixed32();
  stored.keep_until = row.time();
  stored.octets = row.number();
  stored.entries = row.small<std::uint32_t>();
  stored.inline_octets = row.small<std::uint32_t>();
  stored.row_crc = row.fixed32();
  if (!row.ok_at_end() || message.id != id) {
    return fail(ErrorKind::damaged,
                fmt::format("the envelope of message {} is damaged", id.text()));
  }
  return stored;
}

std::optional<MessageId> id_of_message(std::string_view bytes) {
  RowReader row(bytes);
  const MessageId id{row.number()};
  return row.ok() ? std::optional(id) : std::nullopt;
}

void encode_entry(const StoredEntry& stored, std::string& out) {
  const auto& entry = stored.entry;
  RowWriter row(out);
  row.number(static_cast<unsigned>(entry.state));
  row.number(entry.tries);
  row.time(stored.received_at);
  row.number(stored.octets);
  row.text(entry.domain.ascii());
  row.time(stored.keep_until);
  row.flag(stored.chunked);
  row.number(entry.id.message.value);
  row.number(entry.id.number);
  row.flags(entry.local, !entry.sender.empty());
  if (!entry.sender.empty()) row.address(entry.sender);
  row.time(entry.due);
  row.time(entry.expires);
  row.number(entry.priority);
  row.number(entry.recipients.size());
  for (const auto& recipient : entry.recipients) write_recipient(row, recipient);
  row.finish();
}

std::optional<EntryId> id_of_entry(std::string_view bytes) {
  RowReader row(bytes);
  row.one_of(EntryState::settled);
  row.number();  // tries
  row.time();
  row.number();  // octets
  row.view();    // domain
  row.time();
  row.flag();
  EntryId id;
  id.message = MessageId{row.number()};
  id.number = row.small<std::uint32_t>();
  return row.ok() ? std::optional(id) : std::nullopt;
}

Result<StoredEntry> decode_entry(std::string_view bytes, EntryId id) {
  RowReader row(bytes);
  StoredEntry stored;
  auto& entry = stored.entry;
  entry.state = row.one_of(EntryState::settled);
  entry.tries = row.small<std::uint32_t>();
  stored.received_at = row.time();
  stored.octets = row.number();
  entry.domain = row.domain();
  stored.keep_until = row.time();
  stored.chunked = row.flag();
  entry.id.message = MessageId{row.number()};
  entry.id.number = row.small<std::uint32_t>();
  const auto way = row.flags();
  entry.local = way.first;
  if (way.second) entry.sender = row.address();
  entry.due = row.time();
  entry.expires = row.time();
  entry.priority = row.small<std::uint8_t>();
  const auto recipients = row.number();
  if (recipients <= row.left()) entry.recipients.reserve(recipients);
  for (std::uint64_t i = 0; i < recipients && row.ok(); ++i) {
    entry.recipients.push_back(read_recipient(row));
  }
  if (!row.ok_at_end() || entry.id != id) {
    return fail(ErrorKind::damaged,
                fmt::format("entry {} of message {} is damaged", id.number, id.message.text()));
  }
  return stored;
}

Result<EntrySummary> summarize_entry(std::string_view bytes) {
  RowReader row(bytes);
  EntrySummary summary;
  summary.state = row.one_of(EntryState::settled);
  summary.tries = row.small<std::uint32_t>();
  summary.received_at = row.time();
  summary.octets = row.number();
  summary.domain = row.view();
  if (!row.ok()) return fail(ErrorKind::damaged, "an entry is damaged");
  return summary;
}

void encode_event(const Event& event, std::string& out) {
  RowWriter row(out);
  row.number(event.message.value);
  row.number(static_cast<unsigned>(event.kind));
  row.time(event.at);
  row.text(event.recipient);
  row.text(event.data);
  row.finish();
}

Result<Event> decode_event(std::string_view bytes, std::uint64_t sequence, MessageId message) {
  RowReader row(bytes);
  Event event;
  event.sequence = sequence;
  event.message = MessageId{row.number()};
  event.kind = row.one_of(EventKind::webhook_disabled);
  event.at = row.time();
  event.recipient = row.text();
  event.data = row.text();
  if (!row.ok_at_end() || event.message != message) {
    return fail(ErrorKind::damaged, fmt::format("event {} is damaged", sequence));
  }
  return event;
}

std::uint64_t domain_lane(std::string_view ascii) {
  const Sha256 digest = sha256(ascii);
  std::uint64_t lane = 0;
  for (std::size_t i = 0; i < 6; ++i) lane = lane << 8 | digest[i];
  return lane >> 1 | 1;
}

std::uint64_t name_hash(std::string_view message_id) {
  std::uint64_t hash = 0xCBF29CE484222325ull;
  for (const char c : message_id) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  }
  hash ^= hash >> 29;
  hash *= 0x9E3779B97F4A7C15ull;
  hash ^= hash >> 32;
  return (hash & 0x7FFFFFFFFFFFFFFFull) | 1;
}

}  // namespace goniec
