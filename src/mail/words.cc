// Encoded words and charsets: see words.h. Conversion is the C library's iconv.
#include "mail/words.h"

#include <fmt/format.h>
#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/text.h"
#include "mail/transfer.h"

namespace goniec {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// Invalid octets become U+FFFD.
std::string mended_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto character = first_utf8_character(text);
    const std::size_t octets = character.octets == 0 ? 1 : character.octets;
    out += character.octets == 0 ? replacement : text.substr(0, octets);
    text.remove_prefix(octets);
  }
  return out;
}

class Converter {
 public:
  explicit Converter(const std::string& charset) : handle_(iconv_open("UTF-8", charset.c_str())) {}
  ~Converter() {
    if (known()) iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;
  bool known() const { return handle_ != reinterpret_cast<iconv_t>(-1); }
  std::string convert(std::string_view bytes);

 private:
  iconv_t handle_;
};

std::string Converter::convert(std::string_view bytes) {
  std::string out;
  std::array<char, 1024> buffer;
  std::string source(bytes);
  char* from = source.data();
  std::size_t left = source.size();
  while (left > 0) {
    char* to = buffer.data();
    std::size_t room = buffer.size();
    const auto status = iconv(handle_, &from, &left, &to, &room);
    out.append(buffer.data(), buffer.size() - room);
    if (status != static_cast<std::size_t>(-1)) break;
    if (errno == E2BIG) continue;
    out += replacement;  // EILSEQ: skip an octet; EINVAL: the text ends inside of a character
    ++from;
    --left;
  }
  char* to = buffer.data();
  std::size_t room = buffer.size();
  iconv(handle_, nullptr, nullptr, &to, &room);
  out.append(buffer.data(), buffer.size() - room);
  return mended_utf8(out);
}

struct EncodedWord {
  std::string charset;
  std::string bytes;
  std::size_t octets = 0;  // of the word in the field
};

// RFC 2047 §4.2: '_' is a space in Q, and a blank cannot occur.
std::string decode_q(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '_', ' ');
  return decode_quoted_printable(spaced + ".");  // the '.' keeps a blank at the end
}

// The encoded word at the front of `text` (RFC 2047 §2), with a language after '*' (RFC 2231 §5).
std::optional<EncodedWord> take_word(std::string_view text) {
  if (!text.starts_with("=?")) return {};
  const auto charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= text.size()) return {};
  const char encoding = to_lower(text[charset_end + 1]);
  if (text[charset_end + 2] != '?' || (encoding != 'q' && encoding != 'b')) return {};
  const auto begin = charset_end + 3;
  const auto end = text.find('?', begin);
  if (end == std::string_view::npos || !text.substr(end).starts_with("?=")) return {};
  const auto encoded = text.substr(begin, end - begin);
  const auto charset = text.substr(2, charset_end - 2);
  const auto is_token = [](char c) { return c > 32 && c < 127; };
  if (!std::all_of(encoded.begin(), encoded.end(), is_token)) return {};
  EncodedWord word;
  word.charset = to_lower(charset.substr(0, charset.find('*')));
  word.octets = end + 2;
  if (encoding == 'b') {
    word.bytes = decode_base64_lines(encoded);
  } else {
    word.bytes = decode_q(encoded);
    word.bytes.pop_back();
  }
  return word;
}

void append_safe(std::string& out, std::string_view decoded) {
  for (char c : decoded) {
    if (c == '\r' || c == '\n' || c == '\0') {
      out += replacement;
    } else {
      out += c;
    }
  }
}

// Encoded words of one charset that follow each other are converted together: some senders cut a
// character in two.
class Decoder {
 public:
  void add_word(std::string_view raw, EncodedWord word);
  void add_character(char c);
  void add_blank(char c) { blanks_ += c; }
  std::string finish();

 private:
  void flush();

  static constexpr int conversion_limit = 256;  // opening a charset is not free
  std::string out_;
  std::string blanks_;  // seen, not yet known to stay
  std::string charset_, bytes_, raw_;
  bool in_run_ = false;
  int conversions_ = 0;
};

