// Breadth first, one walk a recipient of the envelope: each name is looked at once in a walk (so
// loops end), each final address is taken once a message (the first way to it decides about
// NOTIFY).
#include "intake/expand.h"

#include <algorithm>
#include <unordered_set>

#include "base/text.h"
#include "mail/xtext.h"

namespace goniec {
namespace {

// RFC 3461 §4.2 and RFC 6533 §3: what the sender wrote, for DSNs about where it went.
std::string original_recipient_of(const Address& address) {
  if (address.needs_smtputf8()) return "utf-8;" + encode_utf8_address(address.text());
  return "rfc822;" + encode_xtext(address.text());
}

// RFC 3461 §5.2.7.3: the list's own notice answers SUCCESS; its members are asked for the rest, and
// for nothing when the rest is nothing.
NotifyOptions without_success(NotifyOptions notify) {
  if (!notify.success) return notify;
  notify.success = false;
  if (!notify.given()) notify.never = true;
  return notify;
}

struct Step {
  Recipient recipient;
  std::size_t depth = 0;
  Domain alias_domain;  // of the last alias on the way
};

// Addresses, each once: most messages have few, and then a walk is the cheapest search.
class AddressSet {
 public:
  bool insert(const Address& address) {  // false: it is there
    if (many_.empty()) {
      if (std::ranges::find(few_, address) != few_.end()) return false;
      few_.push_back(address);
      if (few_.size() == few_most) many_.insert(few_.begin(), few_.end());
      return true;
    }
    return many_.insert(address).second;
  }
  void clear() {
    few_.clear();
    many_.clear();
  }

 private:
  static constexpr std::size_t few_most = 16;
  std::vector<Address> few_;  // all of them, until there are many
  std::unordered_set<Address> many_;
};

class Expander {
 public:
  Expander(const Directory& directory, ExpandLimits limits, const ForwardingDoor& door)
      : directory_(directory), limits_(limits), door_(door) {}

  Result<void> expand(const Recipient& envelope);
  Expansion take() && { return std::move(expansion_); }

 private:
  Resolved resolve(const Address& address);
  void take_final(const Step& step, const Recipient& envelope, const Resolved& resolved);
  void follow_alias(const Step& step, const Resolved& resolved);
  std::unexpected<Error> too_much(const Recipient& envelope, std::string_view what) const;

  const Directory& directory_;
  const ExpandLimits limits_;
  const ForwardingDoor& door_;
  Expansion expansion_;
  AddressSet taken_;           // final addresses of the message
  std::vector<Step> waiting_;  // of this walk, in order
  AddressSet seen_;            // of this walk
  std::size_t results_ = 0;    // of this walk
};

std::unexpected<Error> Expander::too_much(const Recipient& envelope, std::string_view what) const {
  return fail(ErrorKind::bad_data,
              fmt::format("the alias {} {}", printable(envelope.address.text()), what));
}

Resolved Expander::resolve(const Address& address) {
  // <postmaster> has no domain (RFC 5321 §4.5.1).
  if (address.domain().empty()) return directory_.resolve_postmaster();
  Resolved resolved = directory_.resolve(address);
  if (!door_.forwarding) return resolved;
  const auto returned = door_.forwarding->returned(address, resolved, door_.options, door_.now);
  if (!returned || returned->status != SrsStatus::good) return resolved;
  Address sender = returned->sender;
  if (returned->message) {
    const auto known = std::ranges::find(door_.known, address, &KnownReturn::recipient);
    if (known == door_.known.end()) return resolved;
    sender = known->sender;
  }
  expansion_.returns = true;
  return {RecipientKind::alias, address, {std::move(sender)}, "srs"};
}

Result<void> Expander::expand(const Recipient& envelope) {
  waiting_.clear();
  waiting_.push_back(Step{envelope, 0});
  seen_.clear();
  results_ = 0;
  for (std::size_t at = 0; at < waiting_.size(); ++at) {
    const Step step = std::move(waiting_[at]);
    if (!seen_.insert(step.recipient.address)) continue;
    const Resolved resolved = resolve(step.recipient.address);
    if (resolved.kind != RecipientKind::alias) {
      take_final(step, envelope, resolved);
      if (++results_ > limits_.results)
        return too_much(envelope, fmt::format("leads to more than {} addresses", limits_.results));
    } else if (step.depth == limits_.depth) {
      return too_much(envelope,
                      fmt::format("leads over more than {} other aliases", limits_.depth));
    } else {
      follow_alias(step, resolved);
    }
  }
  if (results_ == 0) return too_much(envelope, "leads only to itself");
  return {};
}

void Expander::follow_alias(const Step& step, const Resolved& resolved) {
  const bool is_list = resolved.targets.size() > 1;
  if (is_list) expansion_.expanded.push_back({step.recipient, resolved.targets});
  for (const Address& target : resolved.targets) {
    Step next = step;
    next.recipient.address = target;
    if (is_list) next.recipient.notify = without_success(step.recipient.notify);
    next.alias_domain = resolved.mailbox.domain();
    ++next.depth;
    waiting_.push_back(std::move(next));
  }
}

void Expander::take_final(const Step& step, const Recipient& envelope, const Resolved& resolved) {
  FinalRecipient final{step.recipient, false, resolved.rule, {}};
  switch (resolved.kind) {
    case RecipientKind::mailbox:
      final.recipient.address = resolved.mailbox;
      final.local = true;
      break;
    case RecipientKind::unknown:
      final.local = true;  // local delivery says 5.1.1, and the sender is told
      break;
    case RecipientKind::remote:
      if (step.depth > 0 && door_.forwarding)
        final.forwarded_by = door_.forwarding->domain_for(step.alias_domain);
      break;
    case RecipientKind::relay:
    case RecipientKind::verify:
    case RecipientKind::alias:
      break;
  }
  if (!taken_.insert(final.recipient.address)) return;
  const bool changed = final.recipient.address != envelope.address;
  if (changed && !final.recipient.original_recipient && !envelope.address.domain().empty())
    final.recipient.original_recipient = original_recipient_of(envelope.address);
  expansion_.recipients.push_back(std::move(final));
}

}  // namespace

Domain Expansion::forwarded_by() const {
  const auto found = std::ranges::find_if(
      recipients, [](const FinalRecipient& each) { return !each.forwarded_by.empty(); });
  return found == recipients.end() ? Domain() : found->forwarded_by;
}

Result<Expansion> expand_recipients(const Directory& directory,
                                    const std::vector<Recipient>& recipients, ExpandLimits limits,
                                    const ForwardingDoor& door) {
  Expander expander(directory, limits, door);
  for (const Recipient& recipient : recipients) TRY(expander.expand(recipient));
  return std::move(expander).take();
}

}  // namespace goniec
