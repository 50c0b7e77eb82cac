// See draft.h. States of a Draft: collecting the header -> streaming the body -> committed or
// refused.
#include "intake/draft_state.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/digest.h"
#include "base/text.h"
#include "intake/option_fields.h"
#include "mail/trace.h"
#include "mail/words.h"
#include "trust/tls_requirement.h"

namespace goniec {
namespace {

constexpr std::size_t kept_recipients = 1000;  // found out at the header, held through the body
constexpr std::size_t told_stages = 400;       // a story stays readable

// Where the header ends in `text`: the offset after the empty line, or npos.
std::size_t header_end(std::string_view text, std::size_t searched) {
  if (text.starts_with("\r\n")) return 2;
  const std::size_t at = text.find("\r\n\r\n", searched > 3 ? searched - 3 : 0);
  return at == std::string_view::npos ? at : at + 4;
}

// RFC 3834 §5: an answer that no person wrote.
bool is_automatic(std::string_view header) {
  const auto scanned = scan_header(header, HeaderLimits{});
  const HeaderField* field = scanned ? find_field(*scanned, "Auto-Submitted") : nullptr;
  return field && starts_with_ignoring_case(trim(unfold(field->value)), "auto-");
}

// The subject is cut at a length that a list can show.
void describe(std::string_view header, SendOptions& options) {
  constexpr std::size_t shown_octets = 400;
  const auto scanned = scan_header(header, HeaderLimits{});
  if (!scanned) return;
  if (const HeaderField* field = find_field(*scanned, "Content-Type"))
    options.attachments = starts_with_ignoring_case(trim(field->value), "multipart/mixed");
  const HeaderField* field = find_field(*scanned, "Subject");
  if (!field) return;
  options.subject = decode_words(trim(unfold(field->value)));
  if (options.subject.size() <= shown_octets) return;
  std::size_t end = shown_octets;
  while (end > 0 && (static_cast<unsigned char>(options.subject[end]) & 0xC0) == 0x80) --end;
  options.subject.resize(end);
}

std::vector<Event> expanded_events(const Expansion& expansion, MessageId id, Instant now) {
  std::vector<Event> events;
  for (const auto& expanded : expansion.expanded) {
    Event event;
    event.kind = EventKind::expanded;
    event.message = id;
    event.at = now;
    event.recipient = expanded.recipient.address.text();
    event.data = expanded_event_data(expanded.targets);
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace

Reply reply_of(const Error& error) {
  switch (error.kind) {
    case ErrorKind::try_later:
      return Reply(452, {4, 3, 1}, error.message);
    case ErrorKind::bad_data:
      return Reply(550, {5, 4, 6}, error.message);
    default:
      return Reply(451, {4, 3, 0}, "the message could not be stored: " + error.message);
  }
}

// The From address that the caller may not use, in words (RFC 6409 §6.1).
std::optional<std::string> Draft::State::foreign_from(std::string_view header) const {
  if (!facts.may_use_from) return std::nullopt;
  auto scanned = scan_header(header, HeaderLimits{});
  if (!scanned) return std::nullopt;
  for (const HeaderField& field : scanned->fields) {
    if (!equal_ignoring_case(field.name, "From")) continue;
    for (const HeaderMailbox& mailbox : parse_header_mailboxes(unfold(field.value)).mailboxes) {
      if (facts.may_use_from(mailbox.address)) continue;
      return fmt::format(
          "From <{}> is not authorised for this account; send as your own address, or ask the "
          "administrator for --send-as",
          printable(mailbox.address.text()));
    }
  }
  return std::nullopt;
}

void Draft::State::end_header(std::size_t end) {
  in_header = false;
  FixupOptions fixup{.source = facts.source,
                     .hostname = options.hostname,
                     .id = message.id,
                     .now = opened,
                     .limits = {}};
  std::string_view block(header_buffer);
  block = block.substr(0, std::min(end, block.size()));
  auto scanned = scan_header(block, fixup.limits);
  // A line that is no field ends the header before it; the empty line between is put in.
  std::size_t body_at = scanned ? scanned->body_offset : block.size();
  std::string_view header_part = block.substr(0, body_at);
  if (facts.check) facts.check->header(header_part);
  std::string without_options;
  if (is_submission(facts.source)) {
    without_options = take_options(header_part);
    if (refusal) return;
    header_part = without_options;
  }
  FixedHeader fixed = fix_header(header_part, fixup);
  if (fixed.refusal) return refuse(std::move(*fixed.refusal), std::move(fixed.rule));
  if (auto foreign = foreign_from(fixed.header))
    return refuse(Reply(550, {5, 7, 1}, *foreign), "content.from_ownership");
  settle_stream(fixed.header);
  if (refusal) return;
  message.content.header = std::move(fixed.header);
  message.message_id = std::move(fixed.message_id);
  describe(message.content.header, facts.options);
  message.content.crc32c = crc32c(message.content.header);
  message.requires_8bit = !is_ascii(message.content.header);
  signer =
      MessageSigner::begin(options.signing, facts.source, facts.submitter, message.content.header);
  message.tls_policies_off = asks_policies_off(message.content.header);
  take_out_wishes();
  look_ahead();
  if (refusal) return;
  const std::string rest = header_buffer.substr(body_at);
  header_buffer = {};
  receive_body(rest);
}

// The options that a submission has in its header, and what follows from them at once.
std::string Draft::State::take_options(std::string_view header) {
  const std::string bound = facts.options.stream;
  TakenOptions taken = take_option_fields(header, facts.options);
  message.stream = facts.options.stream;
  message.not_before = facts.options.send_at;
  once_key = std::move(taken.idempotency_key);
  priority = taken.priority;
  if (taken.refusal) refuse(*std::move(taken.refusal), std::move(taken.rule));
  return std::move(taken.header);
}

// What the message is known by, when its key comes again: not its Date, Message-ID or boundaries,
// which a program makes anew when it tries again.
std::string Draft::State::fingerprint() const {
  std::string text = message.sender.address.text();
  for (const Recipient& each : facts.transaction.recipients) text += '\n' + each.address.text();
  return std::string(view(sha256(text + '\n' + facts.options.subject)));
}

// The answer when the same was sent before, or is being sent; nothing: send it, once.
Task<std::optional<Reply>> Draft::State::begin_once() {
  // By HTTP it is said beside the message, and obeyed there.
  if (facts.source == Source::api || once_key.empty() || !options.idempotency)
    co_return std::nullopt;
  const std::string name = idempotency_name(facts.submitter, "smtp", once_key);
  once = options.idempotency->claim(name);
  if (!once)
    co_return Reply(451, {4, 5, 0}, "a message with this X-Idempotency-Key is still under way");
  const auto records = co_await options.idempotency->find(loop, {name});
  if (!records) co_return reply_of(records.error());
  const std::string print = fingerprint();
  if (const auto& known = records->front()) {
    if (known->fingerprint != print)
      co_return Reply(550, {5, 5, 0}, "this X-Idempotency-Key was used for another message");
    co_return Reply(250, {2, 0, 0}, "Ok: queued as " + known->message.text() + " before");
  }
  facts.objects.push_back(
      to_object(name, {print, message.id, idempotency_end(opened, facts.options.send_at)}));
  co_return std::nullopt;
}

void Draft::State::take_body(std::string_view octets) {
  if (facts.check) facts.check->body(octets);
  message.content.body_octets += octets.size();
  message.content.crc32c = crc32c(octets, message.content.crc32c);
  signer.add_body(octets);
  sealer.add_body(octets);
  if (!message.requires_8bit && !is_ascii(octets)) message.requires_8bit = true;
  while (!octets.empty()) {
    if (kept.empty() || kept.back().size() == options.chunk_octets) {
      kept.emplace_back();
      kept.back().reserve(std::min(octets.size(), options.chunk_octets));
    }
    std::string& chunk = kept.back();
    const std::size_t part = std::min(octets.size(), options.chunk_octets - chunk.size());
    chunk.append(octets.substr(0, part));
    kept_octets += part;
    octets.remove_prefix(part);
  }
}

// Above the trace of this hop, which nothing signs; the keys are told in the timeline.
void Draft::State::take_signatures(SignedHeader made) {
  if (made.names.empty()) return;
  message.content.prepend.insert(0, made.fields);
  add_stage("sign", "dkim", fmt::format("{}", fmt::join(made.names, ", ")), {});
}

void Draft::State::add_stage(std::string stage, std::string why, std::string reply,
                             std::string recipient) {
  facts.stages.push_back(StageFact{.stage = std::move(stage),
                                   .at = loop.clock().now(),
                                   .took = {},
                                   .rule = std::move(why),
                                   .reply = std::move(reply),
                                   .recipient = std::move(recipient)});
}

void Draft::State::take_result(ArrivalResult checked) {
  if (checked.refusal) return refuse(*std::move(checked.refusal), std::move(checked.rule));
  rule = std::move(checked.rule);
  message.content.prepend += checked.fields;
  found = {checked.arc, std::move(checked.results)};
  sender_disproved = checked.sender_disproved;
  // Of a chain whose keys DNS does not give now nothing may be said; the next server can ask again.
  if (checked.arc_unknown) sealer = {};
  facts.stages.insert(facts.stages.end(), checked.stages.begin(), checked.stages.end());
}

Task<void> Draft::State::write_one(ChunkWrite chunk, std::size_t& open, Signal& done) {
  auto written = co_await queue.write_chunk(loop, std::move(chunk));
  if (!written && !refusal) refuse(reply_of(written.error()), "store");
  --open;
  done.notify_all();
}

// All whole chunks go into the group that commits next, together; the session waits for them.
Task<void> Draft::State::ride_along() {
  std::size_t open = 0;
  Signal done;
  std::vector<std::string> whole;
  while (!kept.empty() && kept.front().size() == options.chunk_octets) {
    whole.push_back(std::move(kept.front()));
    kept.erase(kept.begin());
  }
  for (std::string& octets : whole) {
    kept_octets -= octets.size();
    ++open;
    spawn(write_one(ChunkWrite{message.id, written_chunks++, std::move(octets)}, open, done));
  }
  while (open > 0) co_await done.wait();
}

// ---------------------------------------------------------------- who gets it
// At the end of the header already: a seal hashes the body as it streams. The same look would be
// taken at the end; a large result is not held through the body, and found again.
void Draft::State::look_ahead() {
  if (!options.forwarding) return;
  auto expanded = expand_recipients(directory, wanted(), ExpandLimits{}, forwarding_door());
  if (!expanded) return refuse(reply_of(expanded.error()), "recipients.expand");
  // Return addresses are for notices (docs/decisions/forwarding.md); some who answer by machine do
  // not do it as <> (RFC 3834 §4).
  if (expanded->returns && !message.sender.address.empty() && !is_automatic(message.content.header))
    return refuse(Reply(550, {5, 7, 1},
                        "a return address (SRS) takes notices and automatic answers only: "
                        "MAIL FROM:<>, or a field Auto-Submitted"),
                  "srs.sender");
  forwarded_by = expanded->forwarded_by();
  if (facts.check && options.forward.seal)
    sealer = MessageSealer::begin(options.signing, forwarded_by);
  if (expanded->recipients.size() <= kept_recipients) expansion = std::move(*expanded);
}

// What leaves by an alias: its seal, and the secret with which its sender is rewritten.
Task<Result<void>> Draft::State::prepare_forwarding() {
  if (has_return_path()) CO_TRY(co_await options.forwarding->make_secret(loop));
  if (forwarded_by.empty()) co_return Result<void>();
  const SignedHeader seal = co_await sealer.finish(loop, message.content.header, found);
  if (!seal.fields.empty()) {
    message.content.prepend.insert(0, seal.fields);
    const std::size_t cv = seal.fields.find("cv=");
    const std::string state = seal.fields.substr(cv, seal.fields.find(';', cv) - cv);
    add_stage("sign", "arc", fmt::format("{}, {}", seal.names.front(), state), {});
  }
  if (options.forwarding->needs_secret(message.sender.address, options.forward))
    CO_TRY(co_await options.forwarding->make_secret(loop));
  co_return Result<void>();
}

// What MAIL FROM names for it; empty: the message's own sender.
Address Draft::State::forwarded_sender(const FinalRecipient& final) {
  if (final.forwarded_by.empty() || !options.forwarding) return {};
  auto [known, is_new] = told.try_emplace(final.forwarded_by);
  if (is_new)
    known->second =
        options.forwarding->sender_for(message.id, message.sender.address, final.forwarded_by,
                                       options.forward, message.received_at);
  const ForwardedSender& sender = known->second;
  if (facts.stages.size() < told_stages)
    add_stage("forward", std::string(sender.rule),
              fmt::format("MAIL FROM:<{}>", sender.sender.text()), final.recipient.address.text());
  if (sender.sender == message.sender.address && message.verified_sender) return {};
  return sender.sender;
}

// Final recipients grouped by domain and sender: one entry serves many recipients of one domain.
std::vector<Entry> Draft::State::make_entries(const Expansion& found_out) {
  std::vector<Entry> entries;
  std::map<std::tuple<bool, Domain, Address>, std::size_t> index;
  for (const FinalRecipient& final : found_out.recipients) {
    Address sender = forwarded_sender(final);
    if (sender.empty() && !final.local && has_return_path())
      sender = options.forwarding->return_path(message.id, message.sender.address.domain(),
                                               message.received_at);
    const bool in_sandbox = goes_to_sandbox(final);
    const bool local = final.local && !in_sandbox;
    const Domain domain = in_sandbox ? options.streams.sandbox : final.recipient.address.domain();
    const auto key = std::tuple(local, domain, sender);
    auto [place, is_new] = index.try_emplace(key, entries.size());
    if (is_new) {
      Entry entry;
      entry.expires = facts.options.expires_at;
      entry.domain = domain;
      entry.local = local;
      entry.sender = std::move(sender);
      entries.push_back(std::move(entry));
    }
    EntryRecipient recipient;
    recipient.recipient = final.recipient;
    // Whom SPF disproves did not send it: neither we nor the next server are to tell him.
    if (sender_disproved && !final.forwarded_by.empty())
      recipient.recipient.notify = NotifyOptions{.never = true};
    entries[place->second].recipients.push_back(std::move(recipient));
  }
  return entries;
}

Result<SpoolRequest> Draft::State::make_request() {
  if (!expansion)
    expansion = TRY(expand_recipients(directory, wanted(), ExpandLimits{}, forwarding_door()));
  message.content.body_chunks = written_chunks + static_cast<std::uint32_t>(kept.size());
  SpoolRequest request;
  request.entries = make_entries(*expansion);
  // A notification to a return path of ours is worth its reading, whether or not its sender reads.
  if (request.entries.empty() && !remaining && left_out.empty() && !expansion->returns)
    return fail(ErrorKind::bad_data, "no recipient is left after aliases were resolved");
  if (request.entries.empty()) request.keep_until = message.received_at + unsent_kept;
  request.events = expanded_events(*expansion, message.id, message.received_at);
  tell_left_out(request.events);
  for (const auto& expanded : expansion->expanded) lists.push_back(expanded.recipient);
  request.chunks = std::move(kept);
  request.objects = std::move(facts.objects);
  request.message = std::move(message);  // its id and times stay, the rest is the request's
  return request;
}

Draft::Draft(Queue& queue, const Directory& directory, const IntakeOptions& options, Loop& loop,
             DraftFacts facts)
    : state_(new State{.queue = queue,
                       .directory = directory,
                       .options = options,
                       .loop = loop,
                       .facts = std::move(facts),
                       .message = {}}) {
  State& state = *state_;
  state.opened = loop.clock().now();
  Message& message = state.message;
  message.id = queue.next_id(loop.clock(), loop.random());
  message.parent = state.facts.parent;
  message.source = state.facts.source;
  message.sender = state.facts.transaction.sender;
  message.received_at = state.opened;
  message.submitter = state.facts.submitter;
  message.verified_sender = state.facts.verified_sender;
  message.stream = state.facts.options.stream;
  message.not_before = state.facts.options.send_at;
  if (state.facts.source == Source::sendmail) {
    message.content.prepend =
        received_field_local(options.hostname, state.facts.uid, message.id, state.opened);
  } else if (state.facts.source == Source::api) {
    message.content.prepend = received_field_api(options.hostname, message.id, state.opened);
  } else if (state.facts.caller.remote.port != 0) {
    message.content.prepend = received_field(ReceivedFacts{
        state.facts.caller, state.facts.transaction, options.hostname, message.id, state.opened});
  }
}

Draft::~Draft() {
  if (state_->written_chunks > 0 && !state_->committed)
    state_->queue.discard_chunks(state_->message.id);
}

void Draft::add_object(ObjectPut object) {
  state_->facts.objects.push_back(std::move(object));
}

MessageId Draft::id() const {
  return state_->message.id;
}
const std::string& Draft::rule() const {
  return state_->rule;
}
const std::vector<LeftOut>& Draft::left_out() const {
  return state_->left_out;
}

void Draft::refuse(Reply reply, std::string rule) {
  if (!state_->refusal) state_->refuse(std::move(reply), std::move(rule));
}

std::size_t Draft::held_octets() const {
  const State& state = *state_;
  const std::size_t octets = state.header_buffer.size() + state.message.content.header.size() +
                             state.kept_octets + state.tracked.size();
  return state.written_chunks == 0 ? 2 * octets : octets;
}

std::size_t Draft::most_held(std::uint64_t message_octets, const IntakeOptions& options) {
  return 2 * std::min<std::uint64_t>(message_octets, options.kept_octets);
}

Task<void> Draft::write(std::string_view octets) {
  State& state = *state_;
  if (state.refusal) co_return;
  if (state.in_header) {
    const std::size_t searched = state.header_buffer.size();
    state.header_buffer.append(octets);
    const std::size_t end = header_end(state.header_buffer, searched);
    if (end != std::string::npos)
      co_await state.close_header(end);
    else if (state.header_buffer.size() > HeaderLimits{}.block_octets)
      co_await state.close_header(state.header_buffer.size());
  } else {
    state.receive_body(octets);
  }
  if (state.kept_octets > state.options.kept_octets) co_await state.ride_along();
}

Task<Reply> Draft::commit() {
  State& state = *state_;
  if (!state.refusal && state.in_header) co_await state.close_header(state.header_buffer.size());
  if (!state.refusal && state.facts.check) state.take_result(co_await state.facts.check->finish());
  if (state.refusal) co_return *state.refusal;
  co_await state.finish_tracking();
  if (auto left = co_await state.leave_out_suppressed(); !left) {
    state.rule = "store";
    co_return reply_of(left.error());
  }
  state.take_signatures(co_await state.signer.finish(state.loop, state.message.content.header));

  if (auto answer = co_await state.begin_once()) {
    if (!answer->is_positive()) state.rule = "content.idempotency";
    co_return *answer;
  }
  if (auto prepared = co_await state.prepare_forwarding(); !prepared) {
    state.rule = "store";
    co_return reply_of(prepared.error());
  }
  auto request = state.make_request();
  if (!request) {
    state.rule = "recipients.expand";
    co_return reply_of(request.error());
  }
  const Reply ok = state.accepted_reply(request->entries.empty());
  state.facts.stages.push_back(StageFact{.stage = "content",
                                         .at = state.opened,
                                         .took = state.loop.clock().now() - state.opened,
                                         .rule = state.rule,
                                         .reply = ok.one_line(),
                                         .recipient = {}});
  Event received;
  received.kind = EventKind::received;
  received.message = state.message.id;
  received.at = state.message.received_at;
  received.data = received_event_data({state.facts.caller, state.facts.transaction,
                                       request->message, state.facts.stages, state.facts.options});
  request->events.insert(request->events.begin(), std::move(received));

  std::shared_ptr<LoadedContent> content;
  if (state.written_chunks == 0) {
    content = std::make_shared<LoadedContent>();
    content->prepend = request->message.content.prepend;
    content->header = request->message.content.header;
    content->body.reserve(request->message.content.body_octets);
    for (const std::string& chunk : request->chunks) content->body += chunk;
  }
  NoticePlan told = plan_expanded(request->message, state.lists, state.loop.clock().now());
  state.tell_left_out(told);
  auto accepted = co_await state.queue.accept(state.loop, std::move(*request), std::move(content),
                                              std::move(told));
  if (!accepted) {
    state.rule = "store";
    co_return reply_of(accepted.error());
  }
  state.committed = true;
  co_return ok;
}

Result<SpoolRequest> make_spool_request(Queue& queue, const Directory& directory,
                                        const IntakeOptions& options, Loop& loop, DraftFacts facts,
                                        std::string header, std::string body) {
  Draft::State state{.queue = queue,
                     .directory = directory,
                     .options = options,
                     .loop = loop,
                     .facts = std::move(facts),
                     .message = {}};
  Message& message = state.message;
  state.opened = loop.clock().now();
  message.id = queue.next_id(loop.clock(), loop.random());
  message.parent = state.facts.parent;
  message.source = state.facts.source;
  message.sender = state.facts.transaction.sender;
  message.received_at = state.opened;
  message.content.crc32c = crc32c(header);
  message.requires_8bit = !is_ascii(header);
  if (auto scanned = scan_header(header, HeaderLimits{}))
    if (const HeaderField* id = find_field(*scanned, "Message-ID"))
      message.message_id = message_id_of(unfold(id->value));
  message.content.header = std::move(header);
  state.in_header = false;
  state.signer = MessageSigner::begin(options.signing, state.facts.source, state.facts.submitter,
                                      message.content.header);
  state.take_body(body);
  state.take_signatures(state.signer.finish_here(state.opened, message.content.header));
  SpoolRequest request = TRY(state.make_request());
  Event received;
  received.kind = EventKind::received;
  received.message = message.id;
  received.at = message.received_at;
  received.data = received_event_data({state.facts.caller, state.facts.transaction, request.message,
                                       state.facts.stages, state.facts.options});
  request.events.insert(request.events.begin(), std::move(received));
  return request;
}

}  // namespace goniec
