// See srs.h.
#include "trust/srs.h"

#include <array>

#include "base/digest.h"
#include "base/result.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";  // RFC 4648 §6
constexpr std::string_view first_tag = "SRS0", second_tag = "SRS1";
constexpr std::size_t tag_octets = 5;  // with its separator
constexpr unsigned days_in_a_round = 32 * 32;
constexpr std::size_t address_octets = 254;  // RFC 5321 §4.5.3.1.3 without <>

std::string base32(std::string_view octets, std::size_t characters) {
  std::string text;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char octet : octets) {
    bits = bits << 8 | static_cast<unsigned char>(octet);
    for (count += 8; count >= 5 && text.size() < characters; count -= 5)
      text += alphabet[bits >> (count - 5) & 31];
  }
  return text;
}

std::optional<unsigned> digit_of(char character) {
  if (character >= 'a' && character <= 'z') character = static_cast<char>(character - 32);
  const std::size_t at = alphabet.find(character);
  return at == std::string_view::npos ? std::nullopt : std::optional(static_cast<unsigned>(at));
}

unsigned day_of(Instant now) {
  const auto days = std::chrono::floor<std::chrono::days>(now).time_since_epoch().count();
  const auto round = days % days_in_a_round;
  return static_cast<unsigned>(round < 0 ? round + days_in_a_round : round);
}

std::string stamp_of(Instant now) {
  const unsigned day = day_of(now);
  return {alphabet[day >> 5], alphabet[day & 31]};
}

std::optional<unsigned> read_stamp(std::string_view text) {
  if (text.size() != 2) return std::nullopt;
  const auto high = digit_of(text[0]), low = digit_of(text[1]);
  if (!high || !low) return std::nullopt;
  return *high << 5 | *low;
}

// What is before the next '=', which goes too; nullopt: there is none.
std::optional<std::string_view> take_part(std::string_view& rest) {
  const std::size_t end = rest.find('=');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return part;
}

bool has_tag(std::string_view local, std::string_view tag) {
  return local.size() > tag_octets && starts_with_ignoring_case(local, tag);
}
bool is_separator(char character) {
  return character == '=' || character == '+' || character == '-';
}

// What a second forwarder hides: the first one, and what only that one can read, from its separator
// on. nullopt: an ordinary address.
struct Hidden {
  std::string first, rest;
};
std::optional<Hidden> hidden_in(const Address& sender) {
  const std::string& local = sender.local();
  if (local.size() <= tag_octets || !is_separator(local[tag_octets - 1])) return std::nullopt;
  if (has_tag(local, first_tag))
    return Hidden{sender.domain().ascii(), local.substr(tag_octets - 1)};
  if (!has_tag(local, second_tag)) return std::nullopt;
  std::string_view rest = std::string_view(local).substr(tag_octets);
  const auto hash = take_part(rest);
  const auto first = hash ? take_part(rest) : std::nullopt;
  if (!first || rest.size() < 2 || !is_separator(rest[0])) return std::nullopt;
  const auto domain = Domain::parse(*first);
  if (!domain) return std::nullopt;
  return Hidden{domain->ascii(), std::string(rest)};
}

}  // namespace

bool looks_like_srs(std::string_view local) {
  return (has_tag(local, first_tag) || has_tag(local, second_tag)) && local[tag_octets - 1] == '=';
}

Srs::Srs(std::vector<std::string> secrets, SrsLimits limits)
    : secrets_(std::move(secrets)), limits_(limits) {
  CHECK(!secrets_.empty());
}

std::string Srs::hash(const std::string& secret, std::string_view text) const {
  const Sha256 digest = hmac_sha256(secret, to_lower(text));
  return base32(view(digest), limits_.hash_characters);
}

bool Srs::is_ours(std::string_view given, std::string_view text) const {
  const std::string folded = to_lower(given);
  bool ours = false;
  for (const std::string& secret : secrets_)
    ours = equal_in_constant_time(folded, to_lower(hash(secret, text))) || ours;
  return ours;
}

