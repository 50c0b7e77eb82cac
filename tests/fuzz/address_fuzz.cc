// Any octets as an address, a path, a domain, a HELO name and an address list. What parses is
// printed and parses again to the same; what is printed holds no control and no line end.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/text.h"
#include "mail/address.h"

using namespace goniec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (auto utf8 : {Utf8Policy::refuse, Utf8Policy::allow}) {
    if (const auto domain = Domain::parse(text, utf8)) {
      CHECK(Domain::parse(domain->ascii(), Utf8Policy::refuse).value() == *domain);
      CHECK(Domain::parse(domain->unicode()).value() == *domain);
    }
    if (const auto address = Address::parse(text, utf8)) {
      CHECK(Address::parse(address->text(), utf8).value() == *address);
      CHECK(address->unicode().find_first_of("\r\n") == std::string::npos);
      CHECK(address->text().size() <= 254);
      CHECK(parse_forward_path("<" + address->text() + ">", utf8).value().address == *address);
    }
    for (auto* parse : {parse_reverse_path, parse_forward_path}) {
      const auto path = parse(text, utf8);
      if (!path) continue;
      CHECK(text.ends_with(path->rest) && text[text.size() - path->rest.size() - 1] == '>');
      if (path->address.empty()) continue;
      CHECK(Address::parse(path->address.text(), utf8).value() == path->address);
    }
  }
  if (is_valid_helo(text)) CHECK(is_ascii(text));
  for (const auto& mailbox : parse_header_mailboxes(text).mailboxes) {
    CHECK(Address::parse(mailbox.address.text()).value() == mailbox.address);
    CHECK(mailbox.display_name.find_first_of("\r\n") == std::string::npos);
  }
  return 0;
}
