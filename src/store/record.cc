// See record.h. The fields stand once for each way, in the same order; numbers of fields that come
// in rows are written before them.
#include "store/record.h"

#include <algorithm>

#include "store/row_bytes.h"

namespace goniec {
namespace {

void write_events(RowWriter& record, std::span<const Event> events, std::string_view message_id,
                  std::string& scratch) {
  record.number(events.size());
  for (const Event& event : events) {
    encode_event(event, scratch);
    record.number(event.message.value);
    record.fixed(message_id.empty() ? 0 : name_hash(message_id));
    record.text(scratch);
    message_id = {};
  }
}

void write_entry(RowWriter& record, const StoredEntry& entry, std::string& scratch) {
  encode_entry(entry, scratch);
  record.number(entry.entry.id.number);
  record.time(entry.entry.due);
  record.flag(entry.entry.state == EntryState::held);
  record.text(scratch);
}

EntryRow read_entry(RowReader& record) {
  EntryRow row;
  row.number = record.small<std::uint32_t>();
  row.due = static_cast<std::int64_t>(record.fixed());
  row.held = record.flag();
  row.row = record.view();
  return row;
}

std::vector<EventRow> read_events(RowReader& record) {
  std::vector<EventRow> events;
  for (auto count = record.number(); count > 0 && record.ok(); --count) {
    EventRow event;
    event.message = MessageId{record.number()};
    event.name = record.fixed();
    event.row = record.view();
    events.push_back(event);
  }
  return events;
}

Error cut_record() {
  return {ErrorKind::damaged, "a record of the journal is not whole"};
}

void write_key(RowWriter& record, const ObjectKey& key) {
  record.text(key.kind);
  record.text(key.key);
}

ObjectKey read_key(RowReader& record) {
  ObjectKey key;
  key.kind = record.view();
  key.key = record.view();
  return key;
}

}  // namespace

StoredEntry stored_entry(const SpoolRequest& request, const StoredMessage& stored,
                         const Entry& entry) {
  const bool chunked = stored.inline_octets == 0 && stored.message.content.body_chunks != 0;
  return {entry, request.message.received_at, stored.octets, request.keep_until, chunked};
}

void encode_spool(const SpoolRequest& request, const StoredMessage& stored,
                  std::uint32_t chunks_before, std::string& out, std::string& scratch) {
  RowWriter record(out);
  record.number(request.message.id.value);
  record.time(request.keep_until);
  record.number(chunks_before);
  encode_message(stored, scratch);
  record.text(scratch);
  record.text(request.message.content.prepend);
  record.text(request.message.content.header);
  record.number(request.chunks.size());
  for (const auto& chunk : request.chunks) record.text(chunk);
  record.number(request.entries.size());
  for (const Entry& entry : request.entries)
    write_entry(record, stored_entry(request, stored, entry), scratch);
  write_events(record, request.events, request.message.message_id, scratch);
}

Result<SpoolRecord> decode_spool(std::string_view octets) {
  RowReader record = RowReader::unchecked(octets);
  SpoolRecord spool;
  spool.id = MessageId{record.number()};
  spool.keep_until = record.time();
  spool.chunks_before = record.small<std::uint32_t>();
  spool.envelope = record.view();
  spool.prepend = record.view();
  spool.header = record.view();
  for (auto count = record.number(); count > 0 && record.ok(); --count)
    spool.chunks.push_back(record.view());
  for (auto count = record.number(); count > 0 && record.ok(); --count)
    spool.entries.push_back(read_entry(record));
  spool.events = read_events(record);
  if (!record.ok_at_end()) return std::unexpected(cut_record());
  return spool;
}

void encode_settle(const StoredEntry& after, const SettleRequest& request, std::string& out,
                   std::string& scratch) {
  RowWriter record(out);
  record.number(after.entry.id.message.value);
  const bool settled = after.entry.state == EntryState::settled;
  record.flag(settled);
  if (settled) {
    record.number(after.entry.id.number);
  } else {
    write_entry(record, after, scratch);
  }
  record.time(request.now);
  record.time(after.keep_until);
  record.flag(after.chunked);
  write_events(record, request.events, {}, scratch);
}

Result<SettleRecord> decode_settle(std::string_view octets) {
  RowReader record = RowReader::unchecked(octets);
  SettleRecord settle;
  settle.entry.message = MessageId{record.number()};
  settle.settled = record.flag();
  if (settle.settled) {
    settle.entry.number = record.small<std::uint32_t>();
  } else {
    settle.row = read_entry(record);
    settle.entry.number = settle.row.number;
  }
  settle.now = record.time();
  settle.keep_until = record.time();
  settle.chunked = record.flag();
  settle.events = read_events(record);
  if (!record.ok_at_end()) return std::unexpected(cut_record());
  return settle;
}

void encode_facts(std::span<const ObjectPut> puts, std::span<const ObjectKey> removes,
                  std::span<const Event> events, std::string& out, std::string& scratch) {
  RowWriter record(out);
  record.number(puts.size());
  for (const ObjectPut& put : puts) {
    write_key(record, put.key);
    record.text(put.value);
  }
  record.number(removes.size());
  for (const ObjectKey& key : removes) write_key(record, key);
  write_events(record, events, {}, scratch);
}

Result<FactsRecord> decode_facts(std::string_view octets) {
  RowReader record = RowReader::unchecked(octets);
  FactsRecord facts;
  for (auto count = record.number(); count > 0 && record.ok(); --count) {
    ObjectKey key = read_key(record);
    facts.puts.emplace_back(std::move(key), record.view());
  }
  for (auto count = record.number(); count > 0 && record.ok(); --count)
    facts.removes.push_back(read_key(record));
  facts.events = read_events(record);
  if (!record.ok_at_end()) return std::unexpected(cut_record());
  return facts;
}

}  // namespace goniec
