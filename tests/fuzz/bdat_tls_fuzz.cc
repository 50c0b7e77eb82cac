// Fuzz target: chunks and STARTTLS in any order and at any cut (the Exim pattern: TLS ends or
// begins in the middle of a chunk). The input is a list of records: an action octet, a length
// octet, octets. After STARTTLS nothing that came in clear may be known; a chunk has exactly its
// octets.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.h"
#include "proto/smtp/server_drive.h"

using namespace goniec;
using namespace goniec::smtp;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ServerOptions options;
  options.hostname = "mx.example.test";
  options.tls_offered = true;
  options.line_ends = LineEndPolicy::normalise;
  options.limits.message_octets = 4096;
  Drive drive(std::move(options));
  drive.feed("EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<user@example.test>\r\n");
  std::string_view input(reinterpret_cast<const char*>(data), size);
  while (input.size() >= 2 && !drive.closed) {
    auto action = static_cast<unsigned char>(input[0]) % 6;
    std::size_t length =
        std::min<std::size_t>(static_cast<unsigned char>(input[1]), input.size() - 2);
    std::string_view octets = input.substr(2, length);
    input.remove_prefix(2 + length);
    bool last = action == 1;
    switch (action) {
      case 0:
      case 1:
        drive.feed(fmt::format("BDAT {}{}\r\n", length, last ? " LAST" : ""));
        drive.feed(octets);
        break;
      case 2:
        drive.feed(octets);
        break;
      case 3:
        drive.feed(fmt::format("RSET\r\nSTARTTLS\r\n{}", octets));
        break;
      case 4:
        drive.feed("MAIL FROM:<a@b.test>\r\nRCPT TO:<user@example.test>\r\n");
        break;
      case 5:
        drive.end_input();
        break;
    }
    if (drive.wants_tls) {
      drive.session.receive(octets);  // still in clear: never obeyed
      bool works = !octets.empty() && (octets[0] & 1) != 0;
      if (works) {
        drive.start_tls();
        CHECK(drive.session.tls_active() && drive.session.transaction().helo.empty());
        CHECK(drive.session.transaction().recipients.empty() && !drive.open);
        drive.feed("EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<user@example.test>\r\n");
      } else {
        drive.wants_tls = false;
        drive.session.tls_failed();
        drive.run();
        CHECK(drive.closed);
      }
    }
  }
  for (const KeptMessage& message : drive.kept) CHECK(message.body.size() <= 4096);
  return 0;
}
