// Fuzz target: the group journal and the records in it, as a damaged or a forged disk shows them.
//
//   kind 0   rows and records alone, as they are and with the checksum they want
//   kind 1   groups that were committed, then up to three bits changed, which a CRC32C always sees,
//            and ends cut off: what is replayed is what was written
//   kind 2   a whole file of the input's records with checksums that hold: any length, mark, kind
//
// Whatever the files hold, opening ends with groups in order or with an error, salvage ends, and a
// journal that opens takes a new group that the next opening gives back. What salvage calls proven
// was written.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "sim/disk.h"
#include "store/journal.h"
#include "store/record.h"

using namespace goniec;

namespace {

constexpr const char* directory = "/j";
constexpr JournalLimits limits{.file_octets = 8192, .files = 2};
constexpr std::size_t forged_most = 3000;

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : left_(reinterpret_cast<const char*>(data), size) {}
  bool empty() const { return left_.empty(); }
  std::string_view take(std::size_t count) {
    const std::string_view piece = left_.substr(0, count);
    left_.remove_prefix(piece.size());
    return piece;
  }
  std::uint8_t byte() {
    const std::string_view piece = take(1);
    return piece.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(piece[0]);
  }
  std::uint16_t word() { return static_cast<std::uint16_t>(byte() | byte() << 8); }

 private:
  std::string_view left_;
};

template <class Number>
void put(std::string& into, std::size_t at, Number value) {
  std::memcpy(into.data() + at, &value, sizeof value);
}

// ---------------------------------------------------------------- rows and records
std::size_t octets_of(const std::vector<EventRow>& events) {
  std::size_t octets = 0;
  for (const EventRow& each : events) octets += each.row.size();
  return octets;
}

void decode_record(std::uint8_t kind, std::string_view octets) {
  if (kind == spool_record) {
    auto spool = decode_spool(octets);
    if (!spool) return;
    std::size_t rows = octets_of(spool->events) + spool->envelope.size() + spool->prepend.size() +
                       spool->header.size();
    for (const auto chunk : spool->chunks) rows += chunk.size();
    for (const EntryRow& entry : spool->entries) {
      rows += entry.row.size();
      (void)decode_entry(entry.row, {spool->id, entry.number});
    }
    CHECK(rows <= octets.size());
    (void)decode_message(spool->envelope, spool->id);
    for (const EventRow& event : spool->events) (void)decode_event(event.row, 1, event.message);
  } else {
    auto settle = decode_settle(octets);
    if (!settle) return;
    CHECK(octets_of(settle->events) + settle->row.row.size() <= octets.size());
    (void)decode_entry(settle->row.row, settle->entry);
  }
}

// A row that decodes is written again as it was.
void decode_row(std::string_view row) {
  std::string again;
  const MessageId id{1};
  if (auto message = decode_message(row, id)) {
    encode_message(*message, again);
    auto twice = decode_message(again, id);
    CHECK(twice.has_value());
  }
  if (auto entry = decode_entry(row, {id, 0})) {
    encode_entry(*entry, again);
    CHECK(decode_entry(again, {id, 0}).has_value() && summarize_entry(row).has_value());
  }
  if (auto event = decode_event(row, 1, id)) {
    encode_event(*event, again);
    CHECK(decode_event(again, 1, id).has_value());
  }
  (void)summarize_entry(row);
}

void try_rows(Input input) {
  const std::uint8_t kind = input.byte();
  const std::string_view octets = input.take(SIZE_MAX);
  decode_record(kind % 2 ? spool_record : settle_record, octets);
  decode_row(octets);
  std::string row(octets);
  const std::uint32_t crc = crc32c(row);
  row.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  decode_row(row);
}

// ---------------------------------------------------------------- files
using Groups = std::map<std::uint64_t, std::string>;  // mark, what its records say

std::string text_of(const JournalRecord& record) {
  return static_cast<char>(record.kind) + std::string(record.payload) + '\n';
}

std::string text_of(const JournalGroup& group) {
  std::string text;
  for (const JournalRecord& record : group.records()) {
    text += text_of(record);
    decode_record(record.kind, record.payload);
  }
  return text;
}

Result<std::unique_ptr<GroupJournal>> open_journal(SimDisk& disk, Groups& found,
                                                   std::uint64_t applied = 0) {
  return GroupJournal::open(
      disk, directory, limits, applied, [&found, applied](JournalGroup group) {
        CHECK(group.mark() == (found.empty() ? applied : found.rbegin()->first) + 1);
        found[group.mark()] = text_of(group);
        return Result<void>{};
      });
}

void commit_group(GroupJournal& journal, Input& input, Groups& groups) {
  for (std::uint8_t records = input.byte() % 4; records > 0; --records) {
    const auto kind = static_cast<std::uint8_t>(1 + input.byte() % 254);
    journal.add(kind, input.take(input.byte()));
  }
  const std::uint64_t mark = journal.last_mark() + 1;
  auto group = journal.commit(mark);
  if (group) {
    groups[mark] = text_of(*group);
  } else {
    CHECK(group.error().kind == ErrorKind::try_later || group.error().kind == ErrorKind::bad_data);
    journal.drop();
  }
}

