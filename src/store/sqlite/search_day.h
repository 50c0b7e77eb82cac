// The file of one day of the search projection, for writing: rows of messages and recipients, the
// index of words, and the sequence of the last event that it took in. Private to sqlite/.
//
//   messages    id; what lists and filters need. Status and reply are those of the last event
//   recipients  (message, address)
//   providers   (provider, message): where a message went, for the filter
//   words       FTS5 without content, rowid = id: sender, recipients, subject, marks. A mark is
//               one word for what is found exactly (search_mark): stream, tag, key, Message-ID
//   state       the position
//
// What is indexed and what is deleted from the index must be the same octets: both are made by
// words_of() out of the row.
#pragma once
#include <memory>

#include "store/search_fold.h"
#include "store/sqlite/search_file.h"

namespace goniec {

// Kinds of marks.
inline constexpr char mark_stream = 's', mark_tag = 't', mark_key = 'k', mark_message_id = 'm',
                      mark_attachments = 'a', mark_domain = 'd', mark_sandbox = 'b',
                      mark_metadata = 'v';

extern const char* const day_tables;
// The columns of a row, in the order in which read_row() takes them.
#define GONIEC_SEARCH_COLUMNS                                                                \
  "m.id, m.at, m.status, m.flags, m.octets, m.recipients, m.last_at, m.send_at, m.opens, "   \
  "m.clicks, m.states, m.sender, m.addresses, m.subject, m.message_id, m.source, m.stream, " \
  "m.pool, m.key, m.tags, m.metadata, m.provider, m.reply, m.class"
#define GONIEC_RECIPIENT_COLUMNS "address, status, at, tries, provider, reply, site, class, next_at"
FoldedMessage read_row(const Bound& row);  // without recipients
std::vector<std::string> split_addresses(std::string_view joined);

class SearchDay {
 public:
  static Result<std::unique_ptr<SearchDay>> open(const std::string& path);
  std::uint64_t position() const { return position_; }
  const Connection& connection() const { return db_; }

  Result<void> begin();
  Result<void> commit(std::uint64_t position);  // at least the one before
  void roll_back();

  // nullopt: no such row. A recipient that is not there is not added.
  Result<std::optional<FoldedMessage>> load(MessageId message) const;
  Result<void> load_recipient(MessageId message, FoldedMessage& into,
                              const std::string& address) const;
  Result<void> load_recipients(MessageId message, FoldedMessage& into) const;
  // Inside begin() and commit().
  Result<void> write(MessageId id, const FoldedMessage& message, const SearchLimits& limits);
  // The texts of a row and of its words, its status and counts, as given, and the recipients that
  // changed. `gone`: a recipient of whom nothing stays, ASCII case ignored.
  Result<void> rewrite(MessageId id, const FoldedMessage& message, std::string_view gone,
                       const SearchLimits& limits);
  // Rows in whose texts, or those of their recipients, the octets stand, ASCII case ignored.
  Result<std::vector<MessageId>> rows_with(std::string_view text) const;
  // What was deleted from the index of words, and pages that are free, hold their octets no more.
  Result<void> scrub();
  // Whether a commit waits until no power cut takes it back. Not inside begin() and commit().
  Result<void> sync_each_commit(bool on);

 private:
  struct Statements {
    Statement begin, commit, rollback, position;
    Statement select, select_recipient, select_recipients;
    Statement insert, update, put_recipient, put_provider;
    Statement insert_words, delete_words, remove_recipient, rewrite, rows_with;
  };
  explicit SearchDay(Connection db) : db_(std::move(db)) {}
  Result<void> prepare();
  Result<void> delete_words(MessageId id);
  Result<void> insert_words(MessageId id, const FoldedMessage& message, const SearchLimits& limits);
  Result<void> write_recipients(MessageId id, const FoldedMessage& message,
                                const SearchLimits& limits);

  Connection db_;
  Statements statements_;
  std::uint64_t position_ = 0;
};

}  // namespace goniec
