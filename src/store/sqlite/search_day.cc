// See search_day.h.
#include "store/sqlite/search_day.h"

#include <cstring>

#include "base/text.h"

namespace goniec {

const char* const day_tables = R"sql(
CREATE TABLE messages(
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, status INTEGER NOT NULL, flags INTEGER NOT NULL,
  octets INTEGER NOT NULL, recipients INTEGER NOT NULL, last_at INTEGER NOT NULL,
  send_at INTEGER NOT NULL, opens INTEGER NOT NULL, clicks INTEGER NOT NULL, states BLOB NOT NULL,
  sender TEXT NOT NULL, addresses TEXT NOT NULL, subject TEXT NOT NULL, message_id TEXT NOT NULL,
  source TEXT NOT NULL, stream TEXT NOT NULL, pool TEXT NOT NULL, key TEXT NOT NULL,
  tags TEXT NOT NULL, metadata TEXT NOT NULL, provider TEXT NOT NULL, reply TEXT NOT NULL,
  class TEXT NOT NULL);
CREATE INDEX messages_status ON messages(status, id) WHERE status <> 2;
CREATE INDEX messages_class ON messages(class, id) WHERE class <> '';
CREATE TABLE recipients(
  message INTEGER NOT NULL, address TEXT NOT NULL, status INTEGER NOT NULL, at INTEGER NOT NULL,
  tries INTEGER NOT NULL, provider TEXT NOT NULL, reply TEXT NOT NULL, site TEXT NOT NULL,
  class TEXT NOT NULL, next_at INTEGER NOT NULL,
  PRIMARY KEY(message, address)) WITHOUT ROWID;
CREATE TABLE providers(
  provider TEXT NOT NULL, message INTEGER NOT NULL, PRIMARY KEY(provider, message)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(
  sender, recipients, subject, marks, content='', columnsize=0,
  tokenize='unicode61 remove_diacritics 2');
CREATE TABLE state(id INTEGER PRIMARY KEY, position INTEGER NOT NULL);
INSERT INTO state VALUES(1, 0);
)sql";

namespace {

// Of a recipient that was replaced by what it expands to: the row stays, so that what comes late
// for it is known as such.
constexpr std::int64_t status_gone = -1;
constexpr std::uint64_t flag_attachments = 1, flag_sandbox = 2;
static_assert(static_cast<int>(MailStatus::delivered) == 2, "the index on status leaves it out");

std::string encode_states(const std::array<std::uint32_t, mail_statuses>& states) {
  std::string out(sizeof states, '\0');
  std::memcpy(out.data(), states.data(), sizeof states);
  return out;
}

std::array<std::uint32_t, mail_statuses> decode_states(std::string_view bytes) {
  std::array<std::uint32_t, mail_statuses> states{};
  std::memcpy(states.data(), bytes.data(), std::min(bytes.size(), sizeof states));
  return states;
}

std::string join_addresses(const std::vector<std::string>& addresses, std::size_t most) {
  std::string out;
  for (std::size_t at = 0; at < addresses.size() && at < most; ++at) {
    if (at > 0) out += ' ';
    for (const char c : addresses[at]) out += c == ' ' ? '\x1F' : c;
  }
  return out;
}

struct Words {
  std::string sender, recipients, subject, marks;
};

void add_mark(std::string& marks, char kind, std::string_view text) {
  if (text.empty()) return;
  if (!marks.empty()) marks += ' ';
  marks += search_mark(kind, text);
}

// Of the sender's domain and of those above it, but for the last label alone.
void add_domain_marks(std::string& marks, std::string_view address) {
  const auto at = address.rfind('@');
  if (at == std::string_view::npos) return;
  auto domain = to_lower(address.substr(at + 1));
  for (;;) {
    add_mark(marks, mark_domain, domain);
    const auto dot = domain.find('.');
    if (dot == std::string::npos || domain.find('.', dot + 1) == std::string::npos) return;
    domain.erase(0, dot + 1);
  }
}

Words words_of(const FoldedMessage& message, const SearchLimits& limits) {
  const SearchMessage& facts = message.facts;
  Words words{
      facts.from, join_addresses(facts.recipients, limits.indexed_recipients), facts.subject, {}};
  add_mark(words.marks, mark_stream, facts.stream);
  add_mark(words.marks, mark_key, facts.key);
  add_mark(words.marks, mark_message_id, facts.message_id);
  if (facts.attachments) add_mark(words.marks, mark_attachments, "1");
  if (facts.sandbox) add_mark(words.marks, mark_sandbox, "1");
  add_domain_marks(words.marks, facts.from);
  const auto metadata = split_names(join_names(facts.metadata));  // as the row has it
  for (std::size_t at = 0; at < std::min(metadata.size(), limits.tags); ++at)
    add_mark(words.marks, mark_metadata, metadata[at].first + ":" + metadata[at].second);
  for (const auto& [name, value] : facts.tags) {
    add_mark(words.marks, mark_tag, to_lower(name));
    if (value.empty()) continue;
    add_mark(words.marks, mark_tag, to_lower(value));
    add_mark(words.marks, mark_tag, to_lower(name + ":" + value));
  }
  return words;
}

std::string text_of(const Bound& row, int column) {
  return std::string(row.bytes(column));
}

FoldedRecipient read_recipient(const Bound& row) {  // from column 1 on
  FoldedRecipient recipient;
  recipient.gone = row.integer(1) == status_gone;
  if (!recipient.gone) recipient.status = static_cast<MailStatus>(row.integer(1));
  recipient.at = from_microseconds(row.integer(2));
  recipient.tries = static_cast<std::uint32_t>(row.integer(3));
  recipient.provider = text_of(row, 4);
  recipient.reply = text_of(row, 5);
  recipient.site = text_of(row, 6);
  recipient.klass = text_of(row, 7);
  recipient.next_at = from_microseconds(row.integer(8));
  recipient.changed = false;
  return recipient;
}

}  // namespace

std::vector<std::string> split_addresses(std::string_view joined) {
  std::vector<std::string> addresses;
  if (joined.empty()) return addresses;
  for (const auto each : split(joined, ' ')) {
    addresses.emplace_back(each);
    for (char& c : addresses.back()) c = c == '\x1F' ? ' ' : c;
  }
  return addresses;
}

FoldedMessage read_row(const Bound& row) {
  FoldedMessage message;
  SearchMessage& facts = message.facts;
  message.at = from_microseconds(row.integer(1));
  message.status = static_cast<MailStatus>(row.integer(2));
  facts.attachments = (row.count(3) & flag_attachments) != 0;
  facts.sandbox = (row.count(3) & flag_sandbox) != 0;
  facts.octets = row.count(4);
  message.recipient_count = row.count(5);
  message.last_at = from_microseconds(row.integer(6));
  facts.send_at = from_microseconds(row.integer(7));
  message.opens = row.count(8);
  message.clicks = row.count(9);
  message.states = decode_states(row.bytes(10));
  facts.from = text_of(row, 11);
  facts.recipients = split_addresses(row.bytes(12));
  facts.subject = text_of(row, 13);
  facts.message_id = text_of(row, 14);
  facts.source = text_of(row, 15);
  facts.stream = text_of(row, 16);
  facts.pool = text_of(row, 17);
  facts.key = text_of(row, 18);
  facts.tags = split_names(row.bytes(19));
  facts.metadata = split_names(row.bytes(20));
  message.provider = text_of(row, 21);
  message.reply = text_of(row, 22);
  message.klass = text_of(row, 23);
  return message;
}

Result<std::unique_ptr<SearchDay>> SearchDay::open(const std::string& path) {
  auto db = TRY(open_search_file(path, SearchAccess::write, day_tables));
  std::unique_ptr<SearchDay> day(new SearchDay(std::move(db)));
  TRY(day->prepare());
  const auto statement = TRY(day->db_.prepare("SELECT position FROM state WHERE id=1"));
  Bound row(statement);
  if (!TRY(row.step())) return fail(ErrorKind::damaged, path + " has no position");
  day->position_ = row.count(0);
  return day;
}

Result<void> SearchDay::prepare() {
  const std::pair<Statement Statements::*, const char*> sql[] = {
      {&Statements::begin, "BEGIN IMMEDIATE"},
      {&Statements::commit, "COMMIT"},
      {&Statements::rollback, "ROLLBACK"},
      {&Statements::position, "UPDATE state SET position=? WHERE id=1"},
      {&Statements::select, "SELECT " GONIEC_SEARCH_COLUMNS " FROM messages m WHERE id=?"},
      {&Statements::select_recipient,
       "SELECT " GONIEC_RECIPIENT_COLUMNS " FROM recipients WHERE message=? AND address=?"},
      {&Statements::select_recipients,
       "SELECT " GONIEC_RECIPIENT_COLUMNS " FROM recipients WHERE message=?"},
      {&Statements::insert,
       "INSERT OR REPLACE INTO messages VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"},
      {&Statements::update,
       "UPDATE messages SET status=?2, recipients=?3, last_at=?4, send_at=?5, opens=?6, clicks=?7, "
       "states=?8, addresses=?9, provider=?10, reply=?11, class=?12 WHERE id=?1"},
      {&Statements::put_recipient, "INSERT OR REPLACE INTO recipients VALUES(?,?,?,?,?,?,?,?,?,?)"},
      {&Statements::put_provider, "INSERT OR IGNORE INTO providers VALUES(?,?)"},
      {&Statements::insert_words,
       "INSERT INTO words(rowid, sender, recipients, subject, marks) VALUES(?,?,?,?,?)"},
      {&Statements::delete_words,
       "INSERT INTO words(words, rowid, sender, recipients, subject, marks) "
       "VALUES('delete',?,?,?,?,?)"},
      {&Statements::remove_recipient,
       "DELETE FROM recipients WHERE message=?1 AND address=?2 COLLATE NOCASE"},
      {&Statements::rewrite,
       "UPDATE messages SET sender=?2, addresses=?3, subject=?4, message_id=?5, tags=?6, "
       "metadata=?7, reply=?8, status=?9, recipients=?10, states=?11 WHERE id=?1"},
      {&Statements::rows_with,
       "SELECT id FROM messages WHERE instr(lower(sender || ' ' || addresses || ' ' || subject || "
       "' ' || message_id || ' ' || tags || ' ' || metadata || ' ' || reply), ?1) "
       "UNION SELECT message FROM recipients WHERE instr(lower(address || ' ' || reply), ?1)"},
  };
  for (const auto& [member, text] : sql) statements_.*member = TRY(db_.prepare(text));
  return {};
}

Result<void> SearchDay::begin() {
  return Bound(statements_.begin).done();
}
Result<void> SearchDay::commit(std::uint64_t position) {
  const auto reached = std::max(position, position_);
  TRY(Bound(statements_.position).number(reached).done());
  TRY(Bound(statements_.commit).done());
  position_ = reached;
  return {};
}
void SearchDay::roll_back() {
  static_cast<void>(Bound(statements_.rollback).done());
}

Result<std::optional<FoldedMessage>> SearchDay::load(MessageId message) const {
  Bound row(statements_.select);
  row.number(message.value);
  if (!TRY(row.step())) return std::optional<FoldedMessage>{};
  return std::optional(read_row(row));
}

Result<void> SearchDay::load_recipient(MessageId message, FoldedMessage& into,
                                       const std::string& address) const {
  if (into.all_at_hand || into.recipients.contains(address)) return {};
  Bound row(statements_.select_recipient);
  row.number(message.value).text(address);
  if (TRY(row.step())) into.recipients.emplace(address, read_recipient(row));
  return {};
}

Result<void> SearchDay::load_recipients(MessageId message, FoldedMessage& into) const {
  if (into.all_at_hand) return {};
  Bound row(statements_.select_recipients);
  row.number(message.value);
  while (TRY(row.step())) into.recipients.try_emplace(text_of(row, 0), read_recipient(row));
  into.all_at_hand = true;
  return {};
}

Result<void> SearchDay::insert_words(MessageId id, const FoldedMessage& message,
                                     const SearchLimits& limits) {
  const Words words = words_of(message, limits);
  Bound row(statements_.insert_words);
  row.number(id.value).text(words.sender).text(words.recipients).text(words.subject);
  return row.text(words.marks).done();
}

// The words are made of the row as it stands in the file.
Result<void> SearchDay::delete_words(MessageId id) {
  const auto before = TRY(load(id));
  if (!before) return {};
  const Words words = words_of(*before, SearchLimits{.indexed_recipients = SIZE_MAX});
  Bound row(statements_.delete_words);
  row.number(id.value).text(words.sender).text(words.recipients).text(words.subject);
  return row.text(words.marks).done();
}

Result<void> SearchDay::write_recipients(MessageId id, const FoldedMessage& message,
                                         const SearchLimits& limits) {
  for (const auto& [address, each] : message.recipients) {
    if (!each.changed) continue;
    const std::string reply = cut_text(each.reply, limits.text_octets);
    Bound row(statements_.put_recipient);
    row.number(id.value).text(address);
    row.number(each.gone ? status_gone : static_cast<std::int64_t>(each.status));
    row.number(to_microseconds(each.at)).number(each.tries).text(each.provider);
    row.text(reply).text(each.site).text(each.klass);
    TRY(row.number(to_microseconds(each.next_at)).done());
  }
  return {};
}

Result<void> SearchDay::write(MessageId id, const FoldedMessage& message,
                              const SearchLimits& limits) {
  const SearchMessage& facts = message.facts;
  const auto addresses = join_addresses(facts.recipients, limits.indexed_recipients);
  const auto states = encode_states(message.states);
  const auto status = static_cast<std::int64_t>(message.status);
  const auto reply = cut_text(message.reply, limits.text_octets);
  if (message.words_changed) TRY(delete_words(id));
  if (message.is_new) {
    const auto flags =
        (facts.attachments ? flag_attachments : 0) | (facts.sandbox ? flag_sandbox : 0);
    const auto tags = join_names(facts.tags), metadata = join_names(facts.metadata);
    Bound row(statements_.insert);
    row.number(id.value).number(to_microseconds(message.at)).number(status).number(flags);
    row.number(facts.octets).number(message.recipient_count);
    row.number(to_microseconds(message.last_at)).number(to_microseconds(facts.send_at));
    row.number(message.opens).number(message.clicks).blob(states).text(facts.from);
    row.text(addresses).text(facts.subject).text(facts.message_id).text(facts.source);
    row.text(facts.stream).text(facts.pool).text(facts.key).text(tags).text(metadata);
    TRY(row.text(message.provider).text(reply).text(message.klass).done());
  } else {
    Bound row(statements_.update);
    row.number(id.value).number(status).number(message.recipient_count);
    row.number(to_microseconds(message.last_at)).number(to_microseconds(facts.send_at));
    row.number(message.opens).number(message.clicks).blob(states).text(addresses);
    TRY(row.text(message.provider).text(reply).text(message.klass).done());
  }
  if (message.words_changed) TRY(insert_words(id, message, limits));
  for (const auto& provider : message.new_providers)
    TRY(Bound(statements_.put_provider).text(provider).number(id.value).done());
  return write_recipients(id, message, limits);
}

Result<void> SearchDay::rewrite(MessageId id, const FoldedMessage& message, std::string_view gone,
                                const SearchLimits& limits) {
  const SearchMessage& facts = message.facts;
  const auto addresses = join_addresses(facts.recipients, limits.indexed_recipients);
  const auto tags = join_names(facts.tags), metadata = join_names(facts.metadata);
  const auto states = encode_states(message.states);
  TRY(delete_words(id));
  Bound row(statements_.rewrite);
  row.number(id.value).text(facts.from).text(addresses).text(facts.subject);
  row.text(facts.message_id).text(tags).text(metadata).text(message.reply);
  row.number(static_cast<std::int64_t>(message.status)).number(message.recipient_count);
  TRY(row.blob(states).done());
  TRY(insert_words(id, message, limits));
  TRY(Bound(statements_.remove_recipient).number(id.value).text(gone).done());
  return write_recipients(id, message, limits);
}

Result<std::vector<MessageId>> SearchDay::rows_with(std::string_view text) const {
  std::vector<MessageId> rows;
  const auto lower = to_lower(text);
  Bound row(statements_.rows_with);
  row.text(lower);
  while (TRY(row.step())) rows.push_back(MessageId{row.count(0)});
  return rows;
}

Result<void> SearchDay::sync_each_commit(bool on) {
  return db_.run(on ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

Result<void> SearchDay::scrub() {
  TRY(db_.run("INSERT INTO words(words) VALUES('optimize')"));
  return db_.run("VACUUM");
}

}  // namespace goniec
