// Implementation of SASL; see sasl.h. RFC 4013, 4616, 5802, 7677.
//
// SASLprep: map (B.1 to nothing, C.1.2 to a blank), NFKC by the tables of saslprep_tables.h,
// prohibit, then the bidi rule (RFC 3454 §6). A character whose normal form is not in the tables is
// refused: never a password that is normalised differently by the next version.
#include "proto/sasl.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/text.h"
#include "proto/saslprep_tables.h"

namespace goniec {

namespace {

constexpr std::size_t kNameOctets = 255;
constexpr std::size_t kPasswordOctets = 1024;
constexpr std::size_t kScramMessageOctets = 4096;
constexpr std::uint32_t kMinIterations = 4096;        // RFC 7677 §4: a client refuses less
constexpr std::uint32_t kMaxIterations = 10'000'000;  // what a server may ask of our processor

std::unexpected<Error> bad(std::string text) {
  return fail(ErrorKind::bad_data, std::move(text));
}

// ---------------------------------------------------------------- SASLprep
namespace tables = saslprep_tables;

bool within(const auto& ranges, char32_t c) {
  auto range =
      std::ranges::lower_bound(ranges, c, {}, [](const auto& r) { return char32_t{r.last}; });
  return range != std::end(ranges) && c >= range->first;
}

bool mapped_to_nothing(char32_t c) {  // RFC 3454 B.1
  return c == 0xAD || c == 0x34F || c == 0x1806 || (c >= 0x180B && c <= 0x180D) ||
         (c >= 0x200B && c <= 0x200D) || c == 0x2060 || (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF;
}

bool mapped_to_blank(char32_t c) {  // RFC 3454 C.1.2
  return c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_allowed(char32_t c) {
  if (c < 0x10000) return within(tables::kAllowed, c);
  bool prohibited = (c >= 0x1D173 && c <= 0x1D17A) || (c >= 0xE0000 && c <= 0xE0FFF) ||
                    c >= 0xF0000 || (c & 0xFFFE) == 0xFFFE || (c >= 0x2F800 && c <= 0x2FA1F) ||
                    (c >= 0x1D15E && c <= 0x1D7FF);  // compatibility forms: not in the tables
  return !prohibited;
}

std::uint8_t combining_class(char32_t c) {
  auto row = std::ranges::lower_bound(tables::kCombining, c, {},
                                      [](const auto& r) { return char32_t{r.last}; });
  return row != std::end(tables::kCombining) && c >= row->first ? row->klass : std::uint8_t{0};
}

std::u32string decompose(const std::u32string& text) {
  std::u32string result;
  for (char32_t c : text) {
    auto row = std::ranges::lower_bound(tables::kDecompositions, c, {},
                                        [](const auto& r) { return char32_t{r.from}; });
    if (row == std::end(tables::kDecompositions) || row->from != c) {
      result.push_back(c);
      continue;
    }
    for (std::size_t i = 0; i < row->length; ++i) result.push_back(tables::kPool[row->offset + i]);
  }
  for (std::size_t i = 1; i < result.size(); ++i) {  // canonical order of marks, stable
    std::uint8_t klass = combining_class(result[i]);
    for (std::size_t j = i; klass != 0 && j > 0 && combining_class(result[j - 1]) > klass; --j) {
      std::swap(result[j - 1], result[j]);
    }
  }
  return result;
}

char32_t composed(char32_t first, char32_t second) {
  auto row = std::ranges::find_if(tables::kCompositions, [&](const tables::Composition& each) {
    return each.first == first && each.second == second;
  });
  return row == std::end(tables::kCompositions) ? U'\0' : char32_t{row->whole};
}

std::u32string compose(const std::u32string& text) {
  std::u32string result;
  std::optional<std::size_t> starter;
  std::uint8_t last_class = 0;
  for (char32_t c : text) {
    std::uint8_t klass = combining_class(c);
    bool blocked = starter && result.size() > *starter + 1 && last_class >= klass;
    char32_t whole = starter && !blocked ? composed(result[*starter], c) : U'\0';
    if (whole != 0) {
      result[*starter] = whole;
      continue;
    }
    if (klass == 0) starter = result.size();
    last_class = klass;
    result.push_back(c);
  }
  return result;
}

void append_utf8(std::string& out, char32_t c) {
  auto octet = [&](char32_t value) { out.push_back(static_cast<char>(value)); };
  if (c < 0x80) return octet(c);
  if (c < 0x800) {
    octet(0xC0 | (c >> 6));
  } else if (c < 0x10000) {
    octet(0xE0 | (c >> 12));
    octet(0x80 | ((c >> 6) & 0x3F));
  } else {
    octet(0xF0 | (c >> 18));
    octet(0x80 | ((c >> 12) & 0x3F));
    octet(0x80 | ((c >> 6) & 0x3F));
  }
  octet(0x80 | (c & 0x3F));
}

// RFC 3454 §6, and a little stricter: beside right-to-left letters only ASCII signs and marks.
bool bidi_holds(const std::u32string& text) {
  auto right_to_left = [](char32_t c) { return within(tables::kRightToLeft, c); };
  if (std::ranges::none_of(text, right_to_left)) return true;
  if (!right_to_left(text.front()) || !right_to_left(text.back())) return false;
  return std::ranges::all_of(text, [&](char32_t c) {
    if (c < 0x80) return !is_alpha(static_cast<char>(c));
    return right_to_left(c) || combining_class(c) != 0 || (c >= 0x660 && c <= 0x669);
  });
}

}  // namespace

Result<std::string> saslprep(std::string_view text) {
  if (is_ascii(text)) {
    bool controls = std::ranges::any_of(text, [](char c) { return c < ' ' || c == 127; });
    if (controls) return bad("a control character is not allowed");
    return std::string(text);
  }
  if (text.size() > kScramMessageOctets) return bad("too long");  // marks are sorted in n² steps
  if (!is_utf8(text)) return bad("not valid UTF-8");
  std::u32string mapped;
  while (!text.empty()) {
    Utf8Character character = first_utf8_character(text);
    text.remove_prefix(character.octets);
    if (mapped_to_nothing(character.value)) continue;
    mapped.push_back(mapped_to_blank(character.value) ? U' ' : character.value);
  }
  // What has a normal form is checked before, since that form may hide that it was not in range.
  bool before = std::ranges::all_of(mapped, is_allowed);
  std::u32string normal = compose(decompose(mapped));
  if (!before || !std::ranges::all_of(normal, is_allowed)) {
    return bad("a character of it is not allowed");
  }
  if (!normal.empty() && !bidi_holds(normal)) {
    return bad("left-to-right and right-to-left are mixed");
  }
  std::string result;
  for (char32_t c : normal) append_utf8(result, c);
  return result;
}

// ---------------------------------------------------------------- Secret
void Secret::wipe() {
  volatile char* octet = value_.data();
  for (std::size_t i = 0; i < value_.size(); ++i) octet[i] = 0;
  value_.clear();
}

Secret& Secret::operator=(const Secret& other) {
  if (this == &other) return *this;
  wipe();
  value_ = other.value_;
  return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  wipe();
  value_ = std::move(other.value_);
  other.wipe();
  return *this;
}

// ---------------------------------------------------------------- PLAIN (RFC 4616 §2)
Result<PlainCredentials> parse_plain(std::string_view message) {
  std::vector<std::string_view> parts = split(message, '\0');
  if (parts.size() != 3) return bad("PLAIN is authzid NUL user NUL password");
  if (parts[0].size() > kNameOctets || parts[1].size() > kNameOctets ||
      parts[2].size() > kPasswordOctets) {
    return bad("a part of PLAIN is too long");
  }
  PlainCredentials credentials;
  credentials.authorisation = TRY(saslprep(parts[0]));
  credentials.user = TRY(saslprep(parts[1]));
  credentials.password = Secret(TRY(saslprep(parts[2])));
  if (credentials.user.empty()) return bad("the user name is empty");
  if (credentials.password.empty()) return bad("the password is empty");
  return credentials;
}

std::string make_plain(const PlainCredentials& credentials) {
  std::string message = credentials.authorisation;
  message.push_back('\0');
  message += credentials.user;
  message.push_back('\0');
  message += credentials.password.reveal();
  return message;
}

// ---------------------------------------------------------------- SCRAM (RFC 5802)
namespace {

std::string client_proof(std::string_view client_key, std::string_view signature) {
  std::string proof(client_key);
  for (std::size_t i = 0; i < proof.size(); ++i) {
    proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  }
  return proof;
}

// RFC 5802 §5.1: "," and "=" in a name are =2C and =3D.
std::string escape_name(std::string_view name) {
  std::string escaped;
  for (char c : name) {
    if (c == ',') {
      escaped += "=2C";
    } else if (c == '=') {
      escaped += "=3D";
    } else {
      escaped.push_back(c);
    }
  }
  return escaped;
}

std::optional<std::string> unescape_name(std::string_view text) {
  std::string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      name.push_back(text[i]);
      continue;
    }
    std::string_view code = text.substr(i, 3);
    if (code != "=2C" && code != "=3D") return std::nullopt;
    name.push_back(code == "=2C" ? ',' : '=');
    i += 2;
  }
  return name;
}

// "r=…" -> what follows "r="; nullopt: another attribute.
std::optional<std::string_view> attribute(std::string_view part, char name) {
  if (part.size() < 2 || part[0] != name || part[1] != '=') return std::nullopt;
  return part.substr(2);
}

bool is_nonce(std::string_view nonce) {  // printable without ","
  return !nonce.empty() &&
         std::ranges::all_of(nonce, [](char c) { return c > ' ' && c < 127 && c != ','; });
}

}  // namespace

ScramKeys derive_scram_keys(std::string_view password, std::string salt, std::uint32_t iterations,
                            DigestKind kind) {
  std::string salted = pbkdf2(kind, password, salt, iterations);
  ScramKeys keys;
  keys.salt = std::move(salt);
  keys.iterations = iterations;
  keys.stored_key = digest(kind, hmac(kind, salted, "Client Key"));
  keys.server_key = hmac(kind, salted, "Server Key");
  return keys;
}

Result<std::string> ScramServer::client_first(std::string_view message) {
  if (message.size() > kScramMessageOctets || !is_utf8(message)) {
    return bad("client-first is too long or no UTF-8");
  }
  std::vector<std::string_view> parts = split(message, ',');
  if (parts.size() < 4) return bad("client-first is not complete");
  // "y": the client would have bound the channel; we offer no -PLUS, so that is no downgrade.
  if (parts[0] != "n" && parts[0] != "y") return bad("channel binding is not offered");
  std::optional<std::string> authzid;
  if (!parts[1].empty()) {
    auto value = attribute(parts[1], 'a');
    authzid = value ? unescape_name(*value) : std::nullopt;
    if (!authzid) return bad("the authorisation identity cannot be read");
  }
  auto name = attribute(parts[2], 'n');  // "m=": a mandatory extension that nobody knows
  auto nonce = attribute(parts[3], 'r');
  if (!name || !nonce || !is_nonce(*nonce)) return bad("client-first is n=user,r=nonce");
  for (std::size_t i = 4; i < parts.size(); ++i) {  // further extensions are ignored
    if (parts[i].size() < 2 || !is_alpha(parts[i][0]) || parts[i][1] != '=') {
      return bad("an extension of client-first cannot be read");
    }
  }
  std::optional<std::string> plain_name = unescape_name(*name);
  if (!plain_name || name->size() > kNameOctets) return bad("the user name cannot be read");
  std::string user = TRY(saslprep(*plain_name));
  if (user.empty()) return bad("the user name is empty");
  if (authzid && *authzid != user) return bad("nobody acts for another user");
  gs2_header_ = std::string(message.substr(0, parts[0].size() + parts[1].size() + 2));
  client_first_bare_ = std::string(message.substr(gs2_header_.size()));
  nonce_ = std::string(*nonce) + server_nonce_;
  return user;
}

std::string ScramServer::server_first(const ScramKeys& keys) {
  keys_ = keys;
  server_first_ = fmt::format("r={},s={},i={}", nonce_, to_base64(keys.salt), keys.iterations);
  return server_first_;
}

Result<std::string> ScramServer::client_final(std::string_view message) {
  if (message.size() > kScramMessageOctets) return bad("client-final is too long");
  std::size_t proof_at = message.rfind(",p=");
  if (proof_at == std::string_view::npos) return bad("client-final has no proof");
  std::string_view without_proof = message.substr(0, proof_at);
  std::optional<std::string> proof = from_base64(message.substr(proof_at + 3));
  std::vector<std::string_view> parts = split(without_proof, ',');
  auto binding = attribute(parts[0], 'c');
  if (!binding || from_base64(*binding) != gs2_header_) return bad("the channel binding differs");
  auto nonce = parts.size() >= 2 ? attribute(parts[1], 'r') : std::nullopt;
  if (!nonce || !equal_in_constant_time(*nonce, nonce_)) return bad("the nonce differs");
  if (!proof || proof->size() != digest_octets(kind_)) return bad("the proof cannot be read");
  std::string auth_message =
      fmt::format("{},{},{}", client_first_bare_, server_first_, without_proof);
  std::string signature = hmac(kind_, keys_.stored_key, auth_message);
  std::string client_key = client_proof(*proof, signature);
  if (!equal_in_constant_time(digest(kind_, client_key), keys_.stored_key)) {
    return bad("the proof is wrong");
  }
  return "v=" + to_base64(hmac(kind_, keys_.server_key, auth_message));
}

ScramClient::ScramClient(std::string user, Secret password, std::string client_nonce,
                         DigestKind kind)
    : kind_(kind),
      user_(std::move(user)),
      client_nonce_(std::move(client_nonce)),
      password_(std::move(password)) {
  if (auto prepared = saslprep(user_)) user_ = std::move(*prepared);
  if (auto prepared = saslprep(password_.reveal())) password_ = Secret(std::move(*prepared));
}

std::string ScramClient::client_first() {
  client_first_bare_ = fmt::format("n={},r={}", escape_name(user_), client_nonce_);
  return "n,," + client_first_bare_;
}

Result<std::string> ScramClient::client_final(std::string_view server_first) {
  if (server_first.size() > kScramMessageOctets) return bad("server-first is too long");
  std::vector<std::string_view> parts = split(server_first, ',');
  auto nonce = attribute(parts[0], 'r');
  auto salt_text = parts.size() > 1 ? attribute(parts[1], 's') : std::nullopt;
  auto iterations_text = parts.size() > 2 ? attribute(parts[2], 'i') : std::nullopt;
  if (!nonce || !salt_text || !iterations_text) return bad("server-first cannot be read");
  if (!is_nonce(*nonce) || !nonce->starts_with(client_nonce_) ||
      nonce->size() == client_nonce_.size()) {
    return bad("the server's nonce does not continue ours");
  }
  auto salt = from_base64(*salt_text);
  auto iterations = parse_unsigned(*iterations_text);
  if (!salt || salt->empty() || !iterations || *iterations < kMinIterations ||
      *iterations > kMaxIterations) {
    return bad("salt or iterations of server-first are not acceptable");
  }
  std::string salted = pbkdf2(kind_, password_.reveal(), *salt, static_cast<unsigned>(*iterations));
  std::string client_key = hmac(kind_, salted, "Client Key");
  std::string without_proof = fmt::format("c=biws,r={}", *nonce);
  auth_message_ = fmt::format("{},{},{}", client_first_bare_, server_first, without_proof);
  server_key_ = hmac(kind_, salted, "Server Key");
  std::string signature = hmac(kind_, digest(kind_, client_key), auth_message_);
  return fmt::format("{},p={}", without_proof, to_base64(client_proof(client_key, signature)));
}

Result<void> ScramClient::check_server_final(std::string_view server_final) {
  std::string_view first = split(server_final, ',')[0];
  auto verifier = attribute(first, 'v');
  if (!verifier || server_key_.empty()) return bad("the server did not prove that it knows us");
  std::string expected = to_base64(hmac(kind_, server_key_, auth_message_));
  if (!equal_in_constant_time(*verifier, expected)) return bad("the server's signature is wrong");
  return {};
}

}  // namespace goniec
