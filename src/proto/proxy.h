// The PROXY protocol, versions 1 and 2, receiving side, without I/O: what a load balancer says
// before the client's first octet about who the client is.
//
// Promises: takes octets as they come and says how many of them belong to the header; what follows
// is not touched. Memory is bounded (a header holds at most 4 KiB of addresses and TLVs). Refuses:
// everything that is not exactly a header (only listed peers are asked for one, and what they send
// instead must never be read as SMTP): other commands, families, transports, UNIX sockets, lengths
// that do not fit, a CRC32C that does not match, a zone in an address, a bare LF. LOCAL and UNKNOWN
// are taken: the addresses of the socket hold.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mail/journey.h"

namespace goniec {

struct ProxyHeader {
  std::optional<Endpoint> source, destination;  // both or none; none: keep the socket's
  std::string authority;                        // PP2_TYPE_AUTHORITY (SNI), "" when not told
};

class ProxyParser {
 public:
  enum class State { more, done, refused };
  struct Progress {
    State state = State::more;
    std::size_t consumed = 0;  // of these octets; what follows belongs to the client
  };
  Progress receive(std::string_view octets);
  const ProxyHeader& header() const { return header_; }  // REQUIRES done
  const std::string& reason() const { return reason_; }  // of a refusal

 private:
  Progress refuse(std::string reason);
  std::size_t wanted() const;  // octets the header has, as far as is known
  bool plausible() const;
  bool parse_text(std::string_view line);
  bool parse_binary();
  bool parse_tlvs(std::string_view tlvs);

  std::string buffer_, reason_;
  ProxyHeader header_;
};

}  // namespace goniec
