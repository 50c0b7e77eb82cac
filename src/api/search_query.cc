// See search_query.h.
#include "api/search_query.h"

#include <algorithm>

#include "base/text.h"
#include "mail/bounce.h"

namespace goniec {
namespace {

const std::vector<std::string> term_names = {
    "to",    "from",     "subject", "tag", "metadata", "stream",     "key",   "status",
    "class", "provider", "has",     "is",  "id",       "message-id", "after", "before"};

struct Part {
  std::string_view name;  // "": a word
  std::string value;
};

// The next part of the query; quotes keep blanks together.
Part take_part(std::string_view& rest) {
  Part part;
  std::string text;
  bool quoted = false;
  std::size_t at = 0, colon = std::string_view::npos;
  for (; at < rest.size() && (quoted || (rest[at] != ' ' && rest[at] != '\t')); ++at) {
    if (rest[at] == '"') {
      quoted = !quoted;
      continue;
    }
    if (rest[at] == ':' && !quoted && colon == std::string_view::npos && at > 0) {
      colon = at;
      part.name = rest.substr(0, at);
      text.clear();
      continue;
    }
    text += rest[at];
  }
  if (colon != std::string_view::npos) part.name = rest.substr(0, colon);
  part.value = std::move(text);
  rest.remove_prefix(at);
  return part;
}

bool is_name(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return is_alpha(c) || c == '-' || c == '_'; });
}

std::unexpected<Error> wrong(std::string_view name, std::string_view value,
                             std::string_view wanted) {
  return fail(ErrorKind::usage, fmt::format("\"{}:{}\": {}", name, printable(value, 60), wanted));
}

void add_word(std::string& words, std::string_view word) {
  if (!words.empty()) words += ' ';
  words += word;
}

Result<void> add_status(SearchFilter& filter, std::string_view value) {
  filter.status = mail_status_of(to_lower(value));
  if (filter.status) return {};
  std::string names;
  for (std::size_t at = 0; at < mail_statuses; ++at)
    names += fmt::format("{}{}", at == 0 ? "" : ", ", name_of(static_cast<MailStatus>(at)));
  return wrong("status", value, "a status is one of " + names);
}

}  // namespace

Result<Instant> parse_time(std::string_view text, Instant now) {
  if (text.size() == 10) {
    if (const auto day = parse_rfc3339(std::string(text) + "T00:00:00Z")) return *day;
  }
  if (const auto at = parse_rfc3339(text)) return *at;
  if (const auto back = parse_duration(text)) return now - *back;
  return fail(
      ErrorKind::usage,
      fmt::format("\"{}\" is no time: 2026-11-23, 2026-11-23T06:00:00Z or 7d (back from now)",
                  printable(text, 60)));
}

std::optional<MessageId> parse_email_id(std::string_view text) {
  if (const auto id = message_id_of_uuid(text)) return id;
  return MessageId::parse(text);
}

Result<void> add_search_term(SearchFilter& filter, std::string_view name, std::string_view value,
                             Instant now) {
  if (name == "to") {
    add_word(filter.to, value);
  } else if (name == "from") {
    add_word(filter.from, value);
  } else if (name == "subject") {
    add_word(filter.subject, value);
  } else if (name == "tag") {
    filter.tag = value;
    std::ranges::replace(filter.tag, '=', ':');
  } else if (name == "metadata") {
    filter.metadata = value;
    if (const auto at = filter.metadata.find_first_of(":="); at != std::string::npos)
      filter.metadata[at] = ':';
    else
      return wrong(name, value, "metadata:name:value is meant");
  } else if (name == "stream") {
    filter.stream = value;
  } else if (name == "key") {
    filter.key = value;
  } else if (name == "provider") {
    filter.provider = to_lower(value);
  } else if (name == "status") {
    return add_status(filter, value);
  } else if (name == "class") {
    if (!bounce_class_of(to_lower(value)))
      return wrong(name, value, "there is no such class; `goniec explain` names them");
    filter.klass = to_lower(value);
  } else if (name == "has") {
    if (to_lower(value) != "attachment") return wrong(name, value, "has:attachment is meant");
    filter.attachments = true;
  } else if (name == "is") {
    if (to_lower(value) != "sandbox") return wrong(name, value, "is:sandbox is meant");
    filter.sandbox = true;
  } else if (name == "id") {
    filter.id = parse_email_id(value);
    if (!filter.id) return wrong(name, value, "an id is a UUID or 13 letters and digits");
  } else if (name == "message-id") {
    if (value.starts_with('<')) value.remove_prefix(1);
    if (value.ends_with('>')) value.remove_suffix(1);
    filter.message_id = value;
  } else if (name == "after") {
    filter.since = TRY(parse_time(value, now));
  } else if (name == "before") {
    filter.until = TRY(parse_time(value, now));
  } else {
    return fail(ErrorKind::usage, fmt::format("there is no \"{}:\"", printable(name, 40)));
  }
  return {};
}

Result<SearchFilter> parse_search_query(std::string_view query, Instant now, SearchFilter filter) {
  while (!(query = trim(query)).empty()) {
    auto part = take_part(query);
    const auto name = to_lower(part.name);
    if (std::ranges::find(term_names, name) != term_names.end()) {
      TRY(add_search_term(filter, name, part.value, now));
      continue;
    }
    if (is_name(name)) {
      if (const auto meant = nearest(name, term_names); meant && name.size() > 3)
        return fail(ErrorKind::usage, fmt::format("there is no \"{}:\"; did you mean \"{}:\"?",
                                                  printable(name, 40), *meant));
    }
    if (!part.name.empty()) add_word(filter.q, part.name);
    if (!part.value.empty()) add_word(filter.q, part.value);
  }
  return filter;
}

}  // namespace goniec