// Opens what is there, writes one group more, and finds it at the next opening.
void open_and_go_on(SimDisk& disk, const Groups* written, std::uint64_t applied) {
  using Proof = GroupJournal::Proof;
  (void)GroupJournal::salvage(
      disk, directory, [written](std::uint64_t mark, JournalRecord record, Proof proof) {
        decode_record(record.kind, record.payload);
        if (!written || proof == Proof::none) return Result<void>{};
        const auto was = written->find(mark);
        CHECK(was != written->end() && was->second.find(text_of(record)) != std::string::npos);
        return Result<void>{};
      });
  Groups found;
  auto opened = open_journal(disk, found, applied);
  if (!opened) return;
  for (const auto& [mark, text] : found) {
    if (!written) break;
    const auto was = written->find(mark);
    CHECK(was != written->end() && was->second == text);
  }
  (*opened)->forget((*opened)->last_mark());
  Input fresh(reinterpret_cast<const std::uint8_t*>("\1\0\5fresh"), 8);
  Groups added;
  commit_group(**opened, fresh, added);
  CHECK(added.size() == 1);
  const std::uint64_t before = added.begin()->first - 1;
  opened->reset();
  std::uint64_t last = 0;
  auto again = GroupJournal::open(disk, directory, limits, before, [&](JournalGroup group) {
    CHECK(group.mark() == before + 1 && text_of(group) == added.begin()->second);
    last = group.mark();
    return Result<void>{};
  });
  CHECK(again.has_value() && last == before + 1);
}

void damage_groups(Input input) {
  SimDisk disk;
  Groups written;
  std::uint64_t forgotten = 0;
  {
    Groups none;
    auto journal = open_journal(disk, none);
    CHECK(journal.has_value());
    for (std::uint8_t groups = 1 + input.byte() % 16; groups > 0; --groups) {
      commit_group(**journal, input, written);
      if (input.byte() % 8 == 0) (*journal)->forget(forgotten = (*journal)->last_mark());
    }
  }
  for (int flips = 0; flips < 3 && !input.empty(); ++flips) {
    const std::uint8_t how = input.byte();
    auto file = disk.open(how & 1 ? "/j/0001" : "/j/0000", OpenMode::read_write);
    const std::uint64_t at = input.word() % limits.file_octets;
    char octet = 0;
    CHECK(file.has_value() && (*file)->read_at(at, std::span(&octet, 1)).has_value());
    octet = static_cast<char>(octet ^ 1 << (how >> 1 & 7));
    if (how >= 240) {
      CHECK((*file)->truncate(at).has_value());
    } else {
      CHECK((*file)->write_at(at, std::string_view(&octet, 1)).has_value());
    }
  }
  open_and_go_on(disk, &written, forgotten);
}

// The records as the input has them, with the chain of checksums that a forger would give them.
std::string forge_records(Input& input, std::uint64_t generation) {
  std::string records;
  std::uint32_t chain =
      crc32c(std::string_view(reinterpret_cast<const char*>(&generation), sizeof generation));
  std::uint32_t in_group = 0;
  while (!input.empty() && records.size() < forged_most) {
    const std::uint8_t how = input.byte();
    const bool ends = how % 4 == 0;
    std::string payload(input.take(input.byte()));
    if (ends && how % 8 == 0) payload.assign(reinterpret_cast<const char*>(&in_group), 4);
    in_group = ends ? 0 : in_group + 1;
    std::string record(GroupJournal::record_octets + payload.size(), '\0');
    put(record, 0, static_cast<std::uint32_t>(payload.size()));
    if (how >= 240) put(record, 0, static_cast<std::uint32_t>(input.word() << (how % 16)));
    put(record, 8, static_cast<std::uint64_t>(input.byte()));
    put(record, 16, static_cast<std::uint32_t>(generation));
    put(record, 20, static_cast<std::uint8_t>(ends ? 255 : input.byte()));
    payload.copy(record.data() + GroupJournal::record_octets, payload.size());
    record.resize((record.size() + 7) / 8 * 8, '\0');
    chain = crc32c(std::string_view(record).substr(8),
                   crc32c(std::string_view(record).substr(0, 4), chain));
    put(record, 4, chain);
    records += record;
  }
  return records;
}

void forge_file(Input input) {
  SimDisk disk;
  Groups none;
  auto journal = open_journal(disk, none);
  CHECK(journal.has_value());
  (*journal)->add(1, "x");
  CHECK((*journal)->commit(1).has_value());
  const std::uint64_t generation = (*journal)->generation();
  journal->reset();
  auto file = disk.open("/j/0000", OpenMode::read_write);
  CHECK(file.has_value());
  const std::string records = forge_records(input, generation);
  CHECK((*file)->write_at(GroupJournal::header_octets, records).has_value());
  open_and_go_on(disk, nullptr, 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  switch (input.byte() % 3) {
    case 0:
      try_rows(input);
      break;
    case 1:
      damage_groups(input);
      break;
    default:
      forge_file(input);
  }
  return 0;
}
