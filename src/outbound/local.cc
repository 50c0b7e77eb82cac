// See local.h.
#include "outbound/local.h"

#include "base/text.h"
#include "mail/header.h"
#include "mail/trace.h"

namespace goniec {
namespace {

bool was_delivered_to(std::string_view header, const Address& mailbox) {
  auto scanned = scan_header(header, HeaderLimits{});
  if (!scanned) return false;
  for (const HeaderField& field : scanned->fields)
    if (equal_ignoring_case(field.name, "Delivered-To") && unfold(field.value) == mailbox.text())
      return true;
  return false;
}

struct Plan {
  std::vector<Outcome> outcomes;
  std::vector<MailboxAppend> appends;
};

}  // namespace

LocalDelivery::LocalDelivery(const Directory& directory, ReaderPool& readers, Queue& queue,
                             Loop& loop)
    : directory_(directory), readers_(readers), queue_(queue), loop_(loop) {}

Task<Reply> LocalDelivery::place(const ReadyEntry& ready, const Address& recipient,
                                 std::string_view header) {
  const Resolved resolved = directory_.resolve(recipient);
  if (resolved.kind != RecipientKind::mailbox)
    co_return Reply(550, {5, 1, 1}, "the mailbox does not exist any more");
  const auto user = directory_.user(resolved.mailbox);
  if (!user) co_return Reply(550, {5, 1, 1}, "the mailbox does not exist any more");
  if (was_delivered_to(header, resolved.mailbox))
    co_return Reply(554, {5, 4, 6}, "mail loop: this message has been in this mailbox already");
  if (user->quota_octets > 0) {
    const Address mailbox = resolved.mailbox;
    auto used = co_await readers_.read(
        loop_, [mailbox](Reader& reader) { return reader.mailbox_octets(mailbox); });
    if (!used)
      co_return Reply(451, {4, 3, 0}, "the mailbox cannot be read now: " + used.error().message);
    if (*used + ready.octets > user->quota_octets)
      co_return Reply(452, {4, 2, 2}, "the mailbox is full");
  }
  co_return Reply(250, {2, 1, 5},
                  resolved.mailbox.text());  // the text is the account, for the append
}

Task<void> LocalDelivery::deliver(ReadyEntry ready) {
  const Instant began = loop_.clock().now();
  std::string header;
  bool junk = false;
  if (ready.content) {
    header = ready.content->header;
    junk = is_marked_junk(ready.content->prepend);
  } else if (auto content = co_await queue_.content(loop_, ready.message->id)) {
    header = std::move(content->header);
    junk = is_marked_junk(content->prepend);
  }
  Plan plan;
  for (std::uint32_t i = 0; i < ready.entry.recipients.size(); ++i) {
    const EntryRecipient& recipient = ready.entry.recipients[i];
    if (recipient.state != RecipientState::queued) continue;
    Reply reply = co_await place(ready, recipient.recipient.address, header);
    Outcome outcome;
    outcome.recipient = i;
    outcome.route = "local";
    outcome.site = "mailbox";
    outcome.phase = "local";
    outcome.delay_queue = std::chrono::duration_cast<Duration>(began - ready.message->received_at);
    if (reply.is_positive()) {
      MailboxAppend append;
      append.mailbox = *Address::parse(reply.lines.at(0));
      if (junk) append.folder = "Junk";  // RFC 6154 §2 names it so
      append.at = began;
      append.prepend =
          return_path_field(ready.message->sender.address) + delivered_to_field(append.mailbox);
      plan.appends.push_back(std::move(append));
      outcome.state = RecipientState::delivered;
      outcome.reply =
          Reply(250, {2, 1, 5}, junk ? "delivered to folder Junk" : "delivered to mailbox");
    } else {
      outcome.state = reply.is_permanent() ? RecipientState::failed : RecipientState::queued;
      outcome.reply = std::move(reply);
    }
    outcome.delay_transmit = std::chrono::duration_cast<Duration>(loop_.clock().now() - began);
    plan.outcomes.push_back(std::move(outcome));
  }
  (void)co_await queue_.settle(loop_, std::move(ready), std::move(plan.outcomes),
                               std::move(plan.appends));
}

}  // namespace goniec
