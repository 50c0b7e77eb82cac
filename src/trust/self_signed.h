// A certificate that nobody vouches for but its own key: for a server on a machine of one's own, to
// try things with. P-256 and SHA-256, names as given, valid from a day ago. Never for the world: no
// client that looks believes it. Real randomness; OpenSSL's types stay in the .cc.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace goniec {

struct SelfSigned {
  std::string certificate, key;  // PEM
};
// `names`: DNS names or IP addresses; the first is the subject. REQUIRES one.
Result<SelfSigned> make_self_signed(const std::vector<std::string>& names, unsigned days);

}  // namespace goniec
