// Any octets as an address that comes back, and as a sender that is forwarded: nothing that was not
// made here is taken, what is made comes back to its sender and stays one when its case is folded,
// and behind a second forwarder it leads back to the first.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/text.h"
#include "trust/srs.h"

using namespace goniec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Srs ours({"the secret of one house"});
  static const Srs other({"the secret of another"});
  static const Domain by = *Domain::parse("ours.test");
  constexpr unsigned valid = 21;
  const Instant now = from_microseconds(1'800'000'000'000'000);
  const auto address = Address::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!address) return 0;
  if (looks_like_srs(address->local())) {
    const SrsReturned back = other.reverse(*address, now, valid);
    if (back.status == SrsStatus::good && !back.message)
      CHECK(Address::parse(back.sender.text()).value() == back.sender);
  }
  const auto made = ours.forward(*address, by, now);
  if (!made) return 0;
  CHECK(made->sender.local().size() <= 64 && made->sender.text().size() <= 254);
  CHECK(Address::parse(made->sender.text()).value() == made->sender);
  CHECK(looks_like_srs(made->sender.local()));
  CHECK(other.reverse(made->sender, now, valid).status == SrsStatus::forged);
  const SrsReturned back = ours.reverse(made->sender, now, valid);
  CHECK(back.status == SrsStatus::good);
  if (made->form == SrsForm::srs0) CHECK(back.sender == *address);
  const Address folded = Address::make(to_lower(made->sender.local()), by);
  CHECK(ours.reverse(folded, now, valid).status == SrsStatus::good);
  // A second forwarder leads back to the first.
  const auto second = other.forward(made->sender, *Domain::parse("other.test"), now);
  if (second && made->form == SrsForm::srs0) {
    CHECK(second->form == SrsForm::srs1);
    CHECK(other.reverse(second->sender, now, valid).sender == made->sender);
  }
  return 0;
}
