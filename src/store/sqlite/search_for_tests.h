// What tests of the search projection share: a folder, events as the projector would give them,
// and a projection of them. A test includes gtest before it.
//
// Private to tests of sqlite/.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/text.h"
#include "run/disk.h"
#include "store/search.h"

namespace goniec::test {

namespace files = std::filesystem;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

inline const Instant monday = *parse_rfc3339("2026-11-23T00:00:00Z");

struct Folder {
  Folder() {
    std::string name = (files::temp_directory_path() / "goniec-search-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { files::remove_all(path); }
  std::string path;
};

// Events as the projector would give them.
class History {
 public:
  MessageId receive(Instant at, SearchMessage facts) {
    SearchChange change;
    change.kind = EventKind::received;
    change.message = ids_.next(at, random_());
    change.received = std::move(facts);
    add(std::move(change), at);
    return changes.back().message;
  }
  SearchChange& event(MessageId message, EventKind kind, Instant at, std::string recipient = {}) {
    SearchChange change;
    change.kind = kind;
    change.message = message;
    change.recipient = std::move(recipient);
    add(std::move(change), at);
    return changes.back();
  }
  void deliver(MessageId message, Instant at, std::string recipient, std::string provider) {
    auto& change = event(message, EventKind::delivered, at, std::move(recipient));
    change.provider = std::move(provider);
    change.took = seconds(2);
    change.tries = 1;
  }
  std::vector<SearchChange> changes;

 private:
  void add(SearchChange change, Instant at) {
    change.sequence = changes.size() + 1;
    change.at = at;
    changes.push_back(std::move(change));
  }
  MessageIdMaker ids_;
  std::mt19937_64 random_{7};
};

inline SearchMessage letter(std::string from, std::vector<std::string> to, std::string subject) {
  SearchMessage message;
  message.from = std::move(from);
  message.recipients = std::move(to);
  message.subject = std::move(subject);
  message.message_id = message.subject + ".1@example.pl";
  message.source = "api";
  message.stream = "transactional";
  message.octets = 1000;
  return message;
}

class SearchTest : public testing::Test {
 protected:
  SearchTest() { open(); }
  void open(SearchLimits limits = {}) {
    search_.reset();
    auto opened = Search::open(disk_, folder_.path + "/search", limits);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    search_ = std::move(*opened);
  }
  void apply() {
    const auto done = search_->apply(history_.changes);
    ASSERT_TRUE(done.has_value()) << done.error().message;
  }
  std::vector<std::string> subjects(const SearchFilter& filter) {
    const auto page = search_->list(filter);
    EXPECT_TRUE(page.has_value()) << (page ? "" : page.error().message);
    std::vector<std::string> out;
    if (page)
      for (const auto& row : page->rows) out.push_back(row.subject);
    return out;
  }

  Folder folder_;
  SystemDisk disk_;
  std::unique_ptr<Search> search_;
  History history_;
};

using Subjects = std::vector<std::string>;

}  // namespace goniec::test
