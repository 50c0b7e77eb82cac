// Address lists of header fields: see address.h. RFC 5322 §3.4 with its obsolete forms (§4.4):
// display names, groups, nested comments, folding, routes in angle brackets, blanks around dots.
// One pass over the octets; comments nest by a counter, never by recursion, so that depth costs
// nothing.
//
// What cannot be read is skipped to the next ',' or ';' and makes the list incomplete. Two
// addresses in one element ("a@x <b@y>" aside, where the first is a display name) are both given,
// incomplete: a check of the author must see each address a reader may be shown.
#include "base/text.h"
#include "mail/address.h"

namespace goniec {
namespace {

enum class TokenKind { word, quoted, literal, special, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;          // a quoted string without quotes and backslashes
  bool after_blank = false;  // blanks or a comment stood before it
};

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  Token next();
  bool damaged() const { return damaged_; }

 private:
  bool skip_blanks_and_comments();
  std::string take_until(char close);

  std::string_view text_;
  std::size_t at_ = 0;
  bool damaged_ = false;
};

constexpr std::string_view blanks = " \t\r\n";
constexpr std::string_view specials =
    "()<>[]:;@\\,\"";  // '.' joins atoms and is part of a word here

bool Scanner::skip_blanks_and_comments() {
  const std::size_t start = at_;
  std::size_t depth = 0;
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '(') {
      ++depth;
    } else if (c == ')' && depth > 0) {
      --depth;
    } else if (c == '\\' && depth > 0) {
      if (at_ + 1 < text_.size()) ++at_;
    } else if (depth == 0 && blanks.find(c) == std::string_view::npos) {
      break;
    }
  }
  if (depth > 0) damaged_ = true;
  return at_ > start;
}

// The text up to `close`, backslashes taken away; at_ stands behind `close`.
std::string Scanner::take_until(char close) {
  std::string inside;
  for (; at_ < text_.size(); ++at_) {
    char c = text_[at_];
    if (c == close) {
      ++at_;
      return inside;
    }
    if (c == '\\' && at_ + 1 < text_.size()) c = text_[++at_];
    if (c != '\r' && c != '\n') inside += c;  // folding
  }
  damaged_ = true;
  return inside;
}

Token Scanner::next() {
  Token token;
  token.after_blank = skip_blanks_and_comments();
  if (at_ == text_.size()) return token;
  const char c = text_[at_];
  if (c == '"') {
    ++at_;
    token.kind = TokenKind::quoted;
    token.text = take_until('"');
  } else if (c == '[') {
    ++at_;
    token.kind = TokenKind::literal;
    token.text = "[" + take_until(']') + "]";
  } else if (specials.find(c) != std::string_view::npos) {
    ++at_;
    token.kind = TokenKind::special;
    token.text = c;
  } else {
    const auto end = text_.find_first_of(" \t\r\n()<>[]:;@\\,\"", at_);
    token.kind = TokenKind::word;
    token.text = text_.substr(at_, end == std::string_view::npos ? end : end - at_);
    at_ += token.text.size();
  }
  return token;
}

bool is_special(const Token& token, char c) {
  return token.kind == TokenKind::special && token.text[0] == c;
}

using Tokens = std::vector<Token>;

// Tokens as a reader would see them: the display name.
std::string phrase_of(const Tokens& tokens) {
  std::string phrase;
  for (const auto& token : tokens) {
    if (token.after_blank && !phrase.empty()) phrase += ' ';
    phrase += token.text;
  }
  return std::string(trim(phrase));
}

std::string as_quoted_string(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

// addr-spec out of tokens that should be nothing else. Words of the local part join only across
// dots (obs-local-part of RFC 5322 §4.4).
std::optional<Address> address_of(const Tokens& tokens) {
  std::string local, domain;
  bool quoted = false, in_domain = false;
  for (const auto& token : tokens) {
    if (is_special(token, '@')) {
      if (in_domain) return {};
      in_domain = true;
      continue;
    }
    if (token.kind == TokenKind::special) return {};
    std::string& part = in_domain ? domain : local;
    const bool joined = part.empty() || part.ends_with('.') || token.text.starts_with('.');
    if (!joined) return {};
    if (in_domain && token.kind == TokenKind::quoted) return {};
    quoted = quoted || token.kind == TokenKind::quoted;
    part += token.text;
  }
  if (!in_domain) return {};
  auto parsed = Address::parse((quoted ? as_quoted_string(local) : local) + "@" + domain);
  if (!parsed) return {};
  return *std::move(parsed);
}

// Inside of angle brackets: a route ("@a,@b:") is skipped.
std::optional<Address> angle_address_of(Tokens tokens) {
  if (!tokens.empty() && is_special(tokens[0], '@')) {
    std::size_t colon = 0;
    while (colon < tokens.size() && !is_special(tokens[colon], ':')) ++colon;
    if (colon == tokens.size()) return {};
    tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(colon) + 1);
  }
  return address_of(tokens);
}

class ListReader {
 public:
  explicit ListReader(std::string_view value) : scanner_(value) {}
  HeaderMailboxes read();

 private:
  void take_angle();
  void finish_element();
  void add(std::string display_name, std::optional<Address> address);

  Scanner scanner_;
  HeaderMailboxes list_;
  Tokens pending_;          // of the element, outside of angle brackets
  bool had_angle_ = false;  // the element has had an angle address
  bool in_group_ = false;
};

void ListReader::add(std::string display_name, std::optional<Address> address) {
  if (address) {
    list_.mailboxes.push_back({std::move(display_name), *std::move(address)});
  } else {
    list_.complete = false;
  }
}

void ListReader::take_angle() {
  Tokens inside;
  Token token = scanner_.next();
  while (token.kind != TokenKind::end && !is_special(token, '>')) {
    inside.push_back(std::move(token));
    token = scanner_.next();
  }
  if (token.kind == TokenKind::end || had_angle_) list_.complete = false;
  add(phrase_of(pending_), angle_address_of(std::move(inside)));
  pending_.clear();
  had_angle_ = true;
}

void ListReader::finish_element() {
  if (!pending_.empty()) {
    if (had_angle_) list_.complete = false;  // text after "<…>"
    if (auto address = address_of(pending_); address || !had_angle_) add({}, std::move(address));
  }
  pending_.clear();
  had_angle_ = false;
}

HeaderMailboxes ListReader::read() {
  bool any = false;
  for (Token token = scanner_.next(); token.kind != TokenKind::end; token = scanner_.next()) {
    any = true;
    if (is_special(token, '<')) {
      take_angle();
    } else if (is_special(token, ',')) {
      finish_element();
    } else if (is_special(token, ':')) {
      if (in_group_ || had_angle_ || pending_.empty()) list_.complete = false;
      pending_.clear();  // the name of the group
      in_group_ = true;
    } else if (is_special(token, ';')) {
      finish_element();
      if (!in_group_) list_.complete = false;
      in_group_ = false;
    } else {
      pending_.push_back(std::move(token));
    }
  }
  finish_element();
  if (!any || in_group_ || scanner_.damaged()) list_.complete = false;
  return std::move(list_);
}

}  // namespace

HeaderMailboxes parse_header_mailboxes(std::string_view value) {
  return ListReader(value).read();
}

}  // namespace goniec
