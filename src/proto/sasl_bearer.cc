// See sasl_bearer.h.
#include "proto/sasl_bearer.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t message_octets = 12288;  // as AUTH has it
constexpr char separator = '\x01';             // kvsep

std::unexpected<Error> bad(std::string text) {
  return fail(ErrorKind::bad_data, std::move(text));
}

// RFC 6750 §2.1: b64token, and nothing else.
bool is_token(std::string_view text) {
  const auto equals = std::min(text.find('='), text.size());
  const auto is_octet = [](char c) {
    return is_alpha(c) || is_digit(c) || std::string_view("-._~+/").find(c) != std::string::npos;
  };
  return equals > 0 &&
         std::all_of(text.begin(), text.begin() + static_cast<long>(equals), is_octet) &&
         text.find_first_not_of('=', equals) == std::string_view::npos;
}

// The pairs between ^A, up to the empty one that ends the message.
Result<BearerCredentials> read_pairs(std::string_view text, BearerCredentials credentials) {
  if (!text.ends_with("\x01\x01")) return bad("the message does not end with ^A ^A");
  text.remove_suffix(2);
  bool authorised = false;
  for (const auto pair : split(text, separator)) {
    const auto equals = pair.find('=');
    if (equals == 0 || equals == std::string_view::npos) return bad("a pair is not key=value");
    const auto key = pair.substr(0, equals);
    std::string_view value = pair.substr(equals + 1);
    if (key == "host") credentials.host = value;
    if (key == "port") credentials.port = value;
    if (key != "auth") continue;
    if (authorised || !starts_with_ignoring_case(value, "Bearer "))
      return bad("auth is Bearer and a token, once");
    value = trim(value.substr(7));
    if (!is_token(value)) return bad("the token cannot be read");
    credentials.token = Secret(std::string(value));
    authorised = true;
  }
  if (!authorised) return bad("there is no auth");
  return credentials;
}

}  // namespace

Result<BearerCredentials> parse_oauth_bearer(std::string_view message) {
  if (message.size() > message_octets || !is_utf8(message)) return bad("too long or no UTF-8");
  // gs2-header: the flag of the channel binding, the identity, and a comma after each.
  const auto first = message.find(','), second = message.find(',', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos)
    return bad("there is no gs2 header");
  const auto flag = message.substr(0, first);
  if (flag != "n" && flag != "y") return bad("channel binding is not offered");
  BearerCredentials credentials;
  const auto identity = message.substr(first + 1, second - first - 1);
  if (!identity.empty()) {
    if (!identity.starts_with("a=")) return bad("the identity cannot be read");
    credentials.user = TRY(saslprep(identity.substr(2)));
  }
  const auto rest = message.substr(second + 1);
  if (!rest.starts_with(separator)) return bad("there is no ^A after the gs2 header");
  return read_pairs(rest.substr(1), std::move(credentials));
}

Result<BearerCredentials> parse_xoauth2(std::string_view message) {
  if (message.size() > message_octets || !is_utf8(message)) return bad("too long or no UTF-8");
  const auto end = message.find(separator);
  if (!message.starts_with("user=") || end == std::string_view::npos)
    return bad("XOAUTH2 begins with user=");
  BearerCredentials credentials;
  credentials.user = TRY(saslprep(message.substr(5, end - 5)));
  if (credentials.user.empty()) return bad("the user is empty");
  return read_pairs(message.substr(end + 1), std::move(credentials));
}

}  // namespace goniec
