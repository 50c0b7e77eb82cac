// Text forms of the journey's types: IP addresses and networks (RFC 4291 §2.2, printed by RFC
// 5952), and the stable names of enumerations, which are stored and shown and therefore never
// change.
#include "mail/journey.h"

#include <arpa/inet.h>

#include <algorithm>
#include <span>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr std::array<std::uint8_t, 12> nat64_prefix{0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0};

bool begins_with(const IpAddress& address, const std::array<std::uint8_t, 12>& prefix) {
  return std::equal(prefix.begin(), prefix.end(), address.octets.begin());
}

IpAddress last_four_octets(const IpAddress& address) {
  IpAddress v4;
  std::copy_n(address.octets.begin() + 12, 4, v4.octets.begin());
  return v4;
}

bool in_any(const IpAddress& address, std::span<const std::string_view> networks) {
  return std::any_of(networks.begin(), networks.end(), [&](std::string_view network) {
    return IpNetwork::parse(network)->contains(address);
  });
}

template <class Kind, std::size_t size>
using Names = std::array<std::pair<Kind, std::string_view>, size>;

template <class Kind, std::size_t size>
std::string_view name_in(const Names<Kind, size>& names, Kind kind) {
  for (const auto& [known, name] : names) {
    if (known == kind) return name;
  }
  check_failed("an enumerator without a name", __FILE__, __LINE__);
}

template <class Kind, std::size_t size>
std::optional<Kind> kind_in(const Names<Kind, size>& names, std::string_view wanted) {
  for (const auto& [kind, name] : names) {
    if (name == wanted) return kind;
  }
  return {};
}

constexpr Names<ListenerKind, 11> listener_names{{{ListenerKind::mx, "mx"},
                                                  {ListenerKind::submission, "submission"},
                                                  {ListenerKind::submissions, "submissions"},
                                                  {ListenerKind::lmtp, "lmtp"},
                                                  {ListenerKind::pop3, "pop3"},
                                                  {ListenerKind::pop3s, "pop3s"},
                                                  {ListenerKind::imap, "imap"},
                                                  {ListenerKind::imaps, "imaps"},
                                                  {ListenerKind::http, "http"},
                                                  {ListenerKind::https, "https"},
                                                  {ListenerKind::admin, "admin"}}};

constexpr Names<Source, 7> source_names{{{Source::smtp, "smtp"},
                                         {Source::submission, "submission"},
                                         {Source::lmtp, "lmtp"},
                                         {Source::sendmail, "sendmail"},
                                         {Source::api, "api"},
                                         {Source::dsn, "dsn"},
                                         {Source::report, "report"}}};

constexpr Names<RecipientState, 6> recipient_state_names{{{RecipientState::queued, "queued"},
                                                          {RecipientState::delivered, "delivered"},
                                                          {RecipientState::relayed, "relayed"},
                                                          {RecipientState::failed, "failed"},
                                                          {RecipientState::expired, "expired"},
                                                          {RecipientState::expanded, "expanded"}}};

constexpr Names<EventKind, 24> event_names{{{EventKind::received, "received"},
                                            {EventKind::delivered, "delivered"},
                                            {EventKind::relayed, "relayed"},
                                            {EventKind::deferred, "deferred"},
                                            {EventKind::failed, "failed"},
                                            {EventKind::expired, "expired"},
                                            {EventKind::held, "held"},
                                            {EventKind::released, "released"},
                                            {EventKind::retried, "retried"},
                                            {EventKind::deleted, "deleted"},
                                            {EventKind::delay_notice, "delay_notice"},
                                            {EventKind::dsn_sent, "dsn_sent"},
                                            {EventKind::expanded, "expanded"},
                                            {EventKind::complained, "complained"},
                                            {EventKind::opened, "opened"},
                                            {EventKind::clicked, "clicked"},
                                            {EventKind::unsubscribed, "unsubscribed"},
                                            {EventKind::suppressed, "suppressed"},
                                            {EventKind::canceled, "canceled"},
                                            {EventKind::rescheduled, "rescheduled"},
                                            {EventKind::suppression_added, "suppression_added"},
                                            {EventKind::suppression_removed, "suppression_removed"},
                                            {EventKind::object_changed, "object_changed"},
                                            {EventKind::webhook_disabled, "webhook_disabled"}}};

}  // namespace

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  CHECK(inet_ntop(v6 ? AF_INET6 : AF_INET, octets.data(), buffer.data(), buffer.size()) != nullptr);
  return buffer.data();
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  // A NUL inside would hide what follows it from inet_pton.
  if (text.size() >= buffer.size() || text.find('\0') != std::string_view::npos) return {};
  std::copy(text.begin(), text.end(), buffer.begin());
  IpAddress address;
  address.v6 = text.find(':') != std::string_view::npos;
  if (inet_pton(address.v6 ? AF_INET6 : AF_INET, buffer.data(), address.octets.data()) != 1)
    return {};
  if (address.v6 && begins_with(address, mapped_prefix)) return last_four_octets(address);
  return address;
}

