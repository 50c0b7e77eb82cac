// See journal.h. On disk, little-endian:
//   file    header (4 KiB: magic, generation u64, checksum u32; at 24 the file's length u64, its
//           checksum u32), records on 8 octets each
//   record  length of the payload u32, checksum u32, mark u64, generation's low half u32, kind u8,
//           three octets of zero, payload, zeroes up to 8 octets
// The record `group_end` has the number of the group's records before it as its payload.
//
// Where a file ends in the midst of its groups, by damage or by a power cut, is told by what comes
// behind: a group is only begun when the one before was synced, so that a cut leaves nothing whole
// behind the group it struck. A whole group behind a break (its first record continues the stored
// checksum of an end) is proof of damage, and its mark says what is missing between.
#include "store/journal.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "base/digest.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::string_view magic = "GONIECJ1";
constexpr std::uint8_t group_end = 255;
constexpr std::size_t write_octets = 1u << 20;

std::uint64_t padded(std::uint64_t octets) {
  return (octets + 7) / 8 * 8;
}

template <class Number>
void put(std::string& into, std::size_t at, Number value) {
  std::memcpy(into.data() + at, &value, sizeof value);
}
template <class Number>
Number get(std::string_view from, std::size_t at) {
  Number value{};
  std::memcpy(&value, from.data() + at, sizeof value);
  return value;
}

std::uint32_t first_link(std::uint64_t generation) {
  return crc32c(std::string_view(reinterpret_cast<const char*>(&generation), sizeof generation));
}

std::string header_of(std::uint64_t generation, std::uint64_t file_octets) {
  std::string header(GroupJournal::header_octets, '\0');
  std::memcpy(header.data(), magic.data(), magic.size());
  put(header, 8, generation);
  put(header, 16, crc32c(std::string_view(header).substr(0, 16)));
  put(header, 24, file_octets);
  put(header, 32, crc32c(std::string_view(header).substr(24, 8)));
  return header;
}

// How long the file was made; 0: it is not known, or the file was never used.
Result<std::uint64_t> length_in(const std::string& path, std::string_view header) {
  constexpr std::size_t end = 36;
  header = header.substr(0, end);
  if (header.find_first_not_of('\0') == std::string_view::npos) return 0;
  if (header.size() < end || !header.starts_with(magic) ||
      get<std::uint32_t>(header, 16) != crc32c(header.substr(0, 16)))
    return fail(ErrorKind::damaged, fmt::format("the header of {} is damaged", path));
  if (get<std::uint32_t>(header, 32) != crc32c(header.substr(24, 8))) return 0;
  return get<std::uint64_t>(header, 24);
}

// 0: no header.
std::uint64_t generation_of(std::string_view file) {
  if (file.size() < GroupJournal::header_octets || !file.starts_with(magic)) return 0;
  if (get<std::uint32_t>(file, 16) != crc32c(file.substr(0, 16))) return 0;
  return get<std::uint64_t>(file, 8);
}

// A record without mark, generation and checksum.
void append(std::string& group, std::uint8_t kind, std::string_view payload) {
  const std::size_t at = group.size();
  group.resize(at + padded(GroupJournal::record_octets + payload.size()), '\0');
  put(group, at, static_cast<std::uint32_t>(payload.size()));
  group[at + 20] = static_cast<char>(kind);
  std::memcpy(group.data() + at + GroupJournal::record_octets, payload.data(), payload.size());
}

// What a record's checksum covers: all of it but the checksum, and the record before.
std::uint32_t link_of(std::string_view record, std::uint32_t before) {
  return crc32c(record.substr(8), crc32c(record.substr(0, 4), before));
}

Result<std::string> read_whole(DiskFile& file) {
  std::string content(TRY(file.size()), '\0');
  for (std::uint64_t at = 0; at < content.size();) {
    const auto got = TRY(file.read_at(at, std::span(content).subspan(at)));
    if (got == 0) {
      content.resize(at);
      break;
    }
    at += got;
  }
  return content;
}

}  // namespace

JournalGroup JournalGroup::of(std::uint64_t mark, JournalRecord record) {
  std::string octets;
  append(octets, record.kind, record.payload);
  return {mark, std::move(octets)};
}

