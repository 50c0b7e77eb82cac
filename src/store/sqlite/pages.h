// The rows of a damaged database, page by page: what SQLite no longer reaches, because a page above
// it or beside it is broken, still lies whole on its own page.
//
// Each page of the file is looked at by itself (SQLite file format §1.6): cells of the tables
// `messages`, `chunks` and `entries` are known by their columns and proved by their own checksums,
// never by their place in a tree. Pages of the list of free pages are left out, for what was
// settled long ago lies there; where that list is broken itself, or was made anew, nothing is left
// out and list_is_whole() says so. Refuses nothing: what is not as it should be is passed over.
// Memory: some octets a row.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "run/world.h"
#include "store/codec.h"

namespace goniec {

class DatabasePages {
 public:
  // REQUIRES the log of the database moved into it, or no log.
  enum class FirstPage { as_found, made_anew };
  static Result<DatabasePages> read(Disk& disk, const std::string& database, FirstPage first);

  struct MessageRow {
    std::string envelope, prepend, header, body;
  };
  struct Found {
    MessageRow row;
    std::vector<std::string> chunks;
  };
  // Content of the message when all of it is whole.
  std::optional<Found> message(MessageId id) const;
  std::vector<StoredEntry> entries(MessageId id) const;
  std::set<MessageId> queued() const;  // messages with entries
  bool list_is_whole() const { return list_is_whole_; }

 private:
  struct Place {
    std::uint32_t page = 0;
    std::uint32_t offset = 0;
  };
  struct Cell;
  struct Column;

  Result<void> find_free_pages();
  void look_at(std::uint32_t number, const std::string& page);
  Result<std::string> page(std::uint32_t number) const;
  // The columns of the cell at that place; none when it is not one.
  std::vector<Column> cell(const Place& place, const std::string& page) const;
  std::optional<std::string> payload(std::string_view page, std::size_t at, std::uint64_t octets,
                                     bool is_table) const;

  std::unique_ptr<DiskFile> file_;
  std::uint32_t pages_ = 0;
  std::set<std::uint32_t> free_;
  bool list_is_whole_ = true;
  std::map<MessageId, Place> messages_;
  std::map<std::pair<MessageId, std::uint32_t>, Place> chunks_;
  std::map<EntryId, Place> entries_;
};

}  // namespace goniec