bool IpAddress::is_loopback() const {
  static constexpr std::array<std::string_view, 2> networks{"127.0.0.0/8", "::1"};
  return in_any(*this, networks);
}

bool IpAddress::is_private() const {
  static constexpr std::array<std::string_view, 15> networks{
      "127.0.0.0/8",
      "10.0.0.0/8",
      "172.16.0.0/12",  // RFC 1122, RFC 1918
      "192.168.0.0/16",
      "100.64.0.0/10",
      "169.254.0.0/16",  // RFC 1918, RFC 6598, RFC 3927
      "0.0.0.0/8",
      "224.0.0.0/4",
      "240.0.0.0/4",  // this host, multicast, reserved
      "::1",
      "::",
      "fc00::/7",
      "fe80::/10",
      "fec0::/10",
      "ff00::/8"};  // RFC 4193, RFC 4291
  // RFC 6052 §2.1: a NAT64 address is as private as the IPv4 address in it; so is a mapped one.
  if (v6 && (begins_with(*this, nat64_prefix) || begins_with(*this, mapped_prefix)))
    return in_any(last_four_octets(*this), networks);
  return in_any(*this, networks);
}

std::string Endpoint::text() const {
  return address.v6 ? fmt::format("[{}]:{}", address.text(), port)
                    : fmt::format("{}:{}", address.text(), port);
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto written = text.substr(0, slash);
  const auto address = IpAddress::parse(written);
  if (!address) return {};
  const unsigned most = address->v6 ? 128 : 32;
  if (slash == std::string_view::npos) return IpNetwork{*address, most};
  const auto digits = text.substr(slash + 1);
  const auto prefix = parse_unsigned(digits);
  const bool mapped = !address->v6 && written.find(':') != std::string_view::npos;
  const std::uint64_t least = mapped ? 96 : 0;
  if (!prefix || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0')) return {};
  if (*prefix < least || *prefix - least > most) return {};
  return IpNetwork{*address, static_cast<unsigned>(*prefix - least)};
}

bool IpNetwork::contains(const IpAddress& candidate) const {
  if (candidate.v6 != address.v6) return false;
  for (unsigned bit = 0; bit < prefix; bit += 8) {
    const unsigned compared = std::min(8u, prefix - bit);
    const auto mask = static_cast<unsigned>(0xFF00u >> compared) & 0xFFu;
    if (((address.octets[bit / 8] ^ candidate.octets[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

std::string NotifyOptions::text() const {
  if (never) return "NEVER";
  std::string list;
  const auto add = [&](bool wanted, std::string_view name) {
    if (wanted) list.append(list.empty() ? "" : ",").append(name);
  };
  add(success, "SUCCESS");
  add(failure, "FAILURE");
  add(delay, "DELAY");
  return list;
}

std::string_view name_of(ListenerKind kind) {
  return name_in(listener_names, kind);
}
std::optional<ListenerKind> listener_kind_of(std::string_view name) {
  return kind_in(listener_names, name);
}
std::string_view name_of(Source source) {
  return name_in(source_names, source);
}
std::string_view name_of(RecipientState state) {
  return name_in(recipient_state_names, state);
}
std::string_view name_of(EventKind kind) {
  return name_in(event_names, kind);
}
std::optional<EventKind> event_kind_of(std::string_view name) {
  return kind_in(event_names, name);
}

}  // namespace goniec
