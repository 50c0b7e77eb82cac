// See notice.h. RFC 3461 §5.2: what each final recipient's NOTIFY asks for, by what happened to it.
#include "queue/notice.h"

namespace goniec {
namespace {

std::string host_of(const std::string& site) {
  const std::size_t bracket = site.find('[');
  return bracket == std::string::npos ? site : site.substr(0, bracket);
}

DsnRecipient notice_of(const EntryRecipient& recipient, const Outcome& outcome, DsnAction action,
                       Instant now, Instant until) {
  EntryRecipient told = recipient;
  told.state = outcome.state;
  return DsnRecipient{
      .recipient = std::move(told),
      .action = action,
      .reply = outcome.reply,
      .remote_host = outcome.phase == "local" ? std::string() : host_of(outcome.site),
      .last_attempt = now,
      .will_retry_until = until,
      .hint = outcome.why ? outcome.why->hint : std::string()};
}

bool wants_delay_notice(const Message& message, const EntryRecipient& recipient,
                        const RetryPolicy& policy, Instant now) {
  if (policy.delay_notice == Duration::zero() || recipient.delay_notified) return false;
  if (recipient.recipient.notify.given() && !recipient.recipient.notify.delay) return false;
  return now - message.received_at >= policy.delay_notice;
}

}  // namespace

NoticePlan plan_notices(const Message& message, const Entry& entry,
                        const std::vector<Outcome>& outcomes, const RetryPolicy& policy,
                        Instant now) {
  NoticePlan plan;
  plan.delay_notified.resize(entry.recipients.size());
  for (std::size_t i = 0; i < entry.recipients.size(); ++i)
    plan.delay_notified[i] = entry.recipients[i].delay_notified;
  // RFC 5321 §6.1: never a notification about a notification.
  if (message.sender.address.empty()) return plan;
  for (const Outcome& outcome : outcomes) {
    const EntryRecipient& recipient = entry.recipients.at(outcome.recipient);
    const NotifyOptions& notify = recipient.recipient.notify;
    if (notify.never) continue;
    // No backscatter: a sender nobody verified is told only what it asked for by NOTIFY=SUCCESS,
    // which only a recipient that exists can cause. What was forwarded ends where this house sent
    // it: its sender is told (RFC 5321 §6.1), unless intake found it disproved and asked for NEVER.
    const bool ended_well =
        outcome.state == RecipientState::delivered || outcome.state == RecipientState::relayed;
    const bool may_be_told = message.verified_sender || !entry.sender.empty();
    if (!may_be_told && !ended_well) continue;
    switch (outcome.state) {
      case RecipientState::failed:
      case RecipientState::expired:
        if (notify.wants_failure())
          plan.failed.push_back(
              notice_of(recipient, outcome, DsnAction::failed, now, entry.expires));
        break;
      case RecipientState::delivered:
        // A peer that took our NOTIFY tells the sender itself (RFC 3461 §5.2.1).
        if (notify.success && entry.local)
          plan.success.push_back(
              notice_of(recipient, outcome, DsnAction::delivered, now, entry.expires));
        break;
      case RecipientState::relayed:
        if (notify.success)
          plan.success.push_back(
              notice_of(recipient, outcome, DsnAction::relayed, now, entry.expires));
        break;
      case RecipientState::queued:
        if (wants_delay_notice(message, recipient, policy, now)) {
          plan.delayed.push_back(
              notice_of(recipient, outcome, DsnAction::delayed, now, entry.expires));
          plan.delay_notified[outcome.recipient] = true;
        }
        break;
      case RecipientState::expanded:
        break;
    }
  }
  return plan;
}

NoticePlan plan_expanded(const Message& message, const std::vector<Recipient>& aliases,
                         Instant now) {
  NoticePlan plan;
  if (message.sender.address.empty()) return plan;
  for (const Recipient& alias : aliases) {
    if (!alias.notify.success || alias.notify.never) continue;
    EntryRecipient recipient;
    recipient.recipient = alias;
    plan.success.push_back(DsnRecipient{.recipient = std::move(recipient),
                                        .action = DsnAction::expanded,
                                        .reply = Reply(250, {2, 0, 0}, "expanded to a list"),
                                        .remote_host = {},
                                        .last_attempt = now,
                                        .will_retry_until = {},
                                        .hint = {}});
  }
  return plan;
}

}  // namespace goniec