void Decoder::flush() {
  if (!in_run_) return;
  const auto converted =
      conversions_++ < conversion_limit ? to_utf8(charset_, bytes_) : std::nullopt;
  append_safe(out_, converted ? *converted : raw_);
  in_run_ = false;
  bytes_.clear();
  raw_.clear();
}

void Decoder::add_word(std::string_view raw, EncodedWord word) {
  if (in_run_ && charset_ == word.charset) {
    raw_ += blanks_;
  } else {
    const bool after_word = in_run_;
    flush();
    if (!after_word) out_ += blanks_;
    in_run_ = true;
    charset_ = std::move(word.charset);
  }
  blanks_.clear();  // RFC 2047 §6.2: blanks between two encoded words vanish
  raw_ += raw;
  bytes_ += word.bytes;
}

void Decoder::add_character(char c) {
  flush();
  out_ += blanks_;
  blanks_.clear();
  out_ += c;
}

std::string Decoder::finish() {
  flush();
  return std::string(trim(mended_utf8(out_)));
}

bool may_follow_a_word(std::string_view after) {
  return after.empty() || after.starts_with("=?") ||
         std::string_view(" \t\r\n()\",<").find(after[0]) != std::string_view::npos;
}

constexpr std::size_t word_columns = 75;  // RFC 2047 §2

bool needs_words(std::string_view text) {
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= 32 && c < 127; });
  return !plain || text.find("=?") != std::string_view::npos;
}

std::string q_encoded(std::string_view character) {
  const char c = character[0];
  if (character.size() == 1 && c == ' ') return "_";
  // RFC 2047 §5 (3): the set that is safe also inside of a phrase.
  if (character.size() == 1 &&
      (is_alpha(c) || is_digit(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/')) {
    return std::string(1, c);
  }
  std::string out;
  for (char octet : character) out += fmt::format("={:02X}", static_cast<unsigned char>(octet));
  return out;
}

}  // namespace

std::optional<std::string> to_utf8(std::string_view charset, std::string_view bytes) {
  const auto name = to_lower(charset);
  if (name == "utf-8" || name == "utf8" || name == "us-ascii" || name == "ascii") {
    return mended_utf8(bytes);
  }
  // A '/' would hand options to iconv.
  const bool plain =
      !name.empty() && name.size() <= 40 && std::all_of(name.begin(), name.end(), [](char c) {
        return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.' || c == ':' ||
               c == '+';
      });
  if (!plain) return {};
  Converter converter(name);
  if (!converter.known()) return {};
  return converter.convert(bytes);
}

std::string decode_words(std::string_view value) {
  Decoder decoder;
  bool may_begin = true;  // a word begins at the start, after a blank, a quote or another word
  while (!value.empty()) {
    const char c = value[0];
    if (auto word = may_begin ? take_word(value) : std::nullopt;
        word && may_follow_a_word(value.substr(word->octets))) {
      const auto raw = value.substr(0, word->octets);
      value.remove_prefix(raw.size());
      decoder.add_word(raw, *std::move(word));
      continue;
    }
    value.remove_prefix(1);
    may_begin = is_blank(c) || c == '(' || c == '"' || c == '\n' || c == ',';
    if (is_blank(c)) {
      decoder.add_blank(c);
    } else if (c != '\r' && c != '\n') {
      decoder.add_character(c);
    }
  }
  return decoder.finish();
}

std::string encode_words(std::string_view utf8, std::size_t first_column) {
  if (!needs_words(utf8)) return std::string(utf8);
  constexpr std::string_view begin = "=?UTF-8?Q?";
  std::string out(begin);
  std::size_t column = begin.size() + std::min<std::size_t>(first_column, 40);
  while (!utf8.empty()) {
    const auto character = first_utf8_character(utf8);
    const bool text = character.value == '\t' || (character.value >= 32 && character.value != 127);
    const bool good = character.octets != 0 && text;
    const std::size_t octets = character.octets == 0 ? 1 : character.octets;
    const auto encoded = q_encoded(good ? utf8.substr(0, octets) : replacement);
    if (column + encoded.size() + 2 > word_columns) {
      out.append("?= ").append(begin);
      column = begin.size();
    }
    out += encoded;
    column += encoded.size();
    utf8.remove_prefix(octets);
  }
  return out + "?=";
}

}  // namespace goniec