// The tag is signed too: what is good as one form is never good as the other.
std::optional<Address> Srs::sign(std::string_view tag, const std::string& text,
                                 const Domain& by) const {
  std::string local =
      fmt::format("{}={}={}", tag, hash(secrets_.front(), fmt::format("{}={}", tag, text)), text);
  Address made = Address::make(std::move(local), by);
  // As written: quotes and what they escape count.
  const std::size_t octets = made.text().size();
  const std::size_t domain_octets = by.ascii().size() + 1;
  if (octets - domain_octets > limits_.local_octets || octets > address_octets) return std::nullopt;
  return made;
}

std::optional<SrsForwarded> Srs::forward(const Address& sender, const Domain& by,
                                         Instant now) const {
  const auto hidden = hidden_in(sender);
  auto made = hidden
                  ? sign(second_tag, hidden->first + "=" + hidden->rest, by)
                  : sign(first_tag,
                         stamp_of(now) + "=" + sender.domain().ascii() + "=" + sender.local(), by);
  if (!made) return std::nullopt;
  return SrsForwarded{std::move(*made), hidden ? SrsForm::srs1 : SrsForm::srs0};
}

std::optional<Address> Srs::forward_message(MessageId message, const Domain& by,
                                            Instant now) const {
  return sign(first_tag, stamp_of(now) + "==" + message.text(), by);
}

SrsReturned Srs::reverse_first(std::string_view text, Instant now, unsigned days_valid) const {
  std::string_view rest = text;
  const auto given = take_part(rest);
  const std::string_view signed_part = rest;
  const auto stamp = given ? take_part(rest) : std::nullopt;
  const auto name = stamp ? take_part(rest) : std::nullopt;
  if (!name) return {SrsStatus::malformed, {}, {}};  // an empty local part, "", is legal
  const auto day = read_stamp(*stamp);
  const auto message = name->empty() ? MessageId::parse(rest) : std::nullopt;
  auto domain = name->empty() ? Domain() : Domain::parse(*name);
  if (!day || !domain || (name->empty() && !message)) return {SrsStatus::malformed, {}, {}};
  if (!is_ours(*given, fmt::format("{}={}", first_tag, signed_part)))
    return {SrsStatus::forged, {}, {}};
  const unsigned age = (day_of(now) + days_in_a_round - *day) % days_in_a_round;
  const bool early = age >= days_in_a_round - limits_.days_early;
  if (age > days_valid && !early) return {SrsStatus::expired, {}, {}};
  if (message) return {SrsStatus::good, {}, *message};
  return {SrsStatus::good, Address::make(std::string(rest), std::move(*domain)), {}};
}

// The first forwarder's stamp says how old it is; he reads it.
SrsReturned Srs::reverse_second(std::string_view text) const {
  std::string_view rest = text;
  const auto given = take_part(rest);
  const std::string_view signed_part = rest;
  const auto name = given ? take_part(rest) : std::nullopt;
  if (!name || rest.size() < 2 || !is_separator(rest[0])) return {SrsStatus::malformed, {}, {}};
  auto domain = Domain::parse(*name);
  if (!domain) return {SrsStatus::malformed, {}, {}};
  if (!is_ours(*given, fmt::format("{}={}", second_tag, signed_part)))
    return {SrsStatus::forged, {}, {}};
  return {
      SrsStatus::good, Address::make(fmt::format("{}{}", first_tag, rest), std::move(*domain)), {}};
}

SrsReturned Srs::reverse(const Address& recipient, Instant now, unsigned days_valid) const {
  const std::string_view local = recipient.local();
  CHECK(looks_like_srs(local));
  const std::string_view text = local.substr(tag_octets);
  return has_tag(local, first_tag) ? reverse_first(text, now, days_valid) : reverse_second(text);
}

}  // namespace goniec