// The groups of one file, one after another, until something is not as it was written.
struct GroupJournal::Scan {
  explicit Scan(std::string_view file)
      : content(file), generation(generation_of(file)), chain(first_link(generation)) {}

  // False: this was the last whole group. `position` and `chain` are then behind it.
  bool next() {
    std::uint32_t records = 0;
    std::uint64_t at = position;
    std::uint32_t link = chain;
    for (;;) {
      if (content.size() < at + record_octets) return false;
      const auto length = get<std::uint32_t>(content, at);
      const std::uint64_t whole = padded(record_octets + std::uint64_t{length});
      if (content.size() < at + whole) return false;
      const std::string_view record = content.substr(at, whole);
      if (get<std::uint32_t>(record, 16) != static_cast<std::uint32_t>(generation)) return false;
      link = link_of(record, link);
      if (get<std::uint32_t>(record, 4) != link) return false;
      const auto kind = static_cast<std::uint8_t>(record[20]);
      const auto of = get<std::uint64_t>(record, 8);
      if (records > 0 && of != mark) return false;
      mark = of;
      at += whole;
      if (kind == group_end) {
        if (length != 4 || get<std::uint32_t>(record, record_octets) != records) return false;
        group = content.substr(position, at - position);
        position = at;
        chain = link;
        return true;
      }
      ++records;
    }
  }

  // Behind a break: the next whole group that continues the end of another. As next().
  bool resume() {
    constexpr std::uint64_t end_octets = 32;
    for (std::uint64_t at = position; at + end_octets + record_octets <= content.size(); at += 8) {
      if (static_cast<std::uint8_t>(content[at + 20]) != group_end) continue;
      if (get<std::uint32_t>(content, at + 16) != static_cast<std::uint32_t>(generation)) continue;
      if (get<std::uint32_t>(content, at) != 4) continue;
      Scan behind = *this;
      behind.position = at + end_octets;
      behind.chain = get<std::uint32_t>(content, at + 4);
      if (!behind.next()) continue;
      *this = behind;
      return true;
    }
    return false;
  }

  std::string_view content;
  std::uint64_t generation;
  std::uint32_t chain;
  std::uint64_t position = header_octets, mark = 0;
  std::string_view group;
};

std::vector<JournalRecord> JournalGroup::records() const {
  std::vector<JournalRecord> records;
  const std::string_view octets = octets_;
  for (std::size_t at = 0; at < octets.size();) {
    const auto length = get<std::uint32_t>(octets, at);
    const auto kind = static_cast<std::uint8_t>(octets[at + 20]);
    if (kind != group_end)
      records.push_back({kind, octets.substr(at + GroupJournal::record_octets, length)});
    at += padded(GroupJournal::record_octets + std::uint64_t{length});
  }
  return records;
}

// ---------------------------------------------------------------- opening
Result<std::unique_ptr<GroupJournal>> GroupJournal::open(Disk& disk, const std::string& directory,
                                                         JournalLimits limits,
                                                         std::uint64_t applied,
                                                         const Replay& replay) {
  CHECK(limits.files >= 2);
  CHECK(limits.file_octets > header_octets + 2 * record_octets);
  std::unique_ptr<GroupJournal> journal(new GroupJournal(disk, directory, limits));
  TRY(disk.make_directory(directory));
  // What is there is read, also when it is more than is wanted now.
  for (std::size_t number = 0;; ++number) {
    const bool is_there = TRY(disk.exists(fmt::format("{}/{:04}", directory, number)));
    if (number >= limits.files && !is_there) break;
    TRY(journal->make_file(number));
  }
  TRY(journal->recover(applied, replay));
  return journal;
}

