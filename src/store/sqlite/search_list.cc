// What is asked of the projection: lists and one message (store/search.h).
//
// A list walks the days from the newest on. In a day each condition that has an index is a source
// of ids (search_sources.h): the words and marks, a status that is not "delivered", a class, a
// provider. What all sources have is looked at as a row, with the other conditions. So a question
// costs about as much as its rarest condition has rows, or as finds of two that are frequent. What
// still takes too long ends when its effort is spent, and says where to go on. SQL is made of fixed
// pieces; what was asked is bound.
#include <algorithm>

#include "base/text.h"
#include "store/sqlite/search_sources.h"
#include "store/sqlite/search_state.h"

namespace goniec {
namespace {

constexpr Duration id_may_differ = std::chrono::hours(2);  // from the time of `received`

// ---------------------------------------------------------------- words
bool has_letter(std::string_view word) {
  return std::ranges::any_of(word, [](char c) {
    return is_alpha(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80;
  });
}

// Each word as a string of FTS5; a `*` at its end is kept as "begins with". With " " between them
// all must be there, but for those in which the tokenizer finds no word (a dash, an emoji); " AND "
// would find nothing for these.
void add_words(std::string& out, std::string_view columns, std::string_view text) {
  for (auto word : split(text, ' ')) {
    const bool begins = word.ends_with('*');
    while (word.ends_with('*')) word.remove_suffix(1);
    if (!has_letter(word)) continue;
    if (!out.empty()) out += ' ';
    out += columns;
    out += " : \"";
    for (const char c : word) {
      if (c == '"') out += '"';
      out += c == '\0' ? ' ' : c;
    }
    out += begins ? "\"*" : "\"";
  }
}

void add_exact(std::string& out, char kind, std::string_view text) {
  if (text.empty()) return;
  if (!out.empty()) out += ' ';
  out += "marks : \"" + search_mark(kind, text) + "\"";
}

std::string match_of(const SearchFilter& filter) {
  std::string out;
  add_words(out, "{sender recipients subject}", filter.q);
  add_words(out, "sender", filter.from);
  add_words(out, "recipients", filter.to);
  add_words(out, "subject", filter.subject);
  add_exact(out, mark_message_id, filter.message_id);
  add_exact(out, mark_tag, to_lower(filter.tag));
  add_exact(out, mark_stream, filter.stream);
  add_exact(out, mark_key, filter.key);
  add_exact(out, mark_domain, to_lower(filter.domain));
  add_exact(out, mark_metadata, filter.metadata);
  if (filter.attachments.value_or(false)) add_exact(out, mark_attachments, "1");
  if (filter.sandbox.value_or(false)) add_exact(out, mark_sandbox, "1");
  return out;
}

// ---------------------------------------------------------------- a day
struct Question {
  std::vector<RowSourceAsked> sources;                // at least one
  std::string row;                                    // SQL: the row ?1 when it fits ?2 and ?3
  std::int64_t since = INT64_MIN, until = INT64_MAX;  // µs
  RowRange range;
};

constexpr std::uint64_t last_id = RowRange{}.to;

std::uint64_t first_id_at(Instant at) {
  MessageId one{1};
  while (one.made_at() == MessageId{}.made_at()) one.value <<= 1;  // an id of the next millisecond
  const auto since_first = at - MessageId{}.made_at();
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(since_first).count();
  if (milliseconds <= 0) return 0;
  const auto most = last_id / one.value;  // milliseconds: up to 2089
  if (static_cast<std::uint64_t>(milliseconds) > most) return last_id;
  return static_cast<std::uint64_t>(milliseconds) * one.value;
}

std::vector<RowSourceAsked> sources_of(const SearchFilter& filter) {
  std::vector<RowSourceAsked> sources;
  if (auto match = match_of(filter); !match.empty())
    sources.push_back(
        {"SELECT rowid FROM words WHERE words MATCH ?3 AND rowid <= ?1 AND "
         "rowid >= ?2 ORDER BY rowid DESC",
         std::move(match)});
  if (filter.status && *filter.status != MailStatus::delivered)
    sources.push_back({fmt::format("SELECT id FROM messages WHERE status = {} AND status <> 2 AND "
                                   "id <= ?1 AND id >= ?2 ORDER BY id DESC",
                                   static_cast<int>(*filter.status)),
                       {}});
  if (!filter.klass.empty())
    sources.push_back(
        {"SELECT id FROM messages WHERE class = ?3 AND class <> '' AND id <= ?1 AND "
         "id >= ?2 ORDER BY id DESC",
         filter.klass});
  if (!filter.provider.empty())
    sources.push_back(
        {"SELECT message FROM providers WHERE provider = ?3 AND message <= ?1 AND "
         "message >= ?2 ORDER BY message DESC",
         filter.provider});
  if (sources.empty())
    sources.push_back({"SELECT id FROM messages WHERE id <= ?1 AND id >= ?2 ORDER BY id DESC", {}});
  return sources;
}

Question question_of(const SearchFilter& filter) {
  Question question;
  question.sources = sources_of(filter);
  question.row = "SELECT " GONIEC_SEARCH_COLUMNS
                 " FROM messages m WHERE m.id = ?1 AND m.at >= ?2 AND m.at < ?3";
  if (filter.status)
    question.row += fmt::format(" AND m.status = {}", static_cast<int>(*filter.status));
  if (filter.sandbox)
    question.row += *filter.sandbox ? " AND (m.flags & 2) <> 0" : " AND (m.flags & 2) = 0";
  if (filter.attachments && !*filter.attachments) question.row += " AND (m.flags & 1) = 0";
  if (filter.since) {
    question.since = to_microseconds(*filter.since);
    question.range.from = first_id_at(*filter.since - id_may_differ);
  }
  if (filter.until) {
    question.until = to_microseconds(*filter.until);
    question.range.to = first_id_at(*filter.until + id_may_differ);
  }
  if (filter.after && filter.after->value <= question.range.to)
    question.range.to = filter.after->value - std::min<std::uint64_t>(1, filter.after->value);
  if (filter.id) {
    question.range.from = std::max(question.range.from, filter.id->value);
    question.range.to = std::min(question.range.to, filter.id->value);
  }
  return question;
}

// The rows of a day, until there are `wanted`. An id: the effort was spent there, it was not looked
// at yet.
Result<std::optional<std::uint64_t>> ask_day(const Connection& connection, const Question& question,
                                             std::size_t wanted, const SearchLimits& limits,
                                             Effort& effort, std::vector<SearchRow>& rows) {
  const Patience patience(connection, limits.patience);
  CommonRows common(question.range);
  for (const auto& source : question.sources) TRY(common.add(connection, source));
  const auto statement = TRY(connection.prepare(question.row.c_str()));
  while (rows.size() < wanted) {
    const auto id = TRY(common.next(effort));
    if (common.stopped_at()) return common.stopped_at();
    if (!id) return std::optional<std::uint64_t>{};
    Bound row(statement);
    row.number(*id).number(question.since).number(question.until);
    if (TRY(row.step())) rows.push_back(row_of(MessageId{row.count(0)}, read_row(row), limits));
  }
  return std::optional<std::uint64_t>{};
}

void end_at(SearchPage& page, std::uint64_t id) {
  page.has_more = true;
  page.next = MessageId{id};
}

}  // namespace

Result<SearchPage> Search::list(const SearchFilter& filter) const {
  SearchPage page;
  const auto limit = std::clamp<std::size_t>(filter.limit, 1, state_->limits.page);
  std::optional<Instant> from, to;
  if (filter.since) from = *filter.since - id_may_differ;
  const auto question = question_of(filter);
  if (filter.after || filter.until) to = MessageId{question.range.to}.made_at();
  if (filter.id) from = to = filter.id->made_at();
  if (question.range.from > question.range.to) return page;
  Effort effort(filter.effort);
  const AskingPlace place(*state_);
  std::optional<std::uint64_t> behind;  // the first id of the day that was looked at last
  for (const auto& name : state_->days_between(from, to)) {
    if (behind && effort.is_spent()) {
      end_at(page, *behind);
      return page;
    }
    behind = first_id_at(*day_of_file(name));
    const auto file = FileAtHand::open(*state_, name);
    if (!file) continue;  // it went since, by its retention
    auto stopped = ask_day(**file, question, limit + 1, state_->limits, effort, page.rows);
    if (!stopped) return std::unexpected(told_briefly(stopped.error()));
    if (page.rows.size() > limit) break;
    if (*stopped) {
      end_at(page, **stopped + 1);
      return page;
    }
  }
  if (page.rows.size() > limit) {
    page.rows.resize(limit);
    end_at(page, page.rows.back().id.value);
  }
  return page;
}

Result<std::optional<SearchStory>> Search::get(MessageId message) const {
  const std::optional<SearchStory> none;
  const auto name = day_file_name(message);
  const auto there = state_->days_between(message.made_at(), message.made_at());
  if (there.empty()) return none;
  const AskingPlace place(*state_);
  const auto file = TRY(FileAtHand::open(*state_, name));
  const Connection& connection = *file;
  SearchStory story;
  {
    const auto statement =
        TRY(connection.prepare("SELECT " GONIEC_SEARCH_COLUMNS " FROM messages m WHERE id=?"));
    Bound row(statement);
    if (!TRY(row.number(message.value).step())) return none;
    story.row = row_of(message, read_row(row), state_->limits);
  }
  const auto statement = TRY(connection.prepare(
      "SELECT " GONIEC_RECIPIENT_COLUMNS
      " FROM recipients WHERE message=? AND status >= 0 ORDER BY address LIMIT ?"));
  Bound row(statement);
  row.number(message.value).number(std::uint64_t{state_->limits.indexed_recipients});
  while (TRY(row.step())) {
    SearchRecipient recipient;
    recipient.address = std::string(row.bytes(0));
    recipient.status = static_cast<MailStatus>(row.integer(1));
    recipient.at = from_microseconds(row.integer(2));
    recipient.tries = static_cast<std::uint32_t>(row.integer(3));
    recipient.provider = std::string(row.bytes(4));
    recipient.reply = std::string(row.bytes(5));
    recipient.site = std::string(row.bytes(6));
    recipient.klass = std::string(row.bytes(7));
    recipient.next_at = from_microseconds(row.integer(8));
    story.recipients.push_back(std::move(recipient));
  }
  return std::optional(std::move(story));
}

}  // namespace goniec
