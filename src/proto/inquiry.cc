// See inquiry.h. Names are compared without case and without a last dot (RFC 1035 §2.3.3).
#include "proto/inquiry.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace goniec {

const DnsAnswer* Findings::find(std::string_view name, DnsType type) {
  if (name.ends_with('.')) name.remove_suffix(1);
  DnsQuestion question{to_lower(name), type};
  if (auto found = known_.find(question); found != known_.end()) return &found->second;
  if (known_.size() + missing_.size() >= limit_) {
    DnsAnswer refused;
    refused.why = "too many DNS questions for one message";
    return &known_.emplace(std::move(question), std::move(refused)).first->second;
  }
  if (std::ranges::find(missing_, question) == missing_.end())
    missing_.push_back(std::move(question));
  return nullptr;
}

void Findings::learn(const DnsQuestion& question, DnsAnswer answer) {
  known_.insert_or_assign(question, std::move(answer));
}

bool Findings::heard_anything() const {
  return std::ranges::any_of(
      known_, [](const auto& each) { return each.second.status != DnsStatus::temporary; });
}

std::vector<DnsQuestion> Findings::take_missing() {
  return std::exchange(missing_, {});
}

}  // namespace goniec
