// What sendmail adds to a message and takes from its header (sendmail.h, complete_message). RFC
// 5322 §3.6: From and Date are required, Message-ID wanted; Bcc is for the sender's eyes only.
// Line ends become CRLF first; what is there already is never changed but for Bcc.
#include <algorithm>

#include "app/sendmail.h"
#include "base/digest.h"
#include "base/text.h"

namespace goniec {

namespace {

struct Field {
  std::string name;   // lower case
  std::string whole;  // with its folded lines, each LF-ended
  std::string value() const { return whole.substr(whole.find(':') + 1); }
};

struct Parts {
  std::vector<Field> fields;
  std::string body;
};

bool is_field_start(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  auto name = line.substr(0, colon);
  while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 127; });
}

// CRLF and CR become LF; NUL goes.
std::string with_lf(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') continue;
    if (text[i] != '\r') {
      out += text[i];
    } else if (i + 1 == text.size() || text[i + 1] != '\n') {
      out += '\n';
    }
  }
  return out;
}

Parts split_message(const std::string& text) {
  Parts parts;
  std::size_t at = 0;
  bool first = true;
  while (at < text.size()) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto line = std::string_view(text).substr(at, end - at);
    const auto after = std::min(end + 1, text.size());
    if (line.empty()) {
      at = after;
      break;
    }
    const bool mbox = first && line.starts_with("From ");  // the separator line of a mailbox file
    first = false;
    if (mbox) {
      at = after;
      continue;
    }
    if ((line[0] == ' ' || line[0] == '\t') && !parts.fields.empty()) {
      parts.fields.back().whole += std::string(line) + "\n";
    } else if (is_field_start(line)) {
      auto name = to_lower(line.substr(0, line.find(':')));
      while (name.ends_with(' ') || name.ends_with('\t')) name.pop_back();
      parts.fields.push_back({std::move(name), std::string(line) + "\n"});
    } else {
      break;  // a body without an empty line before it
    }
    at = after;
  }
  parts.body = text.substr(at);
  return parts;
}

// The addresses of a list as their writer wrote them, also without a domain: quotes, comments,
// names and groups are understood (RFC 5322 §3.4).
class AddressScanner {
 public:
  explicit AddressScanner(std::string_view text) : text_(text) {}

  std::vector<std::string> all() {
    for (std::size_t i = 0; i < text_.size(); ++i) i = step(i);
    finish();
    return std::move(found_);
  }

 private:
  // Takes what begins at `i`; the index of its last octet.
  std::size_t step(std::size_t i) {
    const char c = text_[i];
    if (c == '"') return quoted(i);
    if (c == '(') return comment(i);
    if (c == '<') {
      in_angle_ = true;
      angle_.clear();
      return i;
    }
    if (c == '>') {
      in_angle_ = false;
      has_angle_ = true;
      return i;
    }
    if (in_angle_) {
      if (c > ' ') angle_ += c;
      return i;
    }
    if (c == ',' || c == ';') {
      finish();
    } else if (c == ':') {
      plain_.clear();  // the name of a group
    } else if (c == ' ' || c == '\t' || c == '\n') {
      blank_ = !plain_.empty();
    } else {
      if (blank_) words_ = true;  // several words without <>: no address
      plain_ += c;
      blank_ = false;
    }
    return i;
  }
  std::size_t quoted(std::size_t i) {
    std::string text(1, '"');
    for (++i; i < text_.size(); ++i) {
      text += text_[i];
      if (text_[i] == '"') break;
      if (text_[i] == '\\' && i + 1 < text_.size()) text += text_[++i];
    }
    (in_angle_ ? angle_ : plain_) += text;
    return i;
  }
  std::size_t comment(std::size_t i) const {
    std::size_t depth = 0;
    for (; i < text_.size(); ++i) {
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == '(') {
        ++depth;
      } else if (text_[i] == ')' && --depth == 0) {
        break;
      }
    }
    return i;
  }
  void finish() {
    if (has_angle_ && !angle_.empty()) {
      found_.push_back(angle_);
    } else if (!has_angle_ && !plain_.empty() && !words_) {
      found_.push_back(plain_);
    }
    plain_.clear();
    angle_.clear();
    has_angle_ = in_angle_ = blank_ = words_ = false;
  }

  std::string_view text_;
  std::string plain_, angle_;
  std::vector<std::string> found_;
  bool in_angle_ = false, has_angle_ = false, blank_ = false, words_ = false;
};

