// Who a call is from, when it came through proxies: by X-Forwarded-For, else Forwarded (RFC 7239).
// Where both are, the second says nothing: most proxies write the first and pass on what a client
// says in the other.
//
// Only a peer that the listener trusts is believed, and only as far as the chain goes through
// others that it trusts: from the right, the first address that is not one of them is the client.
// So a client cannot name itself: what it wrote stands further left. "unknown" and names that a
// proxy made up end the chain; what the last trusted proxy is, is then who calls, and it counts as
// nobody who is trusted. So does a field that cannot be read. A stranger's fields say nothing.
// Of the protocol (proto=, X-Forwarded-Proto) the last word counts.
// Pure.
#pragma once
#include <span>

#include "net/http_server.h"

namespace goniec {

struct ForwardedLimits {
  std::size_t hops = 20;  // looked at, from the right
};

// Who `call.remote` is: who connected, the client that a proxy named, or a proxy whose client is
// not known.
enum class ForwardedClient { caller, named, unknown };
// `call.remote` and `call.secure` as the client's own.
ForwardedClient take_forwarded(HttpCall& call, std::span<const IpNetwork> trust);

}  // namespace goniec
