// Records of the journal become rows. All groups of a batch are looked at together: a message that
// was spooled and settled in it writes its events and nothing else, and of an entry that was tried
// and waits again only the last row is written.
#include <algorithm>
#include <unordered_map>
#include <variant>

#include "base/digest.h"
#include "base/text.h"
#include "store/sqlite/engine.h"

namespace goniec {
namespace {

using Record = std::variant<SpoolRecord, SettleRecord, FactsRecord>;

// What the settle leaves of the entry, in the spool that is written after it.
void fold(const SettleRecord& settle, SpoolRecord& spool) {
  const auto entry = std::ranges::find(spool.entries, settle.entry.number, &EntryRow::number);
  if (entry == spool.entries.end()) return;
  if (settle.settled) {
    spool.entries.erase(entry);
  } else {
    *entry = settle.row;
  }
}

Result<Record> decode(const JournalRecord& record) {
  switch (record.kind) {
    case spool_record:
      return TRY(decode_spool(record.payload));
    case settle_record:
      return TRY(decode_settle(record.payload));
    case facts_record:
      return TRY(decode_facts(record.payload));
    default:
      return fail(ErrorKind::damaged,
                  fmt::format("the journal has a record of unknown kind {}", record.kind));
  }
}

}  // namespace

// REQUIRES a group in the database.
Result<void> SqliteStore::apply_records(const std::vector<JournalGroup>& groups) {
  std::vector<Record> records;
  std::vector<bool> is_folded;
  std::unordered_map<MessageId, std::size_t> spooled;  // where in `records`
  for (const JournalGroup& group : groups) {
    for (const JournalRecord& one : group.records()) {
      Record record = TRY(decode(one));
      is_folded.push_back(false);
      if (const auto* spool = std::get_if<SpoolRecord>(&record)) {
        spooled.emplace(spool->id, records.size());
      } else if (const auto* settle = std::get_if<SettleRecord>(&record)) {
        const auto found = spooled.find(settle->entry.message);
        if (found != spooled.end()) {
          fold(*settle, std::get<SpoolRecord>(records[found->second]));
          is_folded.back() = true;
        }
      }
      records.push_back(std::move(record));
    }
  }
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (const auto* spool = std::get_if<SpoolRecord>(&records[i])) {
      TRY(apply_spool(*spool));
    } else if (const auto* facts = std::get_if<FactsRecord>(&records[i])) {
      TRY(apply_facts(*facts));
    } else if (const auto& settle = std::get<SettleRecord>(records[i]); is_folded[i]) {
      TRY(insert_event_rows(settle.events));
    } else {
      TRY(apply_settle(settle));
    }
  }
  return {};
}

Result<void> SqliteStore::apply_spool(const SpoolRecord& record) {
  const MessageId id = record.id;
  now_.highest = std::max(now_.highest, id.value);
  const bool is_held = !record.entries.empty() || record.keep_until != Instant{};
  if (record.chunks_before != 0) {
    TRY(Bound(sql_.delete_unspooled).number(id.value).done());
    if (!is_held) TRY(Bound(sql_.delete_chunks).number(id.value).done());
  }
  if (is_held) {
    {
      const auto body = record.body_in_row() ? record.chunks[0] : std::string_view{};
      Bound insert(sql_.insert_message);
      insert.number(id.value).blob(record.envelope).blob(record.prepend).blob(record.header);
      TRY(insert.blob(body).done());
    }
    for (std::size_t i = 0; i < record.chunks.size() && !record.body_in_row(); ++i) {
      const auto& chunk = record.chunks[i];
      Bound insert(sql_.insert_chunk);
      insert.number(id.value).number(record.chunks_before + static_cast<std::uint32_t>(i));
      TRY(insert.number(crc32c(chunk)).blob(chunk).done());
    }
    if (record.keep_until != Instant{}) {
      Bound insert(sql_.insert_retention);
      TRY(insert.number(to_microseconds(record.keep_until)).number(id.value).done());
    }
    for (const EntryRow& entry : record.entries) TRY(insert_entry_row(id, entry));
  }
  return insert_event_rows(record.events);
}

Result<void> SqliteStore::insert_entry_row(MessageId message, const EntryRow& entry) {
  Bound insert(sql_.insert_entry);
  insert.number(message.value).number(entry.number);
  const std::uint64_t lane = lane_of_row(entry.row);
  (entry.held ? insert.null() : insert.number(due_second(entry.due))).blob(entry.row);
  TRY(insert.number(lane).done());
  if (!entry.held) note_due({entry.due, lane, {message, entry.number}});
  return {};
}

Result<void> SqliteStore::apply_settle(const SettleRecord& record) {
  const EntryId id = record.entry;
  if (record.settled) {
    TRY(delete_entry(id));
    TRY(insert_event_rows(record.events));
    if (TRY(exists(sql_.has_entries, id.message))) return {};
    return drop_content_of_settled(id.message, record.keep_until, record.now, record.chunked);
  }
  {
    Bound update(sql_.update_entry);
    update.number(id.message.value).number(id.number);
    TRY((record.row.held ? update.null() : update.number(due_second(record.row.due)))
            .blob(record.row.row)
            .done());
  }
  if (!record.row.held) note_due({record.row.due, lane_of_row(record.row.row), id});
  return insert_event_rows(record.events);
}

Result<void> SqliteStore::apply_facts(const FactsRecord& record) {
  for (const auto& [key, value] : record.puts) {
    Bound put(sql_.put_object);
    TRY(put.text(key.kind).text(key.key).text(value).done());
  }
  for (const ObjectKey& key : record.removes) {
    Bound row(sql_.delete_object);
    TRY(row.text(key.kind).text(key.key).done());
  }
  return insert_event_rows(record.events);
}

Result<void> SqliteStore::insert_event_rows(const std::vector<EventRow>& events) {
  for (const EventRow& event : events) {
    Bound insert(sql_.insert_event);
    insert.number(now_.next_sequence).number(event.message.value);
    if (event.name == 0) {
      insert.null();
    } else {
      insert.number(event.name);
      names_.pairs.emplace_back(event.name, event.message.value);
    }
    TRY(insert.blob(event.row).done());
    ++now_.next_sequence;
  }
  return {};
}

}  // namespace goniec
