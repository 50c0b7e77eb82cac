// See sandbox.h.
#include "inbound/sandbox.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {

struct Sandbox::Envelope {
  std::optional<Address> sender;
  std::vector<std::pair<Address, SandboxAnswer>> recipients;
};

struct Sandbox::Session {
  std::unique_ptr<Stream> stream;
  std::string input;
  Envelope envelope;

  Task<bool> say(const Reply& reply) {
    const std::string text = reply.wire();
    const auto written = co_await stream->write(text);
    co_return written.has_value();
  }
  // Until `mark`, which goes too; nullopt: the client is gone, or the text is longer than `most`.
  // Beyond `kept` octets only the end is held.
  Task<std::optional<std::string>> until(std::string_view mark, std::size_t most) {
    while (true) {
      const std::size_t at = input.find(mark);
      if (at != std::string::npos) {
        std::string text = input.substr(0, at);
        input.erase(0, at + mark.size());
        co_return text;
      }
      if (input.size() > most) co_return std::nullopt;
      char buffer[4096];
      const auto got = co_await stream->read(buffer);
      if (!got || *got == 0) co_return std::nullopt;
      input.append(buffer, *got);
    }
  }
  // The text of DATA up to its dot, of which `kept` octets are given.
  Task<std::optional<std::string>> data(std::size_t kept) {
    std::string text;
    input.insert(0, "\r\n");  // a dot in the first line ends an empty message
    while (true) {
      const std::size_t end = input.find("\r\n.\r\n");
      const std::size_t whole = end != std::string::npos ? end
                                : input.size() > 4       ? input.size() - 4
                                                         : 0;
      if (text.size() < kept) text += input.substr(0, std::min(whole, kept - text.size()));
      input.erase(0, whole);
      if (end != std::string::npos) {
        input.erase(0, 5);
        text.erase(0, 2);
        co_return text;
      }
      char buffer[4096];
      const auto got = co_await stream->read(buffer);
      if (!got || *got == 0) co_return std::nullopt;
      input.append(buffer, *got);
    }
  }
};

Sandbox::Sandbox(SandboxParts parts, Domain domain, SandboxLimits limits)
    : parts_(std::move(parts)), limits_(limits), rules_(std::move(domain), limits) {}

Result<void> Sandbox::start(const std::string& path) {
  listener_ = TRY(parts_.world.network.listen_unix(path, 0600));
  ++running_;
  spawn(accept_loop());
  return {};
}

Task<void> Sandbox::stop() {
  stopping_ = true;
  if (listener_) listener_->close();
  for (Stream* stream : streams_) stream->close();
  while (running_ > 0) co_await changed_.wait();
}

Task<void> Sandbox::accept_loop() {
  while (!stopping_) {
    auto stream = co_await listener_->accept();
    if (stream) {
      if (streams_.size() >= limits_.connections) continue;
      ++running_;
      spawn(serve(std::move(*stream)));
      continue;
    }
    if (stopping_ || stream.error().kind == ErrorKind::closed) break;
    co_await parts_.world.loop.sleep(std::chrono::milliseconds(100));
  }
  --running_;
  changed_.notify_all();
}

Task<void> Sandbox::serve(std::unique_ptr<Stream> stream) {
  Session session{.stream = std::move(stream), .input = {}, .envelope = {}};
  Stream* const own = session.stream.get();
  streams_.push_back(own);
  bool goes_on = co_await session.say(Reply(220, {}, "sandbox LMTP Goniec"));
  while (goes_on && !stopping_) {
    own->set_deadline(parts_.world.loop.clock().moment() + limits_.idle);
    auto line = co_await session.until("\r\n", limits_.line_octets);
    goes_on = line && co_await obey(session, std::move(*line));
  }
  std::erase(streams_, own);
  --running_;
  changed_.notify_all();
}

namespace {

std::optional<Address> path_of(std::string_view argument, std::string_view keyword) {
  if (!starts_with_ignoring_case(argument, keyword)) return std::nullopt;
  const auto parsed = parse_reverse_path(trim(argument.substr(keyword.size())), Utf8Policy::allow);
  if (!parsed) return std::nullopt;
  return parsed->address;
}

}  // namespace

