// See admission.h. An IPv6 caller counts by its /64: one customer has them all.
#include "inbound/admission.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t charge_step = 16 * 1024;  // a small message is charged once

std::string key_of(const IpAddress& address) {
  const std::size_t octets = address.v6 ? 8 : 4;
  return std::string(reinterpret_cast<const char*>(address.octets.data()), octets) +
         (address.v6 ? "6" : "4");
}

// Three quarters of what the process may open: the rest is for delivery, the store and the
// operator.
std::size_t descriptor_share() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 1u << 20;
  return static_cast<std::size_t>(limit.rlim_cur / 4 * 3);
}

}  // namespace

AdmissionLimits limits_for(std::uint64_t memory_octets) {
  AdmissionLimits limits;
  limits.memory_octets = memory_octets / 4 * 3;
  limits.waiting_octets = std::min<std::uint64_t>(limits.waiting_octets, memory_octets / 2);
  limits.drafts_octets = std::min<std::uint64_t>(limits.drafts_octets, memory_octets / 4);
  return limits;
}

Admission::Admission(AdmissionLimits limits, Metrics& metrics,
                     std::function<std::uint64_t()> resident, std::function<void()> relieve)
    : limits_(limits),
      resident_(std::move(resident)),
      relieve_(std::move(relieve)),
      open_(
          metrics.gauge("goniec_connections_open", "Connections open now", {{"direction", "in"}})) {
  set_limits(limits);
}

void Admission::set_limits(AdmissionLimits limits) {
  std::lock_guard lock(mutex_);
  limits_ = limits;
  limits_.connections = std::min(limits_.connections, descriptor_share());
  drafts_octets_ = limits_.drafts_octets;
}

bool Admission::memory_is_short() {
  constexpr std::uint32_t between_looks = 16;  // asking costs microseconds
  constexpr std::uint32_t between_reliefs = 16;
  if (until_memory_check_ == 0) {
    const auto is_short = [this] {
      return limits_.memory_octets > 0 && resident_() > limits_.memory_octets;
    };
    memory_short_ = is_short();
    if (memory_short_ && short_looks_++ % between_reliefs == 0) {
      relieve_();  // freed memory that the allocator kept must not keep the door shut
      memory_short_ = is_short();
    }
    if (!memory_short_) short_looks_ = 0;
    until_memory_check_ = between_looks;
  }
  --until_memory_check_;
  return memory_short_;
}

Admission::Answer Admission::admit(const IpAddress& address, bool store_sealed) {
  Answer answer;
  std::lock_guard lock(mutex_);
  if (store_sealed) {
    answer.refusal = Reply(421, {4, 3, 0}, "the mail store is out of order, try again later");
    answer.rule = "pressure.store";
  } else if (connections_ >= limits_.connections || memory_is_short()) {
    answer.refusal = Reply(421, {4, 3, 2}, "too busy now, try again later");
    answer.rule = "pressure.resources";
  } else if ((waiting_ + 1) * limits_.session_octets > limits_.waiting_octets) {
    answer.refusal = Reply(421, {4, 3, 2}, "too many sessions before login, try again later");
    answer.rule = "pressure.waiting";
  } else if (std::size_t& open = by_address_[key_of(address)];
             // No address: a proxy, whose clients are counted elsewhere.
             address != IpAddress() && open >= limits_.connections_per_address) {
    answer.refusal = Reply(421, {4, 7, 0},
                           fmt::format("too many connections from {}: at most {} at a time",
                                       address.text(), limits_.connections_per_address));
    answer.rule = "limit.connections_per_address";
  } else {
    ++open;
    ++connections_;
    ++waiting_;
    open_.add(1);
    answer.ticket.owner_ = this;
    answer.ticket.address_ = address;
    answer.ticket.waiting_ = true;
  }
  return answer;
}

Admission::Charge Admission::take_draft(std::size_t expected) {
  Charge charge;
  std::lock_guard lock(mutex_);
  const std::size_t others = charged_.load(), for_new = limits_.drafts_octets / 4 * 3;
  const std::size_t wanted = limits_.draft_octets + (others > 0 ? expected : 0);
  if (others + wanted > for_new || memory_is_short()) return charge;
  ++drafts_;
  charged_ += limits_.draft_octets;
  charge.owner_ = this;
  charge.octets_ = charge.least_ = limits_.draft_octets;
  return charge;
}

bool Admission::grow(std::size_t octets) {
  if (charged_.fetch_add(octets) + octets <= drafts_octets_) return true;
  charged_ -= octets;
  return false;
}

bool Admission::Charge::cover(std::size_t octets) {
  CHECK(owner_);
  const std::size_t wanted = least_ + (octets + charge_step - 1) / charge_step * charge_step;
  if (wanted > octets_ && !owner_->grow(wanted - octets_)) return false;
  if (wanted < octets_) owner_->charged_ -= octets_ - wanted;
  octets_ = wanted;
  return true;
}

Admission::Charge::Charge(Charge&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), octets_(other.octets_), least_(other.least_) {}

Admission::Charge& Admission::Charge::operator=(Charge&& other) noexcept {
  if (this != &other) {
    release();
    owner_ = std::exchange(other.owner_, nullptr);
    octets_ = other.octets_;
    least_ = other.least_;
  }
  return *this;
}

Admission::Charge::~Charge() {
  release();
}

void Admission::Charge::release() {
  Admission* owner = std::exchange(owner_, nullptr);
  if (!owner) return;
  owner->charged_ -= octets_;
  --owner->drafts_;
}

Admission::Ticket::Ticket(Ticket&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)),
      address_(other.address_),
      waiting_(other.waiting_) {}

Admission::Ticket& Admission::Ticket::operator=(Ticket&& other) noexcept {
  if (this != &other) {
    release();
    owner_ = std::exchange(other.owner_, nullptr);
    address_ = other.address_;
    waiting_ = other.waiting_;
  }
  return *this;
}

Admission::Ticket::~Ticket() {
  release();
}

void Admission::Ticket::logged_in() {
  if (owner_ && std::exchange(waiting_, false)) --owner_->waiting_;
}

void Admission::Ticket::release() {
  Admission* owner = std::exchange(owner_, nullptr);
  if (!owner) return;
  std::lock_guard lock(owner->mutex_);
  if (waiting_) --owner->waiting_;
  --owner->connections_;
  owner->open_.add(-1);
  auto found = owner->by_address_.find(key_of(address_));
  CHECK(found != owner->by_address_.end());
  if (--found->second == 0) owner->by_address_.erase(found);
}

}  // namespace goniec