// A file that is not whole yet (made, or half made when the power went) is written through once, so
// that writing it never again changes what the file system knows of it.
Result<void> GroupJournal::make_file(std::size_t number) {
  File made;
  made.path = fmt::format("{}/{:04}", directory_, number);
  made.file = TRY(disk_.open(made.path, OpenMode::create));
  const std::uint64_t size = TRY(made.file->size());
  std::string header(header_octets, '\0');
  header.resize(TRY(made.file->read_at(0, header)));
  if (const auto length = TRY(length_in(made.path, header)); size < length)
    return fail(ErrorKind::damaged,
                fmt::format("{} has {} octets and was made with {}", made.path, size, length));
  if (size < limits_.file_octets) {
    const std::string zeroes(std::min<std::uint64_t>(write_octets, limits_.file_octets), '\0');
    for (std::uint64_t at = size; at < limits_.file_octets; at += zeroes.size()) {
      const std::uint64_t piece = std::min<std::uint64_t>(zeroes.size(), limits_.file_octets - at);
      TRY(made.file->write_at(at, std::string_view(zeroes).substr(0, piece)));
    }
    TRY(made.file->sync());
    TRY(disk_.sync_directory(directory_));
  }
  files_.push_back(std::move(made));
  return {};
}

Result<void> GroupJournal::recover(std::uint64_t applied, const Replay& replay) {
  forgotten_ = applied;
  last_mark_ = applied;
  std::vector<std::pair<std::uint64_t, std::size_t>> order;  // generation, file
  for (std::size_t i = 0; i < files_.size(); ++i) {
    std::string head(header_octets, '\0');
    TRY(files_[i].file->read_at(0, head));
    files_[i].generation = generation_of(head);
    if (files_[i].generation > 0) order.emplace_back(files_[i].generation, i);
  }
  std::sort(order.begin(), order.end());
  for (const auto& [generation, i] : order) TRY(recover_file(i, applied, replay));
  return {};
}

Result<void> GroupJournal::recover_file(std::size_t number, std::uint64_t applied,
                                        const Replay& replay) {
  File& file = files_[number];
  const std::string content = TRY(read_whole(*file.file));
  Scan scan(content);
  for (;;) {
    if (!scan.next()) {
      const std::uint64_t broke_at = scan.position;
      if (!scan.resume()) break;
      damage_ += fmt::format("{}{} is damaged at octet {}, before group {}",
                             damage_.empty() ? "" : "; ", file.path, broke_at, scan.mark);
    }
    file.last_mark = scan.mark;
    if (scan.mark <= applied) continue;
    if (scan.mark != last_mark_ + 1)
      return fail(ErrorKind::damaged, fmt::format("journal {}: group {} comes after group {}",
                                                  file.path, scan.mark, last_mark_));
    TRY(replay(JournalGroup(scan.mark, std::string(scan.group))));
    last_mark_ = scan.mark;
  }
  current_ = number;
  generation_ = file.generation;
  position_ = scan.position;
  chain_ = scan.chain;
  return {};
}

// ---------------------------------------------------------------- writing
void GroupJournal::add(std::uint8_t kind, std::string_view payload) {
  CHECK(kind != 0 && kind != group_end && payload.size() <= UINT32_MAX);
  append(group_, kind, payload);
  ++records_;
}

bool GroupJournal::fits() const {
  return header_octets + group_.size() + padded(record_octets + 4) <= limits_.file_octets;
}

void GroupJournal::drop() {
  group_.clear();
  records_ = 0;
}

JournalGroup GroupJournal::take() {
  JournalGroup group(0, std::exchange(group_, {}));
  drop();
  return group;
}

void GroupJournal::forget(std::uint64_t mark) {
  forgotten_ = std::max(forgotten_, mark);
}

Result<void> GroupJournal::take_next_file() {
  std::size_t next = files_.size();
  for (std::size_t i = 0; i < files_.size() && next == files_.size(); ++i) {
    const bool in_use = i == current_ && generation_ > 0;
    if (!in_use && files_[i].last_mark <= forgotten_) next = i;
  }
  if (next == files_.size())
    return fail(ErrorKind::try_later, "every file of the journal is in use");
  File& file = files_[next];
  const std::uint64_t length = TRY(file.file->size());
  const std::string header = header_of(generation_ + 1, length);
  TRY(file.file->write_at(0, header));  // refused: nothing has changed
  file.generation = ++generation_;
  file.last_mark = 0;
  current_ = next;
  position_ = header_octets;
  chain_ = first_link(generation_);
  return {};
}

// Marks, generation and checksums, which depend on where the group comes to lie.
void GroupJournal::seal_group(std::uint64_t mark) {
  for (std::size_t at = 0; at < group_.size();) {
    const std::uint64_t whole = padded(record_octets + get<std::uint32_t>(group_, at));
    put(group_, at + 8, mark);
    put(group_, at + 16, static_cast<std::uint32_t>(generation_));
    chain_ = link_of(std::string_view(group_).substr(at, whole), chain_);
    put(group_, at + 4, chain_);
    at += whole;
  }
}