std::vector<std::string> recipients_of(const std::vector<Field>& fields) {
  // RFC 5322 §3.6.6: a resent message goes to the resent addresses.
  const bool resent = std::ranges::any_of(fields, [](const Field& field) {
    return field.name == "resent-to" || field.name == "resent-cc" || field.name == "resent-bcc";
  });
  std::vector<std::string> all;
  for (const auto& field : fields) {
    const auto name = std::string_view(field.name);
    const auto wanted =
        resent ? (name.starts_with("resent-") ? name.substr(7) : std::string_view()) : name;
    if (wanted != "to" && wanted != "cc" && wanted != "bcc") continue;
    for (auto& address : AddressScanner(field.value()).all()) {
      if (std::ranges::find(all, address) == all.end()) all.push_back(std::move(address));
    }
  }
  return all;
}

bool has_field(const std::vector<Field>& fields, std::string_view name) {
  return std::ranges::find(fields, name, &Field::name) != fields.end();
}

std::string qualified(const std::string& address, const std::string& domain) {
  return address.find('@') == std::string::npos ? fmt::format("{}@{}", address, domain) : address;
}

bool is_atom(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_alpha(c) || is_digit(c) ||
           std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != std::string_view::npos;
  });
}

// "From: root (Cron Daemon)" is no address anywhere else: root@domain.
void qualify(Field& field, const std::string& domain) {
  static constexpr std::string_view names[] = {"from", "to", "cc", "reply-to", "sender"};
  if (std::ranges::find(names, field.name) == std::end(names)) return;
  const auto value = field.value();
  const auto comment = value.find('(');
  const auto atom = trim(std::string_view(value).substr(0, std::min(comment, value.find('\n'))));
  if (!is_atom(atom)) return;
  const auto rest = comment == std::string::npos ? std::string("\n") : " " + value.substr(comment);
  field.whole =
      fmt::format("{}: {}@{}{}", field.whole.substr(0, field.whole.find(':')), atom, domain, rest);
}

std::string phrase(std::string_view name) {
  if (name.empty()) return {};
  if (!is_ascii(name))
    return fmt::format("=?UTF-8?B?{}?= ", to_base64(name.substr(0, 45)));  // RFC 2047 §2
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    if (c >= ' ' && c < 127) out += c;
  }
  return out + "\" ";
}

std::string stamp(Instant at) {
  std::string digits;
  for (const char c : to_rfc3339(at).substr(0, 19)) {
    if (is_digit(c)) digits += c;
  }
  return digits;
}

}  // namespace

Result<CompletedMessage> complete_message(std::string_view text, const MessageFacts& facts) {
  auto parts = split_message(with_lf(text));
  CompletedMessage out;
  if (facts.recipients_from_header) out.recipients = recipients_of(parts.fields);
  std::erase_if(parts.fields, [](const Field& field) {
    return field.name == "bcc" || field.name == "resent-bcc";
  });
  for (auto& field : parts.fields) {
    qualify(field, facts.domain);
    out.text += field.whole;
  }
  if (!has_field(parts.fields, "from")) {
    const auto name = phrase(facts.full_name);
    const auto address = qualified(facts.from_address, facts.domain);
    out.text += name.empty() ? fmt::format("From: {}\n", address)
                             : fmt::format("From: {}<{}>\n", name, address);
  }
  if (!has_field(parts.fields, "date"))
    out.text += fmt::format("Date: {}\n", to_rfc5322(facts.now));
  if (!has_field(parts.fields, "message-id")) {
    out.text +=
        fmt::format("Message-ID: <{}.{}@{}>\n", stamp(facts.now), facts.unique, facts.domain);
  }
  if (!has_field(parts.fields, "to") && !has_field(parts.fields, "cc"))
    out.text += "To: undisclosed-recipients:;\n";
  out.text += "\n" + parts.body;
  return out;
}

}  // namespace goniec
