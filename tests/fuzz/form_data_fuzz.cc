// Any octets as a form, its type in the first line: what is taken has no more fields than allowed,
// and together no more octets than were given.
// Then as a message of Mailgun.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/form_data.h"
#include "api/mailgun.h"
#include "base/result.h"

using namespace goniec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto cut = all.find('\n');
  const auto body = cut == std::string_view::npos ? std::string_view() : all.substr(cut + 1);
  const FormLimits limits{.fields = 20, .header_octets = 300, .boundary_octets = 40};
  auto fields = parse_form(all.substr(0, cut), body, limits);
  if (!fields) return 0;
  CHECK(fields->size() <= limits.fields);
  std::size_t octets = 0;
  for (const auto& each : *fields) octets += each.value.size();
  CHECK(octets <= body.size());
  static const Domain domain = *Domain::parse("example.pl");
  for (const auto content : {MailgunContent::parts, MailgunContent::mime}) {
    const auto request = mailgun_request_of(*fields, domain, content);
    if (request) CHECK(!request->emails.empty());
  }
  return 0;
}
