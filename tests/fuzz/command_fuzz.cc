// Fuzz target: the command grammar. Whatever a line holds, it is parsed or refused with a 5xx, and
// what was taken obeys its own limits.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "proto/smtp/command.h"
#include "proto/smtp/extensions.h"

using namespace goniec;
using namespace goniec::smtp;

namespace {
void check_refusal(const Reply& reply) {
  CHECK(reply.is_permanent());
  for (char c : reply.wire()) CHECK(c == '\r' || c == '\n' || (c >= ' ' && c < 127));
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view line(reinterpret_cast<const char*>(data), size);
  ParameterRules rules{.extended = true, .login = true, .message_octets = 1 << 20};
  if (auto command = parse_command_line(line); !command) check_refusal(command.error());
  if (auto parameters = parse_parameters(line, true); !parameters) {
    check_refusal(parameters.error());
  }
  if (auto chunk = parse_chunk_arguments(line); !chunk) check_refusal(chunk.error());
  if (auto decoded = decode_xtext(line)) {
    for (char c : *decoded) CHECK(c >= ' ' && c < 127);
  }
  if (auto sender = parse_mail(line, rules); !sender) {
    check_refusal(sender.error());
  } else {
    CHECK(sender->declared_size.value_or(0) <= rules.message_octets);
    CHECK(sender->envelope_id.value_or("").size() <= 100);
  }
  for (bool utf8 : {false, true}) {
    auto recipient = parse_rcpt(line, rules, utf8);
    if (!recipient) {
      check_refusal(recipient.error());
    } else {
      CHECK(recipient->postmaster || !recipient->recipient.address.empty());
      CHECK(recipient->recipient.original_recipient.value_or("").size() <= 500);
    }
  }
  return 0;
}