// false: the connection ends.
Task<bool> Sandbox::obey(Session& session, std::string line) {
  const std::string verb = to_lower(std::string_view(line).substr(0, line.find(' ')));
  const std::string_view argument =
      std::string_view(line).substr(std::min(line.size(), verb.size() + 1));
  Envelope& envelope = session.envelope;
  if (verb == "lhlo" || verb == "ehlo") {
    Reply reply(250, {}, "sandbox");
    reply.lines = {"sandbox", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN"};
    co_return co_await session.say(reply);
  }
  if (verb == "mail") {
    envelope = {};
    envelope.sender = path_of(argument, "from:");
    co_return co_await session.say(envelope.sender ? Reply(250, {2, 1, 0}, "Ok")
                                                   : Reply(501, {5, 5, 4}, "MAIL FROM:<address>"));
  }
  if (verb == "rcpt") {
    const auto recipient = path_of(argument, "to:");
    if (!envelope.sender || !recipient)
      co_return co_await session.say(Reply(503, {5, 5, 1}, "MAIL first, then RCPT TO:<address>"));
    SandboxAnswer answer =
        rules_.answer(*envelope.sender, *recipient, parts_.world.loop.clock().now());
    const Reply reply = answer.at_rcpt;
    if (reply.is_positive()) envelope.recipients.emplace_back(*recipient, std::move(answer));
    co_return co_await session.say(reply) && reply.code != 421;
  }
  if (verb == "data") co_return co_await take_message(session);
  if (verb == "rset" || verb == "noop") {
    if (verb == "rset") envelope = {};
    co_return co_await session.say(Reply(250, {2, 0, 0}, "Ok"));
  }
  if (verb == "quit") {
    co_await session.say(Reply(221, {2, 0, 0}, "Bye"));
    co_return false;
  }
  co_return co_await session.say(Reply(500, {5, 5, 2}, "the sandbox does not know that"));
}

// RFC 2033 §4.2: one reply a recipient.
Task<bool> Sandbox::take_message(Session& session) {
  Envelope envelope = std::exchange(session.envelope, Envelope());
  if (envelope.recipients.empty())
    co_return co_await session.say(Reply(503, {5, 5, 1}, "no valid recipients"));
  if (!co_await session.say(Reply(354, {}, "end with <CRLF>.<CRLF>"))) co_return false;
  const auto message = co_await session.data(limits_.kept_octets);
  if (!message) co_return false;
  for (const auto& [recipient, answer] : envelope.recipients) {
    if (answer.wait > Duration::zero()) co_await parts_.world.loop.sleep(answer.wait);
    if (!co_await session.say(answer.at_end)) co_return false;
    if (answer.sequel == SandboxSequel::none || stopping_) continue;
    ++running_;
    spawn(send_back(answer.sequel, *envelope.sender, recipient, *message));
  }
  co_return true;
}

// ---------------------------------------------------------------- what follows
// Whom an answer reaches: the sender, or who keeps an eye on his domain.
Task<Address> Sandbox::owner_of(Address sender, std::vector<KnownReturn>& returns) {
  const IntakeOptions intake = parts_.intake();
  const Resolved resolved = parts_.directory.resolve(sender);
  const ForwardingDoor door = intake.forwarding_door(parts_.world.loop.clock().now());
  const auto back = door.forwarding
                        ? door.forwarding->returned(sender, resolved, door.options, door.now)
                        : std::optional<SrsReturned>();
  if (back && back->status == SrsStatus::good && back->message) {
    const auto known = co_await parts_.queue.sender_of(parts_.world.loop, back->message);
    if (!known || !*known) co_return Address();
    // Whom nobody here has a mailbox for: a notification still has its proof in the envelope.
    returns.push_back({sender, **known});
    co_return sender;
  }
  if (resolved.kind == RecipientKind::mailbox || resolved.kind == RecipientKind::alias)
    co_return sender;
  if (!parts_.directory.is_mail_domain(sender.domain())) co_return Address();
  co_return Address::make("abuse", sender.domain());
}

Task<void> Sandbox::send_back(SandboxSequel sequel, Address sender, Address recipient,
                              std::string original) {
  Loop& loop = parts_.world.loop;
  const Moment due = loop.clock().moment() + limits_.after;
  loop.at(due, [this] { changed_.notify_all(); });
  while (!stopping_ && loop.clock().moment() < due) co_await changed_.wait();
  std::vector<KnownReturn> returns;
  const Address to = sender.empty() || stopping_ ? Address() : co_await owner_of(sender, returns);
  if (!to.empty()) {
    const IntakeOptions intake = parts_.intake();
    const std::string seed =
        fmt::format("sandbox-{}-{}", loop.clock().now().time_since_epoch().count(), ++serial_);
    const SandboxSequelFacts facts{sender,          recipient, original,
                                   intake.hostname, seed,      loop.clock().now()};
    const std::string text = sequel == SandboxSequel::late_bounce ? sandbox_notification(facts)
                             : sequel == SandboxSequel::complaint ? sandbox_complaint(facts)
                                                                  : sandbox_auto_reply(facts);
    DraftFacts draft_facts;
    draft_facts.source = Source::smtp;
    draft_facts.returns = std::move(returns);
    draft_facts.options.sandbox = true;  // what it causes does not leave either
    Recipient back;
    back.address = to;
    draft_facts.transaction.helo = "sandbox";
    draft_facts.transaction.recipients.push_back(std::move(back));
    Draft draft(parts_.queue, parts_.directory, intake, loop, std::move(draft_facts));
    co_await draft.write(text);
    const Reply reply = co_await draft.commit();
    LogRecord record;
    record.at = loop.clock().now();
    record.level = reply.is_positive() ? LogLevel::info : LogLevel::warning;
    record.event = "sandbox.answer";
    record.program = "sandbox";
    record.text = fmt::format("{} answers <{}>: {}", printable(recipient.text()),
                              printable(to.text()), reply.one_line());
    parts_.log.write(std::move(record));
  }
  --running_;
  changed_.notify_all();
}

}  // namespace goniec
