// Parameters of structured fields: see words.h. RFC 2045 §5.1 and RFC 2231 §3 (continuations) and
// §4 (charset); a gap in the numbers ends a value. Each parameter is put into its name's place once
// and the pieces are joined in number order at the end, so that 10^4 of them cost 10^4 steps, not
// their square.
#include <algorithm>
#include <map>
#include <tuple>

#include "base/text.h"
#include "mail/words.h"

namespace goniec {
namespace {

constexpr std::size_t name_limit = 1000;
constexpr std::size_t piece_limit = 10'000;

struct Piece {
  std::uint64_t number = 0;
  std::size_t order = 0;  // of appearance
  bool extended = false;
  std::string text;
};

struct Gathered {
  std::optional<std::string> plain, extended;
  std::vector<Piece> pieces;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool at_end() const { return at_ >= text_.size(); }
  std::string take_until(std::string_view stops);
  std::string take_value();
  bool take(char wanted);
  void skip_blanks_and_comments();

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

void Reader::skip_blanks_and_comments() {
  std::size_t depth = 0;
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '(') {
      ++depth;
    } else if (c == ')' && depth > 0) {
      --depth;
    } else if (c == '\\' && depth > 0) {
      if (at_ + 1 < text_.size()) ++at_;
    } else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      return;
    }
  }
}

bool Reader::take(char wanted) {
  if (at_end() || text_[at_] != wanted) return false;
  ++at_;
  return true;
}

// Without line ends and blanks around it; stops also at a comment.
std::string Reader::take_until(std::string_view stops) {
  std::string taken;
  for (; at_ < text_.size() && stops.find(text_[at_]) == std::string_view::npos; ++at_) {
    if (text_[at_] == '(') {
      skip_blanks_and_comments();
      break;
    }
    if (text_[at_] != '\r' && text_[at_] != '\n') taken += text_[at_];
  }
  return std::string(trim(taken));
}

std::string Reader::take_value() {
  skip_blanks_and_comments();
  if (!take('"')) return take_until(";");
  std::string value;
  for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
    if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
    if (text_[at_] != '\r' && text_[at_] != '\n') value += text_[at_];
  }
  take('"');
  return value;
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool room = text[at] == '%' && at + 2 < text.size();
    const int high = room ? hex_value(text[at + 1]) : -1, low = room ? hex_value(text[at + 2]) : -1;
    if (high >= 0 && low >= 0) {
      out += static_cast<char>(high * 16 + low);
      at += 2;
    } else {
      out += text[at];
    }
  }
  return out;
}

// Decoded text must not start a line or end a string early.
std::string safe(std::string text) {
  std::string out;
  for (char c : text) {
    if (c == '\r' || c == '\n' || c == '\0') {
      out += "\xEF\xBF\xBD";
    } else {
      out += c;
    }
  }
  return out;
}

// "utf-8'en'a%20b": the charset and the text behind the second quote; no quotes: no charset.
std::pair<std::string, std::string_view> split_charset(std::string_view text) {
  const auto first = text.find('\'');
  const auto second = first == std::string_view::npos ? first : text.find('\'', first + 1);
  if (second == std::string_view::npos) return {"utf-8", text};
  return {std::string(text.substr(0, first)), text.substr(second + 1)};
}

std::string converted(std::string_view charset, std::string_view bytes) {
  auto text = to_utf8(charset, bytes);
  return safe(text ? *std::move(text) : *to_utf8("utf-8", bytes));
}

std::string joined(std::vector<Piece>& pieces) {
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
    return std::tie(a.number, a.order) < std::tie(b.number, b.order);
  });
  std::string charset = "utf-8", bytes;
  std::uint64_t expected = 0;
  for (const auto& piece : pieces) {
    if (piece.number + 1 == expected) continue;  // a number given twice: the first stands
    if (piece.number != expected) break;
    std::string_view text = piece.text;
    if (piece.extended && expected == 0) std::tie(charset, text) = split_charset(piece.text);
    bytes += piece.extended ? percent_decoded(text) : std::string(text);
    ++expected;
  }
  return converted(charset, bytes);
}

std::string value_of(Gathered& gathered) {
  if (gathered.extended) {
    const auto [charset, text] = split_charset(*gathered.extended);
    return converted(charset, percent_decoded(text));
  }
  const bool from_zero = std::any_of(gathered.pieces.begin(), gathered.pieces.end(),
                                     [](const Piece& piece) { return piece.number == 0; });
  if (from_zero) return joined(gathered.pieces);
  if (!gathered.plain) return {};
  // Against RFC 2047 §5 many senders put encoded words into plain values.
  return gathered.plain->find("=?") == std::string::npos ? converted("utf-8", *gathered.plain)
                                                         : decode_words(*gathered.plain);
}

void gather(Gathered& into, std::string_view suffix, std::string value) {
  const bool extended = suffix.ends_with('*');
  if (suffix.empty()) {
    if (!into.plain) into.plain = std::move(value);
  } else if (suffix == "*") {
    if (!into.extended) into.extended = std::move(value);
  } else {
    const auto digits = suffix.substr(1, suffix.size() - (extended ? 2 : 1));
    const auto number = parse_unsigned(digits);
    if (!number || *number >= piece_limit || into.pieces.size() == piece_limit) return;
    into.pieces.push_back({*number, into.pieces.size(), extended, std::move(value)});
  }
}

}  // namespace

const std::string* ParameterizedValue::find(std::string_view name) const {
  for (const auto& parameter : parameters) {
    if (parameter.name == name) return &parameter.value;
  }
  return nullptr;
}

ParameterizedValue parse_parameterized(std::string_view field_value) {
  ParameterizedValue parsed;
  Reader reader(field_value);
  reader.skip_blanks_and_comments();
  parsed.value = to_lower(reader.take_until(";"));
  std::erase_if(parsed.value, [](char c) { return c == ' ' || c == '\t'; });
  std::map<std::string, Gathered, std::less<>> gathered;
  std::vector<std::string> order;
  while (reader.take(';') || !reader.at_end()) {
    reader.skip_blanks_and_comments();
    const auto full_name = to_lower(reader.take_until("=;"));
    if (!reader.take('=')) {
      if (!reader.at_end()) reader.take_until(";");
      continue;
    }
    auto value = reader.take_value();
    reader.take_until(";");
    const auto star = full_name.find('*');
    const auto name = full_name.substr(0, star);
    if (name.empty()) continue;
    if (!gathered.contains(name)) {
      if (order.size() == name_limit) continue;
      order.push_back(name);
    }
    const auto suffix = star == std::string::npos ? std::string() : full_name.substr(star);
    gather(gathered[name], suffix, std::move(value));
  }
  for (auto& name : order) parsed.parameters.push_back({name, value_of(gathered[name])});
  return parsed;
}

}  // namespace goniec
