// See search_fold.h.
#include "store/search_fold.h"

#include <algorithm>

namespace goniec {
namespace {

using enum MailStatus;

bool is_open(MailStatus status) {
  return status == queued || status == scheduled || status == deferred || status == held;
}

std::optional<MailStatus> status_after(EventKind kind) {
  switch (kind) {
    case EventKind::delivered:
    case EventKind::relayed:
      return delivered;
    case EventKind::deferred:
      return deferred;
    case EventKind::failed:
      return bounced;
    case EventKind::expired:
      return expired;
    case EventKind::held:
      return held;
    case EventKind::released:
    case EventKind::retried:
      return queued;
    case EventKind::deleted:
    case EventKind::canceled:
      return canceled;
    case EventKind::suppressed:
      return suppressed;
    case EventKind::rescheduled:
      return scheduled;
    case EventKind::complained:
      return complained;
    case EventKind::received:
    case EventKind::expanded:
    case EventKind::delay_notice:
    case EventKind::dsn_sent:
    case EventKind::opened:
    case EventKind::clicked:
    case EventKind::unsubscribed:
    case EventKind::suppression_added:
    case EventKind::suppression_removed:
    case EventKind::object_changed:
    case EventKind::webhook_disabled:
      return std::nullopt;
  }
  CHECK(false);
}

void count(FoldedMessage& message, MailStatus status, int by) {
  auto& states = message.states[static_cast<std::size_t>(status)];
  states = static_cast<std::uint32_t>(std::max<std::int64_t>(0, std::int64_t{states} + by));
}

void add(FoldedMessage& message, const std::string& address, MailStatus status, Instant at) {
  const auto [each, is_first] = message.recipients.try_emplace(address);
  if (!is_first && !each->second.gone) return;
  each->second.status = status;
  each->second.at = at;
  each->second.changed = true;
  each->second.gone = false;
  count(message, status, 1);
  ++message.recipient_count;
}

void set(FoldedMessage& message, FoldedRecipient& recipient, const SearchChange& change,
         MailStatus status) {
  if (recipient.gone) return;
  count(message, recipient.status, -1);
  count(message, status, 1);
  recipient.status = status;
  recipient.at = change.at;
  recipient.changed = true;
  if (change.tries > 0) recipient.tries = change.tries;
  if (!change.provider.empty()) recipient.provider = change.provider;
  if (!change.reply.empty()) recipient.reply = change.reply;
  if (!change.site.empty()) recipient.site = change.site;
  recipient.klass = change.klass;
  recipient.next_at = change.next_at;
}

bool is_of_domain(std::string_view address, std::string_view domain) {
  const auto at = address.rfind('@');
  return domain.empty() || (at != std::string_view::npos && address.substr(at + 1) == domain);
}

void receive(FoldedMessage& message, const SearchChange& change) {
  message.is_new = true;
  message.all_at_hand = true;
  message.words_changed = true;
  message.at = change.at;
  message.facts = *change.received;
  const auto first = message.facts.send_at > change.at ? scheduled : queued;
  message.status = first;
  for (const auto& address : message.facts.recipients) add(message, address, first, change.at);
}

void expand(FoldedMessage& message, const SearchChange& change) {
  const auto found = message.recipients.find(change.recipient);
  if (found != message.recipients.end() && !found->second.gone) {
    count(message, found->second.status, -1);
    found->second.gone = true;
    found->second.changed = true;
    if (message.recipient_count > 0) --message.recipient_count;
  }
  for (const auto& target : change.targets) {
    add(message, target, queued, change.at);
    message.facts.recipients.push_back(target);
  }
  message.words_changed = true;
}

void set_all(FoldedMessage& message, const SearchChange& change, MailStatus status) {
  for (auto& [address, recipient] : message.recipients) {
    if (is_open(recipient.status) && is_of_domain(address, change.domain))
      set(message, recipient, change, status);
  }
}

void set_status(FoldedMessage& message, const SearchChange& change, MailStatus status) {
  if (concerns_all(change)) return set_all(message, change, status);
  if (!message.recipients.contains(change.recipient))
    add(message, change.recipient, queued, change.at);
  set(message, message.recipients.at(change.recipient), change, status);
  auto& known = message.new_providers;
  if (!change.provider.empty() && std::ranges::find(known, change.provider) == known.end())
    known.push_back(change.provider);
  if (!change.provider.empty()) message.provider = change.provider;
  if (!change.reply.empty()) message.reply = change.reply;
  if (!change.klass.empty()) message.klass = change.klass;
}

void judge(FoldedMessage& message) {
  std::optional<MailStatus> worst;
  for (std::size_t at = 0; at < mail_statuses; ++at) {
    const auto status = static_cast<MailStatus>(at);
    if (message.states[at] > 0 && (!worst || severity(status) > severity(*worst))) worst = status;
  }
  if (worst) message.status = *worst;
}

}  // namespace

bool concerns_all(const SearchChange& change) {
  return change.recipient.empty() && status_after(change.kind).has_value();
}

void fold(FoldedMessage& message, const SearchChange& change) {
  message.changed = true;
  message.last_at = std::max(message.last_at, change.at);
  switch (change.kind) {
    case EventKind::received:
      if (change.received) receive(message, change);
      break;
    case EventKind::expanded:
      expand(message, change);
      break;
    case EventKind::opened:
      if (!change.machine) ++message.opens;
      break;
    case EventKind::clicked:
      if (!change.machine) ++message.clicks;
      break;
    case EventKind::rescheduled:
      message.facts.send_at = change.send_at;
      set_status(message, change, scheduled);
      break;
    default:
      if (const auto status = status_after(change.kind)) set_status(message, change, *status);
      break;
  }
  judge(message);
  if (message.status == delivered) message.klass.clear();
}

void recount(FoldedMessage& message) {
  message.states = {};
  message.recipient_count = 0;
  for (const auto& [address, recipient] : message.recipients) {
    if (recipient.gone) continue;
    count(message, recipient.status, 1);
    ++message.recipient_count;
  }
  judge(message);
}

SearchRow row_of(MessageId id, FoldedMessage&& message, const SearchLimits& limits) {
  SearchRow row;
  SearchMessage& facts = message.facts;
  row.id = id;
  row.at = message.at;
  row.status = message.status;
  row.from = std::move(facts.from);
  row.subject = std::move(facts.subject);
  row.message_id = std::move(facts.message_id);
  row.source = std::move(facts.source);
  row.stream = std::move(facts.stream);
  row.pool = std::move(facts.pool);
  row.key = std::move(facts.key);
  row.tags = std::move(facts.tags);
  row.metadata = std::move(facts.metadata);
  row.to = std::move(facts.recipients);
  if (row.to.size() > limits.shown_recipients) row.to.resize(limits.shown_recipients);
  row.recipients = message.recipient_count;
  row.octets = facts.octets;
  row.attachments = facts.attachments;
  row.sandbox = facts.sandbox;
  row.send_at = facts.send_at;
  row.last_at = message.last_at;
  row.provider = std::move(message.provider);
  row.reply = std::move(message.reply);
  row.klass = std::move(message.klass);
  row.opens = message.opens;
  row.clicks = message.clicks;
  return row;
}

}  // namespace goniec
