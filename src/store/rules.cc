// See rules.h.
#include "store/rules.h"

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"

namespace goniec {
namespace {

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  if (part.empty()) return true;
  return std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char a, char b) { return to_lower(a) == to_lower(b); }) != text.end();
}

bool is_queued(const EntryRecipient& recipient) {
  return recipient.state == RecipientState::queued;
}

void apply(const Outcome& outcome, EntryRecipient& recipient, bool counts_as_try) {
  if (!is_queued(recipient)) return;  // a second outcome of the same thing says nothing new
  recipient.state = outcome.state;
  recipient.reply = outcome.reply.one_line();
  if (!outcome.site.empty()) recipient.site = outcome.site;
  if (counts_as_try) ++recipient.tries;
}

Result<void> check_entries(const SpoolRequest& request) {
  for (std::size_t i = 0; i < request.entries.size(); ++i) {
    const Entry& entry = request.entries[i];
    if (entry.id.message != request.message.id) {
      return fail(ErrorKind::bad_data, "an entry of another message was to be spooled");
    }
    if (entry.state != EntryState::due && entry.state != EntryState::held) {
      return fail(ErrorKind::bad_data, "a new entry is due or held");
    }
    if (entry.recipients.empty()) {
      return fail(ErrorKind::bad_data, "an entry without recipients was to be spooled");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (request.entries[j].id.number == entry.id.number) {
        return fail(ErrorKind::bad_data, "two entries of one message have the same number");
      }
    }
  }
  return {};
}

}  // namespace

std::uint64_t body_octets(const SpoolRequest& request) {
  std::uint64_t octets = 0;
  for (const auto& chunk : request.chunks) octets += chunk.size();
  return octets;
}

Result<void> check_spool(const SpoolRequest& request, const StoreLimits& limits,
                         std::uint32_t chunks_before) {
  if (!request.message.id) return fail(ErrorKind::bad_data, "a message without id");
  if (request.message.id.value >> 63) return fail(ErrorKind::bad_data, "a message id above 63 bit");
  if (request.entries.empty() && request.keep_until == Instant{}) {
    return fail(ErrorKind::bad_data, "a message that nothing would hold");
  }
  if (auto entries = check_entries(request); !entries) return entries;
  for (const auto& chunk : request.chunks) {
    if (chunk.size() > limits.chunk_octets)
      return fail(ErrorKind::bad_data, "a chunk is too large");
  }
  const Content& content = request.message.content;
  if (content.body_chunks != chunks_before + request.chunks.size()) {
    return fail(ErrorKind::bad_data,
                fmt::format("message {} has {} chunks of {}", request.message.id.text(),
                            chunks_before + request.chunks.size(), content.body_chunks));
  }
  if (chunks_before == 0 && content.body_octets != body_octets(request)) {
    return fail(ErrorKind::bad_data,
                fmt::format("message {} has {} octets of body, not {}", request.message.id.text(),
                            body_octets(request), content.body_octets));
  }
  return {};
}

Result<void> check_chunk(const ChunkWrite& chunk, const StoreLimits& limits) {
  if (!chunk.message || chunk.message.value >> 63) {
    return fail(ErrorKind::bad_data, "a chunk without a message id");
  }
  if (chunk.octets.size() > limits.chunk_octets) {
    return fail(ErrorKind::bad_data, "a chunk is too large");
  }
  return {};
}

Result<void> check_outcomes(const Entry& entry, const std::vector<Outcome>& outcomes,
                            std::size_t delay_notified) {
  for (const auto& outcome : outcomes) {
    if (outcome.recipient >= entry.recipients.size()) {
      return fail(ErrorKind::bad_data, "an outcome for a recipient that the entry does not have");
    }
  }
  if (delay_notified != 0 && delay_notified != entry.recipients.size()) {
    return fail(ErrorKind::bad_data, "delay_notified has another length than the recipients");
  }
  return {};
}

Error stale_lease(const EntryId& id) {
  return {ErrorKind::conflict,
          fmt::format("the lease of message {} entry {} is stale: nothing changed",
                      id.message.text(), id.number)};
}

Error unknown_entry(const EntryId& id) {
  return {ErrorKind::not_found,
          fmt::format("message {} has no entry {} in the queue", id.message.text(), id.number)};
}

Error unknown_message(MessageId id) {
  return {ErrorKind::not_found, fmt::format("no content of message {} in the store", id.text())};
}

StoredMessage stored_message(const SpoolRequest& request, std::uint32_t chunks_before) {
  StoredMessage stored;
  const Content& content = request.message.content;
  Message& message = stored.message;  // all but header and prepend
  const Message& given = request.message;
  message.id = given.id;
  message.parent = given.parent;
  message.source = given.source;
  message.sender = given.sender;
  message.received_at = given.received_at;
  message.message_id = given.message_id;
  message.submitter = given.submitter;
  message.stream = given.stream;
  message.priority = given.priority;
  message.not_before = given.not_before;
  message.requires_8bit = given.requires_8bit;
  message.tls_policies_off = given.tls_policies_off;
  message.verified_sender = given.verified_sender;
  message.content.body_octets = content.body_octets;
  message.content.body_chunks = content.body_chunks;
  message.content.crc32c = content.crc32c;
  stored.keep_until = request.keep_until;
  stored.octets = content.size();
  stored.entries = static_cast<std::uint32_t>(request.entries.size());
  stored.row_crc = crc32c(content.header, crc32c(content.prepend));
  if (chunks_before == 0 && request.chunks.size() == 1) {
    stored.inline_octets = static_cast<std::uint32_t>(request.chunks[0].size());
    stored.row_crc = crc32c(request.chunks[0], stored.row_crc);
  }
  return stored;
}

