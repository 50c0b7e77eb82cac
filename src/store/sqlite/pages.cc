// See pages.h. The numbers of the format are those of https://sqlite.org/fileformat2.html.
#include "store/sqlite/pages.h"

#include <algorithm>
#include <optional>

#include "base/digest.h"

namespace goniec {
namespace {

constexpr std::size_t page_octets = 8192;
constexpr std::uint64_t longest_payload = 64u << 20;
constexpr unsigned leaf_table = 13, interior_index = 2, leaf_index = 10;

std::uint32_t big_endian(std::string_view octets, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i)
    value = value << 8 | static_cast<std::uint8_t>(octets[at + i]);
  return value;
}

// §1.6: seven bits an octet, the ninth has eight. False: it goes past the end.
bool take_number(std::string_view octets, std::size_t& at, std::uint64_t& value) {
  value = 0;
  for (int i = 0; i < 9; ++i) {
    if (at >= octets.size()) return false;
    const auto octet = static_cast<std::uint8_t>(octets[at++]);
    if (i == 8) {
      value = value << 8 | octet;
      return true;
    }
    value = value << 7 | (octet & 0x7Fu);
    if (octet < 0x80) return true;
  }
  return true;
}

std::size_t octets_of_kind(std::uint64_t kind) {
  constexpr std::size_t integers[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0};
  return kind < 12 ? integers[kind] : static_cast<std::size_t>((kind - 12) / 2);
}

}  // namespace

struct DatabasePages::Column {
  enum class Kind { null, integer, blob };
  Kind kind = Kind::null;
  std::int64_t integer = 0;
  std::string blob;
};

Result<DatabasePages> DatabasePages::read(Disk& disk, const std::string& database,
                                          FirstPage first) {
  DatabasePages pages;
  pages.file_ = TRY(disk.open(database, OpenMode::read));
  pages.pages_ = static_cast<std::uint32_t>(TRY(pages.file_->size()) / page_octets);
  pages.list_is_whole_ = first == FirstPage::as_found;
  if (pages.list_is_whole_) TRY(pages.find_free_pages());
  for (std::uint32_t number = 1; number <= pages.pages_; ++number) {
    if (!pages.free_.contains(number)) pages.look_at(number, TRY(pages.page(number)));
  }
  return pages;
}

Result<std::string> DatabasePages::page(std::uint32_t number) const {
  std::string page(page_octets, '\0');
  TRY(file_->read_at(std::uint64_t{number - 1} * page_octets, page));
  return page;
}

// §1.5: trunk pages, each with the next one, a count, and so many leaves.
Result<void> DatabasePages::find_free_pages() {
  if (pages_ == 0) return {};
  const std::string first = TRY(page(1));
  const std::uint32_t wanted = big_endian(first, 36, 4);
  std::uint32_t trunk = big_endian(first, 32, 4);
  list_is_whole_ = first.starts_with("SQLite format 3");
  while (list_is_whole_ && trunk != 0) {
    if (trunk > pages_ || !free_.insert(trunk).second) break;
    const std::string list = TRY(page(trunk));
    const std::uint32_t leaves = big_endian(list, 4, 4);
    if (leaves > page_octets / 4 - 2) break;
    for (std::uint32_t i = 0; i < leaves; ++i) free_.insert(big_endian(list, 8 + 4 * i, 4));
    trunk = big_endian(list, 0, 4);
  }
  list_is_whole_ = list_is_whole_ && trunk == 0 && free_.size() == wanted;
  if (!list_is_whole_) free_.clear();
  return {};
}

void DatabasePages::look_at(std::uint32_t number, const std::string& page) {
  const std::size_t head = number == 1 ? 100 : 0;
  const auto kind = static_cast<std::uint8_t>(page[head]);
  if (kind != leaf_table && kind != leaf_index && kind != interior_index) return;
  const std::size_t pointers = head + (kind == interior_index ? 12 : 8);
  const std::size_t cells =
      std::min<std::size_t>(big_endian(page, head + 3, 2), (page_octets - pointers) / 2);
  for (std::size_t i = 0; i < cells; ++i) {
    const Place place{number, big_endian(page, pointers + 2 * i, 2)};
    const auto columns = cell(place, page);
    using enum Column::Kind;
    if (columns.size() == 5 && columns[1].kind == blob) {
      const auto id = id_of_message(columns[1].blob);
      if (id) messages_[*id] = place;
    }
    // An entry's row is its fourth column, and says itself whose it is.
    if (columns.size() < 4 || columns[0].kind != integer || columns[1].kind != integer ||
        columns[3].kind != blob)
      continue;
    const std::string& octets = columns[3].blob;
    if (const auto entry = id_of_entry(octets)) {
      entries_[*entry] = place;
    } else if (columns.size() == 4 &&
               crc32c(octets) == static_cast<std::uint32_t>(columns[2].integer)) {
      chunks_[{MessageId{static_cast<std::uint64_t>(columns[0].integer)},
               static_cast<std::uint32_t>(columns[1].integer)}] = place;
    }
  }
}

