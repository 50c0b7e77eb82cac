// See option_fields.h.
#include "intake/option_fields.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "intake/idempotency.h"
#include "mail/header.h"
#include "mail/words.h"

namespace goniec {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;
constexpr SendOptionLimits limits;

// The rest of a name behind a prefix, lower case; nullopt: another name.
std::optional<std::string> after_prefix(std::string_view name, std::string_view prefix) {
  if (name.size() <= prefix.size() || !starts_with_ignoring_case(name, prefix)) return std::nullopt;
  return to_lower(name.substr(prefix.size()));
}

std::optional<bool> truth_of(std::string_view text) {
  const auto word = to_lower(trim(text));
  if (word == "true" || word == "yes" || word == "1" || word == "on") return true;
  if (word == "false" || word == "no" || word == "0" || word == "off" || word == "none")
    return false;
  return std::nullopt;
}

std::optional<Instant> time_of(std::string_view text) {
  if (const auto seconds = parse_unsigned(trim(text)))
    return *seconds < 100'000'000'000ull ? std::optional(Instant(std::chrono::seconds(*seconds)))
                                         : std::nullopt;
  const auto at = parse_rfc3339(trim(text));
  return at ? std::optional(*at) : std::nullopt;
}

// Reads the fields of one header.
class OptionReader {
 public:
  explicit OptionReader(SendOptions& options) : options_(options), given_(options) {}

  // true: it is one of these fields, and goes.
  bool take(std::string_view name, const std::string& value);
  std::string idempotency_key, fault;
  std::optional<MailPriority> priority;

 private:
  bool take_own(std::string_view name, const std::string& value);
  bool take_postmark(std::string_view name, const std::string& value);
  bool take_mailgun(std::string_view name, const std::string& value);
  void take_sendgrid(const std::string& value);
  void take_track(const std::string& value);
  void add_tags(std::string_view list);
  void add(Pairs& pairs, const Pairs& given, std::string name, std::string value);
  void set(std::string& option, const std::string& given, std::string_view value) {
    if (given.empty()) option = trim(value);
  }
  void set(std::optional<bool>& option, const std::optional<bool>& given,
           std::optional<bool> value) {
    if (!given && value) option = value;
  }
  void put_off(std::optional<Instant> at) {
    if (at && given_.send_at == Instant{}) options_.send_at = *at;
  }

