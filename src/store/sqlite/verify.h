// Reading every row of a store with its checks: for a backup, a restore, `doctor`, and salvage.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "store/codec.h"
#include "store/sqlite/connection.h"

namespace goniec {

// Whether the content of a message is whole: envelope, row checksum, each chunk, and the checksum
// that was made while the body came in. damaged says what is not.
class ContentCheck {
 public:
  static Result<ContentCheck> prepare(const Connection& connection);
  Result<StoredMessage> check(MessageId id) const;

 private:
  Statement message_, chunks_;
};

// Every row of every table, and SQLite's own structure. The first thing that is damaged is the
// error.
Result<void> verify_database(const Connection& connection);

// The ids of all messages that any table speaks of, walked from both ends of each tree, so that a
// break in a tree hides as little as it can.
std::set<MessageId> known_ids(const Connection& connection);

}  // namespace goniec
