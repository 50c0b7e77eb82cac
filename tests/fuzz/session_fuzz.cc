// Fuzz target: the server session fed with any octets, whole and cut in two ways: the replies and
// the messages kept are the same, and the Drive's own checks hold (no octet of a message outside
// one). The first octet chooses listener, policy and whether the dialogue begins inside a
// transaction.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/smtp/server_drive.h"

using namespace goniec;
using namespace goniec::smtp;

namespace {

ServerOptions options_of(unsigned choice) {
  ServerOptions options;
  options.hostname = "mx.example.test";
  options.tls_offered = (choice & 1) != 0;
  options.listener = (choice & 2) != 0 ? ListenerKind::lmtp : ListenerKind::submission;
  options.login_offered = options.login_without_tls = (choice & 4) != 0;
  options.line_ends = (choice & 8) != 0 ? LineEndPolicy::normalise : LineEndPolicy::reject;
  options.scram_nonce = "nonce";
  options.limits.message_octets = 2000;
  return options;
}

struct Ended {
  std::string replies;
  std::vector<KeptMessage> kept;
};

Ended talk(unsigned choice, std::string_view input, std::size_t piece) {
  ServerOptions options = options_of(choice);
  bool lmtp = options.listener == ListenerKind::lmtp;
  Drive drive(std::move(options));
  drive.lmtp_ = lmtp;
  if ((choice & 16) != 0) {
    drive.feed(lmtp ? "LHLO c\r\n" : "EHLO c\r\n");
    drive.feed("MAIL FROM:<a@b.test> SMTPUTF8\r\nRCPT TO:<user@example.test>\r\n");
    if ((choice & 32) != 0) drive.feed("DATA\r\n");
  }
  Ended ended;
  ended.replies = drive.feed_in_pieces(input, [&] { return piece; });
  drive.end_input();
  ended.kept = std::move(drive.kept);
  return ended;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  Ended whole = talk(data[0], input, input.size());
  for (std::size_t piece : {std::size_t{1}, std::size_t{5}}) {
    Ended cut = talk(data[0], input, piece);
    CHECK(cut.replies == whole.replies);
    CHECK(cut.kept.size() == whole.kept.size());
    for (std::size_t i = 0; i < cut.kept.size(); ++i) {
      const std::string& body = cut.kept[i].body;
      CHECK(body == whole.kept[i].body);
      for (std::size_t at = 0; at < body.size(); ++at) {  // what is kept is safe to relay
        CHECK(body[at] != '\0');
        CHECK(body[at] != '\n' || (at > 0 && body[at - 1] == '\r'));
        CHECK(body[at] != '\r' || (at + 1 < body.size() && body[at + 1] == '\n'));
      }
    }
  }
  return 0;
}
