// The verbs of the SQLite engine, one item each: check and read first (an item that is refused
// leaves no trace), then write; what fails from there on loses the group (`Guard`). See engine.h.
#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "store/sqlite/each.h"
#include "store/sqlite/engine.h"

namespace goniec {

std::vector<Result<void>> SqliteStore::write_chunks(std::span<const ChunkWrite> batch) {
  return each<void>(batch, Group::cold, Room::needed,
                    [this](const ChunkWrite& chunk) { return write_chunk(chunk); });
}

std::vector<Result<void>> SqliteStore::discard_chunks(std::span<const MessageId> batch) {
  return each<void>(batch, Group::cold, Room::not_needed, [this](const MessageId& message) {
    auto done = discard(message);
    if (!done) lose(done.error());
    return done;
  });
}

std::vector<Result<SpoolResult>> SqliteStore::spool(std::span<const SpoolRequest> batch) {
  return each<SpoolResult>(batch, Group::any, Room::needed,
                           [this](const SpoolRequest& request) { return spool_one(request); });
}

std::vector<Result<SettleResult>> SqliteStore::settle(std::span<const SettleRequest> batch) {
  return each<SettleResult>(batch, Group::any, Room::not_needed,
                            [this](const SettleRequest& request) { return settle_one(request); });
}

std::vector<Result<Entry>> SqliteStore::change(std::span<const QueueChange> batch) {
  return each<Entry>(batch, Group::cold, Room::not_needed,
                     [this](const QueueChange& change) { return change_one(change); });
}

std::vector<Result<void>> SqliteStore::remove_from_mailbox(std::span<const MailboxRemove> batch) {
  return each<void>(batch, Group::cold, Room::not_needed, [this](const MailboxRemove& request) {
    auto done = remove_letters(request);
    if (!done) lose(done.error());
    return done;
  });
}

// ---------------------------------------------------------------- chunks

Result<void> SqliteStore::write_chunk(const ChunkWrite& chunk) {
  TRY(check_chunk(chunk, options_.limits));
  if (TRY(exists(sql_.has_message, chunk.message))) {
    return fail(ErrorKind::conflict, fmt::format("message {} is in the store: no chunk may follow",
                                                 chunk.message.text()));
  }
  {
    Bound insert(sql_.insert_chunk);
    insert.number(chunk.message.value).number(chunk.number).number(crc32c(chunk.octets));
    auto done = insert.blob(chunk.octets).done();
    if (!done && done.error().kind == ErrorKind::conflict) {
      return fail(ErrorKind::conflict, fmt::format("message {} has chunk {} already",
                                                   chunk.message.text(), chunk.number));
    }
    if (!done) lose(done.error());
    TRY(std::move(done));
  }
  if (chunk.number != 0) return {};
  Bound insert(sql_.insert_unspooled);
  auto done = insert.number(chunk.message.value).done();
  if (!done) lose(done.error());
  return done;
}

Result<void> SqliteStore::discard(MessageId message) {
  {
    Bound row(sql_.delete_unspooled);
    TRY(row.number(message.value).done());
  }
  if (TRY(exists(sql_.has_message, message))) return {};
  Bound rows(sql_.delete_chunks);
  return rows.number(message.value).done();
}

// How many chunks of the body were written before; they are there and are as long as announced.
Result<std::uint32_t> SqliteStore::chunks_before(const SpoolRequest& request) {
  const Content& content = request.message.content;
  if (content.body_chunks <= request.chunks.size()) return 0;
  Bound count(sql_.count_chunks);
  count.number(request.message.id.value);
  TRY(count.step());
  const auto chunks = static_cast<std::uint32_t>(count.integer(0));
  if (chunks == 0) return 0;
  if (count.integer(1) + 1 != count.integer(0) ||
      count.count(2) + body_octets(request) != content.body_octets) {
    return fail(ErrorKind::bad_data, fmt::format("the chunks of message {} are not its body",
                                                 request.message.id.text()));
  }
  return chunks;
}

// ---------------------------------------------------------------- spool

// That the id is new; how many chunks of the body are in the database. An id that was not seen and
// has no chunks there needs no look.
Result<std::uint32_t> SqliteStore::check_new(const SpoolRequest& request) {
  const Message& message = request.message;
  if (message.content.body_chunks <= request.chunks.size() && recent_.is_new(message.id)) return 0;
  TRY(begin());
  if (TRY(exists(sql_.has_message, message.id)))
    return fail(ErrorKind::conflict, fmt::format("message {} is in the store", message.id.text()));
  return chunks_before(request);
}

Result<SpoolResult> SqliteStore::spool_one(const SpoolRequest& request) {
  const auto before = TRY(check_new(request));
  TRY(check_spool(request, options_.limits, before));
  return write_spool(request, before);
}

// REQUIRES a checked request.
SpoolResult SqliteStore::write_spool(const SpoolRequest& request, std::uint32_t before) {
  const auto stored = stored_message(request, before);
  encode_spool(request, stored, before, record_, scratch_);
  journal_->add(spool_record, record_);
  if (!request.objects.empty()) {
    encode_facts(request.objects, {}, {}, record_, scratch_);
    journal_->add(facts_record, record_);
  }
  recent_.add(request.message.id);
  highest_ = std::max(highest_, request.message.id.value);
  SpoolResult result;
  result.leases.reserve(request.entries.size());
  LeaseTable& leases = *shared_->leases;
  const Instant now = shared_->clock.now();
  for (const auto& entry : request.entries) {
    StoredEntry row = stored_entry(request, stored, entry);
    const bool lease = request.lease && is_due(row, now) &&
                       (request.domain_most == SIZE_MAX ||
                        leases.of_lane(domain_lane(entry.domain.ascii())) < request.domain_most);
    result.leases.push_back(lease ? leases.add(std::move(row)) : Lease{entry.id, 0});
  }
  return result;
}

// ---------------------------------------------------------------- settle and change

Result<bool> SqliteStore::exists(const Statement& statement, MessageId message) {
  Bound query(statement);
  return query.number(message.value).step();
}

Result<void> SqliteStore::check_notices(std::span<const SpoolRequest> notices) {
  for (std::size_t i = 0; i < notices.size(); ++i) {
    const MessageId id = notices[i].message.id;
    TRY(check_spool(notices[i], options_.limits, 0));
    bool is_taken = false;
    for (std::size_t j = 0; j < i; ++j) is_taken = is_taken || notices[j].message.id == id;
    if (!is_taken && !recent_.is_new(id)) {
      TRY(begin());
      is_taken = TRY(exists(sql_.has_message, id));
    }
    if (is_taken) return fail(ErrorKind::conflict, "a notice has the id of another message");
  }
  return {};
}

Result<void> SqliteStore::insert_events(std::span<const Event> events) {
  for (const auto& event : events) {
    encode_event(event, row_);
    Bound insert(sql_.insert_event);
    TRY(insert.number(now_.next_sequence).number(event.message.value).null().blob(row_).done());
    ++now_.next_sequence;
  }
  return {};
}

Result<void> SqliteStore::write_entry(const StoredEntry& entry) {
  encode_entry(entry, row_);
  const auto& id = entry.entry.id;
  Bound update(sql_.update_entry);
  update.number(id.message.value).number(id.number);
  const bool held = entry.entry.state == EntryState::held;
  const auto due = to_microseconds(entry.entry.due);
  TRY((held ? update.null() : update.number(due_second(due))).blob(row_).done());
  if (!held) note_due({due, domain_lane(entry.entry.domain.ascii()), id});
  return {};
}

Result<void> SqliteStore::delete_entry(const EntryId& id) {
  Bound row(sql_.delete_entry);
  return row.number(id.message.value).number(id.number).done();
}

Result<void> SqliteStore::drop_content_without_holder(MessageId message, Instant keep_until,
                                                      Instant now) {
  if (TRY(exists(sql_.has_entries, message))) return {};
  return drop_content_of_settled(message, keep_until, now, true);
}

Result<void> SqliteStore::drop_content_of_settled(MessageId message, Instant keep_until,
                                                  Instant now, bool chunked) {
  if (keep_until > now || TRY(exists(sql_.has_letter, message))) return {};
  {
    Bound row(sql_.delete_message);
    TRY(row.number(message.value).done());
  }
  if (!chunked) return {};
  Bound rows(sql_.delete_chunks);
  return rows.number(message.value).done();
}

Result<SettleResult> SqliteStore::settle_one(const SettleRequest& request) {
  const StoredEntry* leased = shared_->leases->find(request.lease);
  if (!leased) return std::unexpected(stale_lease(request.lease.entry));
  TRY(check_outcomes(leased->entry, request.outcomes, request.delay_notified.size()));
  TRY(check_notices(request.notices));
  if (!request.appends.empty()) TRY(begin());
  StoredEntry entry = *leased;
  shared_->leases->remove(entry.entry.id);
  entry.entry = after_settle(std::move(entry.entry), request);
  SettleResult result;
  // Before the entry goes: a letter holds the content.
  TRY(append_letters(entry, request, result));
  encode_settle(entry, request, record_, scratch_);
  journal_->add(settle_record, record_);
  for (const auto& notice : request.notices) result.notices.push_back(write_spool(notice, 0));
  result.entry = std::move(entry.entry);
  return result;
}

Result<void> SqliteStore::append_letters(const StoredEntry& entry, const SettleRequest& request,
                                         SettleResult& result) {
  for (const auto& append : request.appends) {
    auto uid = append_letter(entry, append);
    if (!uid) {
      lose(uid.error());
      return std::unexpected(uid.error());
    }
    result.append_uids.push_back(*uid);
  }
  return {};
}

Result<Entry> SqliteStore::change_one(const QueueChange& change) {
  StoredEntry entry;
  {
    Bound row(sql_.select_entry);
    if (!TRY(row.number(change.entry.message.value).number(change.entry.number).step())) {
      return std::unexpected(unknown_entry(change.entry));
    }
    entry = TRY(decode_entry(row.bytes(0), change.entry));
  }
  TRY(check_outcomes(entry.entry, change.outcomes, 0));
  TRY(check_notices(change.notices));
  const bool leased = shared_->leases->is_leased(change.entry);
  auto changed = TRY(after_change(entry.entry, change, leased));
  if (leased) changed.entry.state = EntryState::leased;
  if (changed.effect == ChangeEffect::nothing) return changed.entry;
  entry.entry = changed.entry;
  const auto write = [&]() -> Result<void> {
    if (changed.effect == ChangeEffect::update) {
      TRY(write_entry(entry));
    } else {
      TRY(delete_entry(change.entry));
    }
    TRY(insert_events(change.events));
    for (const auto& notice : change.notices) static_cast<void>(write_spool(notice, 0));
    if (changed.effect == ChangeEffect::remove) {
      TRY(drop_content_without_holder(change.entry.message, entry.keep_until, change.now));
    }
    return {};
  };
  if (auto written = write(); !written) {
    lose(written.error());
    return std::unexpected(written.error());
  }
  return std::move(changed.entry);
}

// ---------------------------------------------------------------- mailboxes

Result<std::uint64_t> SqliteStore::append_letter(const StoredEntry& entry,
                                                 const MailboxAppend& append) {
  const std::string account = append.mailbox.text();
  std::int64_t folder = 0;
  std::uint64_t uid = 1;
  {
    Bound row(sql_.select_folder);
    if (TRY(row.text(account).text(append.folder).step())) {
      folder = row.integer(0);
      uid = row.count(1);
    }
  }
  if (folder == 0) {
    Bound insert(sql_.insert_folder);
    // Seconds and never 0 (RFC 3501 §2.3.1.1: a folder made again has a larger one).
    const auto validity =
        std::max<std::int64_t>(1, to_microseconds(shared_->clock.now()) / 1000000);
    TRY(insert.text(account).text(append.folder).number(validity).done());
    folder = sqlite3_last_insert_rowid(db_.get());
  }
  const std::uint64_t octets = append.prepend.size() + entry.octets;
  {
    Bound update(sql_.append_folder);
    TRY(update.number(folder).number(octets).done());
  }
  Bound insert(sql_.insert_letter);
  insert.number(folder).number(uid).number(entry.entry.id.message.value).number(octets);
  TRY(insert.number(to_microseconds(append.at)).number(0u).blob(append.prepend).done());
  return uid;
}

Result<void> SqliteStore::remove_letters(const MailboxRemove& request) {
  std::int64_t folder = 0;
  {
    const std::string account = request.mailbox.text();
    Bound row(sql_.select_folder);
    if (!TRY(row.text(account).text(request.folder).step())) return {};
    folder = row.integer(0);
  }
  const Instant now = shared_->clock.now();
  for (const auto uid : request.uids) {
    MessageId content;
    std::uint64_t octets = 0;
    {
      Bound row(sql_.select_letter);
      if (!TRY(row.number(folder).number(uid).step())) continue;
      content = MessageId{row.count(0)};
      octets = row.count(1);
    }
    {
      Bound row(sql_.delete_letter);
      TRY(row.number(folder).number(uid).done());
    }
    {
      Bound update(sql_.shrink_folder);
      TRY(update.number(folder).number(octets).done());
    }
    Instant keep_until{};
    {
      Bound row(sql_.select_message);
      if (!TRY(row.number(content.value).step())) continue;
      const auto stored = decode_message(row.bytes(0), content);
      if (stored) keep_until = stored->keep_until;
    }
    TRY(drop_content_without_holder(content, keep_until, now));
  }
  return {};
}

}  // namespace goniec