// The payload of a cell, with what lies on its overflow pages (§1.6).
std::optional<std::string> DatabasePages::payload(std::string_view page, std::size_t at,
                                                  std::uint64_t octets, bool is_table) const {
  constexpr std::uint64_t least = (page_octets - 12) * 32 / 255 - 23;
  const std::uint64_t most = is_table ? page_octets - 35 : (page_octets - 12) * 64 / 255 - 23;
  if (octets > longest_payload) return {};
  std::uint64_t local = octets;
  if (octets > most) {
    local = least + (octets - least) % (page_octets - 4);
    if (local > most) local = least;
  }
  if (at + local + (local < octets ? 4 : 0) > page.size()) return {};
  std::string whole(page.substr(at, local));
  if (local == octets) return whole;
  std::uint32_t next = big_endian(page, at + local, 4);
  while (whole.size() < octets) {
    if (next == 0 || next > pages_) return {};
    const auto more = this->page(next);
    if (!more) return {};
    whole.append(*more, 4, std::min<std::size_t>(page_octets - 4, octets - whole.size()));
    next = big_endian(*more, 0, 4);
  }
  return whole;
}

// A record (§2.1): length of its head, a kind for each column, then the columns.
std::vector<DatabasePages::Column> DatabasePages::cell(const Place& place,
                                                       const std::string& page) const {
  const auto kind = static_cast<std::uint8_t>(page[place.page == 1 ? 100 : 0]);
  std::size_t at = place.offset + (kind == interior_index ? 4u : 0u);
  std::uint64_t octets = 0, row = 0;
  if (!take_number(page, at, octets)) return {};
  if (kind == leaf_table && !take_number(page, at, row)) return {};
  const auto record = payload(page, at, octets, kind == leaf_table);
  if (!record) return {};
  std::size_t head = 0;
  std::uint64_t head_octets = 0;
  if (!take_number(*record, head, head_octets) || head_octets > record->size()) return {};
  std::size_t body = head_octets;
  std::vector<Column> columns;
  while (head < head_octets) {
    std::uint64_t type = 0;
    if (!take_number(*record, head, type)) return {};
    const std::size_t length = octets_of_kind(type);
    if (length > record->size() - body || columns.size() > 8) return {};
    Column column;
    if (type >= 12) {
      column.kind = Column::Kind::blob;
      column.blob = record->substr(body, length);
    } else if (type != 0) {
      column.kind = Column::Kind::integer;
      column.integer = type == 9 ? 1 : 0;
      for (std::size_t i = 0; i < length; ++i) {
        const auto octet = static_cast<std::uint8_t>((*record)[body + i]);
        const bool is_negative = i == 0 && octet >= 0x80;
        column.integer = (is_negative ? -1 : column.integer) * 256 + octet;
      }
    }
    body += length;
    columns.push_back(std::move(column));
  }
  return columns;
}

std::optional<DatabasePages::Found> DatabasePages::message(MessageId id) const {
  const auto at = messages_.find(id);
  if (at == messages_.end()) return {};
  const auto read = page(at->second.page);
  if (!read) return {};
  auto columns = cell(at->second, *read);
  if (columns.size() != 5) return {};
  Found found;
  found.row = {std::move(columns[1].blob), std::move(columns[2].blob), std::move(columns[3].blob),
               std::move(columns[4].blob)};
  const auto stored = decode_message(found.row.envelope, id);
  const auto& [envelope, prepend, header, body] = found.row;
  if (!stored || crc32c(body, crc32c(header, crc32c(prepend))) != stored->row_crc) return {};
  std::uint32_t whole = crc32c(body, crc32c(header));
  std::uint64_t octets = body.size();
  for (auto each = chunks_.lower_bound({id, 0}); each != chunks_.end() && each->first.first == id;
       ++each) {
    const auto on = page(each->second.page);
    if (!on || each->first.second != found.chunks.size()) return {};
    auto chunk = cell(each->second, *on);
    if (chunk.size() != 4) return {};
    whole = crc32c(chunk[3].blob, whole);
    octets += chunk[3].blob.size();
    found.chunks.push_back(std::move(chunk[3].blob));
  }
  const Content& content = stored->message.content;
  if (octets != content.body_octets) return {};
  if (content.crc32c != 0 && whole != content.crc32c) return {};
  return found;
}

std::vector<StoredEntry> DatabasePages::entries(MessageId id) const {
  std::vector<StoredEntry> found;
  for (auto at = entries_.lower_bound({id, 0}); at != entries_.end() && at->first.message == id;
       ++at) {
    const auto on = page(at->second.page);
    if (!on) continue;
    const auto columns = cell(at->second, *on);
    if (columns.size() < 4) continue;
    if (auto entry = decode_entry(columns[3].blob, at->first)) found.push_back(std::move(*entry));
  }
  return found;
}

std::set<MessageId> DatabasePages::queued() const {
  std::set<MessageId> ids;
  for (const auto& [id, place] : entries_) ids.insert(id.message);
  return ids;
}

}  // namespace goniec
