// Fuzz target: the PROXY parser. Cuts change nothing, nothing beyond the header is consumed, and a
// header that is taken names both ends or none.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "proto/proxy.h"

using goniec::ProxyParser;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  ProxyParser whole;
  auto expected = whole.receive(input);
  CHECK(expected.consumed <= size);
  ProxyParser cut;
  std::size_t consumed = 0;
  auto state = ProxyParser::State::more;
  for (std::size_t i = 0; i < size && state == ProxyParser::State::more; ++i) {
    auto progress = cut.receive(input.substr(i, 1));
    state = progress.state;
    consumed += progress.consumed;
  }
  CHECK(size == 0 || state == expected.state);
  if (state == ProxyParser::State::done) {
    CHECK(consumed == expected.consumed);
    CHECK(cut.header().source == whole.header().source);
    CHECK(cut.header().source.has_value() == cut.header().destination.has_value());
  }
  return 0;
}
