// The client's messages of OAUTHBEARER (RFC 7628 §3.1) and of XOAUTH2, its older form: grammar
// only. No listener offers them yet; whoever does must check the token.
//   OAUTHBEARER   "n,a=user," ^A "host=…" ^A "port=…" ^A "auth=Bearer TOKEN" ^A ^A
//   XOAUTH2       "user=USER" ^A "auth=Bearer TOKEN" ^A ^A
// Refused: over 12288 octets, no end (^A ^A), no or two auth, a token that is empty or not of
// RFC 6750 §2.1.
#pragma once
#include <string>
#include <string_view>

#include "proto/sasl.h"

namespace goniec {

struct BearerCredentials {
  std::string user;  // of XOAUTH2 always; of OAUTHBEARER the authzid, may be ""
  std::string host, port;
  Secret token;
};

Result<BearerCredentials> parse_oauth_bearer(std::string_view message);
Result<BearerCredentials> parse_xoauth2(std::string_view message);

}  // namespace goniec