Result<JournalGroup> GroupJournal::commit(std::uint64_t mark) {
  CHECK(mark > last_mark_);
  if (sealed_) return fail(ErrorKind::io, "the journal is sealed after a failed write or sync");
  if (!fits()) return fail(ErrorKind::bad_data, "the group is larger than a file of the journal");
  const std::uint64_t need = group_.size() + padded(record_octets + 4);
  if (generation_ == 0 || position_ + need > limits_.file_octets) {
    auto taken = take_next_file();
    if (!taken) {
      sealed_ = taken.error().kind != ErrorKind::try_later;
      return std::unexpected(taken.error());
    }
  }
  const std::size_t without_end = group_.size();
  const std::uint32_t chain = chain_;
  std::string count(4, '\0');
  put(count, 0, records_);
  append(group_, group_end, count);
  seal_group(mark);
  DiskFile& file = *files_[current_].file;
  Result<void> done = file.write_at(position_, group_);
  if (!done && done.error().kind == ErrorKind::try_later) {  // no room: what is there in part
    chain_ = chain;                                          // has no end, and is written over
    group_.resize(without_end);
    return std::unexpected(done.error());
  }
  if (done) done = file.sync();
  if (!done) {
    sealed_ = true;
    return std::unexpected(done.error());
  }
  position_ += group_.size();
  last_mark_ = mark;
  files_[current_].last_mark = mark;
  JournalGroup group(mark, std::exchange(group_, {}));
  drop();
  return group;
}

// ---------------------------------------------------------------- salvage
// Behind a damaged record the chain is broken, so that a checksum can no longer tell: what looks
// like a record of this file's generation is offered, on the next 8 octets where one is.
Result<std::vector<std::string>> GroupJournal::salvage(Disk& disk, const std::string& directory,
                                                       const Finds& found) {
  std::vector<std::string> cut;
  std::map<std::uint64_t, std::string> files;  // generation -> content
  const bool is_there = TRY(disk.exists(directory + "/0000"));
  for (std::size_t number = 0; is_there; ++number) {
    const std::string path = fmt::format("{}/{:04}", directory, number);
    if (!TRY(disk.exists(path))) break;
    auto file = TRY(disk.open(path, OpenMode::read));
    std::string content = TRY(read_whole(*file));
    std::uint64_t generation = generation_of(content);
    if (const auto length = length_in(path, content); length && content.size() < *length)
      cut.push_back(fmt::format("{} lacks {} octets at its end, with what was in them", path,
                                *length - content.size()));
    // A header that is damaged: the first record behind it names the generation's low half.
    if (generation == 0 && content.size() > header_octets + record_octets)
      generation = get<std::uint32_t>(content, header_octets + 16);
    if (generation != 0) files.emplace(generation, std::move(content));
  }
  for (const auto& [generation, content] : files) {
    std::optional<std::uint32_t> before = first_link(generation);  // as stored
    for (std::uint64_t at = header_octets; at + record_octets <= content.size();) {
      const auto length = get<std::uint32_t>(content, at);
      const std::uint64_t whole = padded(record_octets + std::uint64_t{length});
      const auto kind = static_cast<std::uint8_t>(content[at + 20]);
      const bool looks_whole =
          get<std::uint32_t>(content, at + 16) == static_cast<std::uint32_t>(generation) &&
          at + whole <= content.size() && kind != 0 && get<std::uint16_t>(content, at + 21) == 0 &&
          content[at + 23] == 0;
      if (!looks_whole) {
        at += 8;
        before.reset();
        continue;
      }
      const std::string_view octets = std::string_view(content).substr(at, whole);
      const auto link = get<std::uint32_t>(octets, 4);
      if (kind != group_end) {
        const bool proven = before && link_of(octets, *before) == link;
        TRY(found(get<std::uint64_t>(octets, 8), {kind, octets.substr(record_octets, length)},
                  proven ? Proof::checksum : Proof::none));
      }
      before = link;
      at += whole;
    }
  }
  return cut;
}

}  // namespace goniec
