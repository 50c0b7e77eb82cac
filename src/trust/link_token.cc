// See link_token.h.
#include "trust/link_token.h"

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t mac_octets = 16, short_mac_octets = 10, id_octets = 8;
constexpr std::string_view long_purpose = "goniec link 1:", short_purpose = "goniec short link 1:";
constexpr std::string_view base32_digits = "0123456789abcdefghjkmnpqrstvwxyz";

std::string mac_of(const std::string& secret, std::string_view purpose, std::string_view text,
                   std::size_t octets) {
  std::string whole(purpose);
  whole += text;
  return hmac(DigestKind::sha256, secret, whole).substr(0, octets);
}

std::string id_text(MessageId id) {
  std::string text(id_octets, '\0');
  for (std::size_t i = 0; i < id_octets; ++i)
    text[i] = static_cast<char>(id.value >> (8 * (id_octets - 1 - i)));
  return text;
}

MessageId id_of(std::string_view text) {
  MessageId id;
  for (const char c : text.substr(0, id_octets))
    id.value = (id.value << 8) | static_cast<unsigned char>(c);
  return id;
}

std::string to_base64url(std::string_view data) {
  std::string text = to_base64(data);
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

std::optional<std::string> from_base64url(std::string_view word) {
  std::string text(word);
  if (text.find_first_of("+/=") != std::string::npos) return std::nullopt;
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.size() % 4 != 0) text += '=';
  return from_base64(text);
}

// 5 bits a character, the first bits first; the last character is filled up with zeros.
std::string to_base32(std::string_view data) {
  std::string text;
  unsigned bits = 0, count = 0;
  for (const char c : data) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    for (count += 8; count >= 5; count -= 5) text += base32_digits[(bits >> (count - 5)) & 31];
    bits &= 0xFFF;
  }
  if (count > 0) text += base32_digits[(bits << (5 - count)) & 31];
  return text;
}

std::optional<std::string> from_base32(std::string_view text) {
  std::string data;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    const std::size_t digit = base32_digits.find(to_lower(c));
    if (digit == std::string_view::npos) return std::nullopt;
    bits = ((bits << 5) | static_cast<unsigned>(digit)) & 0xFFF;
    count += 5;
    if (count >= 8) {
      count -= 8;
      data += static_cast<char>(bits >> count);
    }
  }
  if ((bits & ((1u << count) - 1)) != 0) return std::nullopt;
  return data;
}

// Takes what its length stands before.
std::optional<std::string_view> take_part(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const std::size_t length = static_cast<unsigned char>(text[0]);
  if (text.size() < 1 + length) return std::nullopt;
  const auto part = text.substr(1, length);
  text.remove_prefix(1 + length);
  return part;
}

}  // namespace

std::optional<std::string> LinkTokens::write(const LinkToken& token) const {
  const std::string address = token.address.empty() ? std::string() : token.address.text();
  const LinkTokenLimits limits;
  if (token.stream.size() > 255 || address.size() > 255 ||
      token.target.size() > limits.target_octets)
    return std::nullopt;
  std::string text(1, static_cast<char>(token.kind));
  text += id_text(token.message);
  text += static_cast<char>(token.stream.size());
  text += token.stream;
  text += static_cast<char>(address.size());
  text += address;
  text += token.target;
  text += mac_of(secrets_.front(), long_purpose, text, mac_octets);
  return to_base64url(text);
}

std::optional<LinkToken> LinkTokens::read(LinkKind kind, std::string_view word) const {
  if (word.size() > LinkTokenLimits{}.word_octets) return std::nullopt;
  const auto whole = from_base64url(word);
  if (!whole || whole->size() < 1 + id_octets + 2 + mac_octets) return std::nullopt;
  std::string_view text(*whole);
  const auto given = text.substr(text.size() - mac_octets);
  text.remove_suffix(mac_octets);
  const bool is_ours = std::ranges::any_of(secrets_, [&](const std::string& secret) {
    return equal_in_constant_time(mac_of(secret, long_purpose, text, mac_octets), given);
  });
  if (!is_ours || text[0] != static_cast<char>(kind)) return std::nullopt;
  LinkToken token;
  token.kind = kind;
  token.message = id_of(text.substr(1));
  text.remove_prefix(1 + id_octets);
  const auto stream = take_part(text);
  const auto address = stream ? take_part(text) : std::nullopt;
  if (!address) return std::nullopt;
  token.stream = *stream;
  if (!address->empty()) {
    auto parsed = Address::parse(*address);
    if (!parsed) return std::nullopt;
    token.address = std::move(*parsed);
  }
  token.target = text;
  return token;
}

std::string LinkTokens::write_short(MessageId message) const {
  std::string text = id_text(message);
  text += mac_of(secrets_.front(), short_purpose, text, short_mac_octets);
  return to_base32(text);
}

std::optional<MessageId> LinkTokens::read_short(std::string_view word) const {
  constexpr std::size_t characters = (8 * (id_octets + short_mac_octets) + 4) / 5;
  if (word.size() != characters) return std::nullopt;
  const auto text = from_base32(word);
  if (!text || text->size() != id_octets + short_mac_octets) return std::nullopt;
  const auto id = std::string_view(*text).substr(0, id_octets);
  const auto given = std::string_view(*text).substr(id_octets);
  for (const std::string& secret : secrets_)
    if (equal_in_constant_time(mac_of(secret, short_purpose, id, short_mac_octets), given))
      return id_of(id);
  return std::nullopt;
}

}  // namespace goniec