  SendOptions& options_;
  const SendOptions given_;  // otherwise
};

void OptionReader::add(Pairs& pairs, const Pairs& given, std::string name, std::string value) {
  const auto has = [&name](const Pairs& list) {
    return std::ranges::any_of(list, [&](const auto& each) { return each.first == name; });
  };
  const bool tags = &pairs == &options_.tags;
  const std::size_t most = tags ? limits.tags : limits.metadata;
  const std::size_t octets = tags ? limits.tag_octets : limits.metadata_octets;
  if (name.empty() || has(given) || pairs.size() >= most) return;
  if (name.size() > octets || value.size() > octets) return;
  pairs.emplace_back(std::move(name), std::move(value));
}

void OptionReader::add_tags(std::string_view list) {
  for (const auto part : split(list, ',')) {
    const auto tag = trim(part);
    const auto equals = tag.find('=');
    if (tag.empty()) continue;
    if (equals == std::string_view::npos)
      add(options_.tags, given_.tags, "tag", std::string(tag));
    else
      add(options_.tags, given_.tags, std::string(trim(tag.substr(0, equals))),
          std::string(trim(tag.substr(equals + 1))));
  }
}

void OptionReader::take_track(const std::string& value) {
  bool opens = false, clicks = false;
  for (const auto part : split(value, ',')) {
    const auto word = to_lower(trim(part));
    opens |= word == "opens";
    clicks |= word == "clicks";
    if (word != "opens" && word != "clicks" && word != "none")
      fault = "X-Track: opens, clicks or none is wanted";
  }
  set(options_.track_opens, given_.track_opens, opens);
  set(options_.track_clicks, given_.track_clicks, clicks);
}

bool OptionReader::take_own(std::string_view name, const std::string& value) {
  if (equal_ignoring_case(name, "X-Stream")) {
    set(options_.stream, given_.stream, value);
  } else if (equal_ignoring_case(name, "X-Tag")) {
    add_tags(value);
  } else if (const auto key = after_prefix(name, "X-Metadata-")) {
    add(options_.metadata, given_.metadata, *key, value);
  } else if (equal_ignoring_case(name, "X-Track")) {
    take_track(value);
  } else if (equal_ignoring_case(name, "X-Send-At")) {
    const auto at = time_of(value);
    if (!at) fault = "X-Send-At: a time of RFC 3339 or seconds since 1970 are wanted";
    put_off(at);
  } else if (equal_ignoring_case(name, "X-Pool")) {
    set(options_.pool, given_.pool, value);
  } else if (equal_ignoring_case(name, "X-Queue-Priority")) {
    priority = mail_priority_of(trim(value));
    if (!priority) fault = "X-Queue-Priority: high, normal or bulk is wanted";
  } else if (equal_ignoring_case(name, "X-Idempotency-Key")) {
    idempotency_key = trim(value);
    if (!is_idempotency_key(idempotency_key))
      fault = "X-Idempotency-Key: 1 to 256 printable characters are wanted";
  } else {
    return false;
  }
  return true;
}

bool OptionReader::take_postmark(std::string_view name, const std::string& value) {
  if (equal_ignoring_case(name, "X-PM-Message-Stream")) {
    // Theirs is called "outbound" where nothing was chosen.
    if (to_lower(value) != "outbound") set(options_.stream, given_.stream, value);
  } else if (equal_ignoring_case(name, "X-PM-Tag")) {
    add(options_.tags, given_.tags, "tag", value);
  } else if (const auto key = after_prefix(name, "X-PM-Metadata-")) {
    add(options_.metadata, given_.metadata, *key, value);
  } else if (equal_ignoring_case(name, "X-PM-TrackOpens")) {
    set(options_.track_opens, given_.track_opens, truth_of(value));
  } else if (equal_ignoring_case(name, "X-PM-TrackLinks")) {
    set(options_.track_clicks, given_.track_clicks, to_lower(trim(value)) != "none");
  } else {
    return false;
  }
  return true;
}

bool OptionReader::take_mailgun(std::string_view name, const std::string& value) {
  if (!starts_with_ignoring_case(name, "X-Mailgun-")) return false;
  if (equal_ignoring_case(name, "X-Mailgun-Tag")) {
    add(options_.tags, given_.tags, "tag", value);
  } else if (equal_ignoring_case(name, "X-Mailgun-Variables")) {
    const auto json = JsonValue::parse(value);
    for (const auto& key : json && json->is_object() ? json->keys() : std::vector<std::string>()) {
      const auto each = json->at(key);
      add(options_.metadata, given_.metadata, key, each->text().value_or(each->dump()));
    }
  } else if (equal_ignoring_case(name, "X-Mailgun-Track")) {
    set(options_.track_opens, given_.track_opens, truth_of(value));
    set(options_.track_clicks, given_.track_clicks, truth_of(value));
  } else if (equal_ignoring_case(name, "X-Mailgun-Track-Opens")) {
    set(options_.track_opens, given_.track_opens, truth_of(value));
  } else if (equal_ignoring_case(name, "X-Mailgun-Track-Clicks")) {
    set(options_.track_clicks, given_.track_clicks, truth_of(value));
  } else if (equal_ignoring_case(name, "X-Mailgun-Deliver-By")) {
    put_off(time_of(value));
  }
  return true;
}

void OptionReader::take_sendgrid(const std::string& value) {
  const auto json = JsonValue::parse(value);
  if (!json || !json->is_object()) return;
  if (const auto category = json->at("category")) {
    if (const auto one = category->text()) add(options_.tags, given_.tags, "category", *one);
    for (const auto& each : category->items())
      add(options_.tags, given_.tags, "category", each.text().value_or(""));
  }
  if (const auto arguments = json->at("unique_args"))
    for (const auto& key : arguments->keys()) {
      const auto each = arguments->at(key);
      add(options_.metadata, given_.metadata, key, each->text().value_or(each->dump()));
    }
  if (const auto at = json->integer_at("send_at"); at > 0) put_off(time_of(std::to_string(at)));
}

bool OptionReader::take(std::string_view name, const std::string& value) {
  if (name.size() < 3 || !starts_with_ignoring_case(name, "X-")) return false;
  if (take_own(name, value) || take_postmark(name, value) || take_mailgun(name, value)) return true;
  if (equal_ignoring_case(name, "X-SMTPAPI")) {
    take_sendgrid(value);
    return true;
  }
  if (equal_ignoring_case(name, "X-SES-MESSAGE-TAGS")) {
    add_tags(value);
    return true;
  }
  return equal_ignoring_case(name, "X-SES-CONFIGURATION-SET");
}

}  // namespace

TakenOptions take_option_fields(std::string_view block, SendOptions& options) {
  TakenOptions taken;
  const auto scanned = scan_header(block, HeaderLimits{});
  if (!scanned) {
    taken.header = block;
    return taken;
  }
  OptionReader reader(options);
  std::size_t from = 0;
  for (const HeaderField& field : scanned->fields) {
    const auto at = static_cast<std::size_t>(field.whole.data() - block.data());
    if (!starts_with_ignoring_case(field.name, "X-") ||
        !reader.take(field.name, decode_words(trim(unfold(field.value)))))
      continue;
    taken.header += block.substr(from, at - from);
    from = at + field.whole.size();
  }
  taken.header += block.substr(from);
  taken.idempotency_key = std::move(reader.idempotency_key);
  taken.priority = reader.priority;
  if (!reader.fault.empty()) {
    taken.refusal = Reply(550, {5, 6, 0}, reader.fault);
    taken.rule = "content.options";
  }
  return taken;
}

}  // namespace goniec