Entry after_settle(Entry entry, const SettleRequest& request) {
  for (const auto& outcome : request.outcomes) {
    apply(outcome, entry.recipients[outcome.recipient], request.counts_as_try);
  }
  for (std::size_t i = 0; i < request.delay_notified.size(); ++i) {
    if (request.delay_notified[i]) entry.recipients[i].delay_notified = true;
  }
  if (request.counts_as_try) ++entry.tries;
  const bool queued = std::any_of(entry.recipients.begin(), entry.recipients.end(), is_queued);
  entry.state = queued ? EntryState::due : EntryState::settled;
  if (queued) entry.due = request.next_due;
  return entry;
}

Result<Changed> after_change(Entry entry, const QueueChange& change, bool leased) {
  if (leased && change.action != QueueAction::retry) {
    return fail(ErrorKind::conflict, fmt::format("message {} is being delivered: try again later",
                                                 entry.id.message.text()));
  }
  Changed changed{std::move(entry), ChangeEffect::update};
  Entry& now = changed.entry;
  switch (change.action) {
    case QueueAction::retry:
      if (leased) {
        changed.effect = ChangeEffect::nothing;
      } else {
        // Put off to a later time, an untried entry keeps its whole life behind that.
        if (now.tries == 0 && change.now > now.due) now.expires += change.now - now.due;
        now.due = change.now;
      }
      break;
    case QueueAction::hold:
      if (now.state == EntryState::held) changed.effect = ChangeEffect::nothing;
      now.state = EntryState::held;
      break;
    case QueueAction::release:
      if (now.state != EntryState::held) changed.effect = ChangeEffect::nothing;
      now.state = EntryState::due;
      break;
    case QueueAction::expire:
      for (const auto& outcome : change.outcomes) {
        apply(outcome, now.recipients[outcome.recipient], false);
      }
      for (auto& recipient : now.recipients) {
        if (is_queued(recipient)) recipient.state = RecipientState::expired;
      }
      now.state = EntryState::settled;
      changed.effect = ChangeEffect::remove;
      break;
    case QueueAction::remove:
      now.state = EntryState::settled;
      changed.effect = ChangeEffect::remove;
      break;
  }
  return changed;
}

bool is_due(const StoredEntry& entry, Instant now) {
  return entry.entry.state == EntryState::due &&
         entry.entry.due <= std::max(now, entry.received_at);
}

void StatsCounter::add(const EntryId& id, const EntrySummary& entry, bool leased) {
  if (leased) {
    ++stats_.leased;
  } else if (entry.state == EntryState::held) {
    ++stats_.held;
  } else {
    ++stats_.due;
    if (entry.tries > 0) ++stats_.deferred;
  }
  if (id.message != last_) {
    ++stats_.messages;
    stats_.octets += entry.octets;
    last_ = id.message;
  }
  if (!stats_.oldest || entry.received_at < *stats_.oldest) stats_.oldest = entry.received_at;
  auto found = sites_.find(entry.domain);
  if (found == sites_.end()) {
    QueueStats::Site site;
    if (auto domain = Domain::parse(entry.domain)) site.domain = std::move(*domain);
    found = sites_.emplace(std::string(entry.domain), std::move(site)).first;
  }
  auto& site = found->second;
  ++site.entries;
  if (!site.oldest || entry.received_at < *site.oldest) site.oldest = entry.received_at;
}

QueueStats StatsCounter::take() && {
  for (auto& [name, site] : sites_) stats_.top.push_back(std::move(site));
  std::ranges::sort(stats_.top, [](const auto& a, const auto& b) {
    return a.entries != b.entries ? a.entries > b.entries : a.domain < b.domain;
  });
  if (stats_.top.size() > 20) stats_.top.resize(20);
  return std::move(stats_);
}

bool matches(const QueueFilter& filter, const Message& message, const Entry& entry) {
  if (filter.state && entry.state != *filter.state) return false;
  if (!filter.domain.empty() && !equal_ignoring_case(entry.domain.ascii(), filter.domain)) {
    return false;
  }
  if (filter.older_than && message.received_at >= *filter.older_than) return false;
  if (!filter.stream.empty() && message.stream != filter.stream) return false;
  if (!contains_ignoring_case(message.sender.address.text(), filter.from)) return false;
  if (filter.to.empty()) return true;
  return std::any_of(entry.recipients.begin(), entry.recipients.end(), [&](const auto& recipient) {
    return contains_ignoring_case(recipient.recipient.address.text(), filter.to);
  });
}

}  // namespace goniec
