// Fuzz target: SASL messages of a peer. SASLprep gives valid UTF-8 and is idempotent; PLAIN and
// both SCRAM roles refuse or go on; no forged message is ever a proof.
// Every octet is the peer's: nothing here may crash, hang or grow with the input.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/text.h"
#include "proto/sasl.h"

using namespace goniec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (auto prepared = saslprep(input)) {
    CHECK(is_utf8(*prepared));
    auto again = saslprep(*prepared);
    CHECK(again && *again == *prepared);
  }
  if (auto plain = parse_plain(input)) {
    CHECK(!plain->user.empty() && !plain->password.empty());
    CHECK(parse_plain(make_plain(*plain)).has_value());
  }
  static const ScramKeys keys = derive_scram_keys("pencil", "salt", 4096);
  ScramServer first("servernonce");
  if (first.client_first(input)) CHECK(!first.client_final(first.server_first(keys)));
  ScramServer server("servernonce");
  CHECK(server.client_first("n,,n=user,r=clientnonce").has_value());
  server.server_first(keys);
  CHECK(!server.client_final(input));
  if (size < 100) {  // deriving keys is dear: short inputs only, and few iterations are refused
    ScramClient client("user", Secret("pencil"), "clientnonce");
    client.client_first();
    if (input.find("i=4096") != std::string_view::npos) (void)client.client_final(input);
    CHECK(!client.check_server_final(input));
  }
  return 0;
}
