// Webhooks in the node: the objects, the log of deliveries, and the duty that tells them
// (node_parts.h); mail of the house to its administrator; what the dashboard names as this server's
// addresses.
#include <algorithm>

#include "app/node_parts.h"
#include "base/json.h"
#include "base/text.h"
#include "mail/compose.h"
#include "store/last_event.h"

namespace goniec {
namespace {

constexpr std::string_view hook_log_name = "hooks.db";

}  // namespace

Result<void> Node::State::make_hooks() {
  const auto reader = TRY(store->reader());
  TRY(webhooks.open(*committer, *reader));
  const std::uint64_t last_event = TRY(last_event_sequence(*reader));
  hook_log = TRY(open_hook_log(fmt::format("{}/{}", storage_path, hook_log_name), log, clock.now(),
                               last_event));
  HooksOptions options;
  options.settings = [this] {
    HooksSettings now;
    now.owner = directory->admin();
    std::lock_guard lock(mutex);
    now.private_targets = settings().webhooks.private_targets;
    now.keep = settings().retention.events;
    return now;
  };
  hooks = std::make_unique<Hooks>(*shards.front()->world, *readers, webhooks, *hook_log,
                                  std::move(options), metrics, log);
  hooks->set_mail([this](Address to, std::string subject, std::string text) {
    return mail_to_owner(std::move(to), std::move(subject), std::move(text));
  });
  return {};
}

// A note of the house to who runs it: through intake like any other mail, and no notice about it.
Task<void> Node::State::mail_to_owner(Address to, std::string subject, std::string text) {
  DraftFacts facts;
  facts.source = Source::report;
  facts.transaction.sender.address = Address();
  Recipient recipient;
  recipient.address = to;
  recipient.notify.never = true;
  facts.transaction.recipients.push_back(std::move(recipient));
  const MimePiece piece = text_piece(text);
  std::string header = text_field("From", fmt::format("Goniec <{}>", to.text())) +
                       text_field("To", to.text()) + text_field("Subject", subject) +
                       header_field("Date", to_rfc5322(clock.now())) +
                       header_field("Auto-Submitted", "auto-generated");
  for (const auto& [name, value] : piece.fields) header += header_field(name, value);
  Draft draft(*queue, *directory, intake, shards.front()->loop, std::move(facts));
  header += header_field("Message-ID", fmt::format("<{}@{}>", draft.id().text(), intake.hostname));
  co_await draft.write(header + "\r\n" + encode_transfer(piece.encoding, piece.body));
  const Reply reply = co_await draft.commit();
  if (!reply.is_positive())
    say(LogLevel::warning, "mail.owner",
        fmt::format("warning: a mail to the administrator was not taken: {}", reply.one_line()));
}

Task<HookAttempt> Node::State::test_hook(std::shared_ptr<const Webhook> webhook) {
  HookOutcome outcome = co_await hooks->test(std::move(webhook));
  co_return std::move(outcome.attempt);
}

std::string Node::State::web_url() const {
  std::lock_guard lock(mutex);
  return settings().web.url;
}

// The first of each kind, as bound.
std::string Node::State::smtp_ports_json() const {
  JsonWriter json;
  json.object();
  for (const auto kind : {ListenerKind::submission, ListenerKind::submissions, ListenerKind::mx}) {
    const auto found = std::ranges::find_if(
        bound, [kind](const BoundListener& listener) { return listener.option.kind == kind; });
    json.key(name_of(kind));
    if (found == bound.end())
      json.null();
    else
      json.number(found->address.port);
  }
  json.end();
  return std::move(json).take();
}

}  // namespace goniec
