// What a stream means for a message (draft.h, docs/streams.md): which it is of, the way to
// unsubscribe of bulk mail, tracking, who is left out and who hears of it, the sandbox. What it
// refuses names the fix.
#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "intake/draft_state.h"
#include "mail/returned_mail.h"

namespace goniec {
namespace {

constexpr std::size_t named_streams = 20;  // in a refusal

Event suppressed_event(const LeftOut& left, std::string_view stream, MessageId id, Instant now) {
  Event event;
  event.kind = EventKind::suppressed;
  event.message = id;
  event.at = now;
  event.recipient = left.recipient.address.text();
  JsonWriter w;
  w.object().key("stream").text(stream).key("reason").text(name_of(left.why.reason));
  w.key("scope").text(left.why.stream).key("origin").text(left.why.origin);
  w.key("since").text(to_rfc3339(left.why.created));
  if (!left.why.evidence.empty()) w.key("evidence").text(left.why.evidence);
  if (!left.why.note.empty()) w.key("note").text(left.why.note);
  w.end();
  event.data = std::move(w).take();
  return event;
}

// What the sender of a person's mail is told: programs read the events.
DsnRecipient suppressed_notice(const LeftOut& left) {
  DsnRecipient told;
  told.recipient.recipient = left.recipient;
  told.action = DsnAction::failed;
  told.reply = Reply(550, {5, 7, 1},
                     fmt::format("not sent: this address is suppressed ({}) since {}",
                                 name_of(left.why.reason), to_rfc3339(left.why.created)));
  return told;
}

}  // namespace

// The first link of all needs a secret to be signed with.
Task<void> Draft::State::close_header(std::size_t end) {
  Links* links = options.streams.links;
  if (links && is_submission(facts.source) && links->needs_secret())
    (void)co_await links->make_secret(loop);
  end_header(end);
}

// Which stream it is of, and what that means for its header and body.
void Draft::State::settle_stream(std::string& header) {
  const StreamDoors& doors = options.streams;
  if (facts.source == Source::smtp) {
    const std::string kind = report_type_of(header);
    if (kind == "delivery-status" || kind == "feedback-report")
      add_stage("check", "report." + kind, {}, {});
  }
  if (!doors.streams || !is_submission(facts.source)) return;
  const auto of = doors.streams->find(facts.options.stream);
  if (!of || of->archived) {
    std::string known;
    for (const MailStream& each : doors.streams->all())
      if (!each.archived && known.size() < named_streams * 20) known += " " + each.id;
    return refuse(Reply(550, {5, 7, 1},
                        fmt::format("there is no stream \"{}\" to send by; there are:{}",
                                    printable(facts.options.stream, 80), known)),
                  "stream.unknown");
  }
  facts.options.stream = of->id;
  message.stream = of->id;
  stream = of->kind;
  const bool is_bulk = of->kind == StreamKind::bulk;
  message.priority = static_cast<std::uint8_t>(
      priority.value_or(is_bulk ? MailPriority::bulk : MailPriority::normal));
  if (is_bulk) add_unsubscribe(header);
  if (!refusal) plan_tracking(*of, header);
}

void Draft::State::add_unsubscribe(std::string& header) {
  const StreamDoors& doors = options.streams;
  const auto scanned = scan_header(header, HeaderLimits{});
  if (!scanned || has_unsubscribe(*scanned) || !doors.links) return;
  const auto& recipients = facts.transaction.recipients;
  if (recipients.size() != 1)
    return refuse(
        Reply(550, {5, 5, 3},
              fmt::format("bulk mail goes to one recipient a message, so that each has "
                          "an unsubscribe link of his own; this has {}: send one each, or "
                          "give a List-Unsubscribe field",
                          recipients.size())),
        "stream.bulk_recipients");
  const auto tokens = doors.links->tokens();
  if (!tokens)
    return refuse(Reply(451, {4, 3, 0}, "no unsubscribe link could be made now"), "store");
  const Domain& of_sender = message.sender.address.domain();
  const std::string fields = unsubscribe_fields(
      *tokens,
      {.message = message.id,
       .stream = message.stream,
       .recipient = recipients.front().address,
       .web_url = doors.web_url,
       .mail_domain = directory.is_mail_domain(of_sender) ? of_sender : directory.first_domain()});
  header.insert(header.size() - 2, fields);  // before the empty line
}

void Draft::State::plan_tracking(const MailStream& of, const std::string& header) {
  const StreamDoors& doors = options.streams;
  TrackPlan plan;
  plan.opens = facts.options.track_opens.value_or(of.track_opens);
  plan.clicks = facts.options.track_clicks.value_or(of.track_clicks);
  if ((!plan.opens && !plan.clicks) || !doors.links || doors.web_url.empty()) return;
  if (const std::string why = why_not_tracked(header); !why.empty())
    return add_stage("check", "track." + why, {}, {});
  plan.tokens = doors.links->tokens();
  if (!plan.tokens) return;
  plan.web_url = doors.web_url;
  plan.base.message = message.id;
  plan.base.stream = message.stream;
  const auto& recipients = facts.transaction.recipients;
  if (recipients.size() == 1) plan.base.address = recipients.front().address;
  track = std::move(plan);
}

// A body that is to be tracked is held until it has ended, or is too large for that.
void Draft::State::receive_body(std::string_view octets) {
  if (!track) return take_body(octets);
  tracked += octets;
  if (tracked.size() <= TrackLimits{}.body_octets) return;
  track.reset();
  add_stage("check", "track.too_large", {}, {});
  const std::string whole = std::exchange(tracked, {});
  take_body(whole);
}

Task<void> Draft::State::finish_tracking() {
  if (!track) co_return;
  struct Work {
    std::string header, body;
    TrackPlan plan;
    TrackedBody operator()() { return track_body(header, body, plan); }
  };
  Work work{message.content.header, tracked, *std::exchange(track, {})};
  Result<TrackedBody> made = TrackedBody{tracked, 0, false, "busy"};
  if (options.signing.offload) {
    auto done = co_await options.signing.offload->run(loop, std::move(work));
    if (done) made = std::move(*done);
  } else {
    made = work();
  }
  add_stage("check", made->why_not.empty() ? "track.done" : "track." + made->why_not,
            fmt::format("{} links{}", made->links, made->image ? ", an image" : ""), {});
  tracked = {};
  take_body(made->body);
}

// ---------------------------------------------------------------- who gets none
// Who asked by mail for no more: duties/suppressing reads it in the Received event.
void Draft::State::take_out_wishes() {
  const Links* links = options.streams.links;
  if (!links) return;
  const auto is_wish = [&](const Recipient& each) {
    return takes_unsubscribe(*links, directory, options.hostname, each.address);
  };
  const auto& all = facts.transaction.recipients;
  if (std::ranges::none_of(all, is_wish)) return;
  remaining.emplace();
  std::ranges::copy_if(all, std::back_inserter(*remaining),
                       [&](const Recipient& each) { return !is_wish(each); });
}

// The magic recipient that shows what a suppression does (docs/sandbox.md).
bool Draft::State::is_always_suppressed(const Address& address) const {
  return !options.streams.sandbox.empty() && address.domain() == options.streams.sandbox &&
         equal_ignoring_case(address.local(), "suppressed");
}

bool Draft::State::may_be_out(const Address& address) const {
  return options.streams.suppressions->may_hold(message.stream, address) ||
         is_always_suppressed(address);
}

Task<Result<bool>> Draft::State::stands_against(Recipient recipient, Address address) {
  if (is_always_suppressed(address)) {
    Suppression why{.stream = message.stream, .address = address, .origin = "sandbox"};
    left_out.push_back({std::move(recipient), std::move(why)});
    co_return true;
  }
  auto entry =
      CO_TRY(co_await options.streams.suppressions->find(loop, message.stream, std::move(address)));
  if (!entry) co_return false;
  left_out.push_back({std::move(recipient), std::move(*entry)});
  co_return true;
}

// By the address of the envelope, and by those that an alias of ours led to.
Task<Result<void>> Draft::State::leave_out_suppressed() {
  if (!options.streams.suppressions || !stream) co_return Result<void>();
  std::vector<Recipient> others;
  for (const Recipient& each : wanted()) {
    const bool is_out =
        may_be_out(each.address) && CO_TRY(co_await stands_against(each, each.address));
    if (!is_out) others.push_back(each);
  }
  if (!left_out.empty()) {
    remaining = std::move(others);
    expansion.reset();
  }
  if (!expansion)
    expansion = CO_TRY(expand_recipients(directory, wanted(), ExpandLimits{}, forwarding_door()));
  std::vector<FinalRecipient> kept_ones;
  for (FinalRecipient& each : expansion->recipients) {
    const bool is_out = may_be_out(each.recipient.address) &&
                        CO_TRY(co_await stands_against(each.recipient, each.recipient.address));
    if (!is_out) kept_ones.push_back(std::move(each));
  }
  expansion->recipients = std::move(kept_ones);
  co_return Result<void>();
}

Reply Draft::State::accepted_reply(bool to_nobody) const {
  if (!to_nobody) return Reply(250, {2, 0, 0}, "Ok: queued as " + message.id.text());
  if (left_out.empty()) return Reply(250, {2, 0, 0}, "Ok: noted as " + message.id.text());
  return Reply(
      250, {2, 0, 0},
      fmt::format("Ok: {} is sent to nobody: every recipient is suppressed", message.id.text()));
}

// A person who wrote to somebody hears of it, as of any failure; RFC 3461 §4.1 says when not.
void Draft::State::tell_left_out(NoticePlan& plan) const {
  const Address& sender = facts.transaction.sender.address;  // the message is the request's by now
  if (facts.source == Source::api || !facts.verified_sender || sender.empty()) return;
  for (const LeftOut& left : left_out)
    if (left.recipient.notify.wants_failure()) plan.failed.push_back(suppressed_notice(left));
}

// What is of the sandbox goes to its receiver, whoever the recipient is; but for what the sandbox
// itself sends back to people here.
bool Draft::State::goes_to_sandbox(const FinalRecipient& final) const {
  if (!facts.options.sandbox || options.streams.sandbox.empty()) return false;
  return !final.local || is_submission(facts.source);
}

// Bulk mail names itself in MAIL FROM, so that a notification that comes back later proves which
// message it is about (duties/suppressing.h), and finds its sender all the same.
bool Draft::State::has_return_path() const {
  return stream == StreamKind::bulk && options.forwarding && options.forward.rewrite &&
         !message.sender.address.empty();
}

void Draft::State::tell_left_out(std::vector<Event>& events) const {
  for (const LeftOut& left : left_out)
    events.push_back(suppressed_event(left, message.stream, message.id, message.received_at));
}

}  // namespace goniec
