// See suppressing.h.
// The position is written after what the events before it caused, never before.
#include "duties/suppressing.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "duties/may_pass.h"
#include "intake/bulk.h"
#include "mail/address.h"
#include "mail/header.h"
#include "store/last_event.h"

namespace goniec {
namespace {

const ObjectKey position_key{"suppressing", "position"};
constexpr std::uint64_t position_stride = 5'000;  // events without effect between two writings
constexpr std::size_t told_octets = 300;
constexpr std::size_t reported_messages_most = 10;  // that one feedback report is taken for
constexpr std::size_t named_recipients_most = 50;
// The address that takes a recipient's wish (intake/bulk.h), as it stands in the event.
constexpr std::string_view wish_mark = "\"unsubscribe+";
// What intake says of mail with a report in it (intake/draft.cc), as it stands in the event.
constexpr std::string_view notification_mark = "\"report.delivery-status\"";
constexpr std::string_view complaint_mark = "\"report.feedback-report\"";

bool is_submitted(std::string_view source) {
  return source == "submission" || source == "sendmail" || source == "api";
}

// The phases in which a server speaks of the recipient.
bool is_about_recipient(std::string_view phase) {
  return phase == "rcpt" || phase == "data" || phase == "dot" || phase == "dsn";
}

std::vector<std::string> texts_at(const JsonValue& object, std::string_view key) {
  std::vector<std::string> texts;
  const auto list = object.at(key);
  for (const JsonValue& item : list ? list->items() : std::vector<JsonValue>())
    if (auto text = item.text()) texts.push_back(std::move(*text));
  return texts;
}

// Where an event names the mail that brought it.
std::string_view report_member(EventKind kind) {
  return kind == EventKind::failed ? "notification" : "report";
}

bool same_mailbox(const Address& a, const Address& b) {
  return suppression_address(a) == suppression_address(b);
}

// Words of our own unsubscribe links in a header.
std::vector<std::string> unsubscribe_words(std::string_view header) {
  std::vector<std::string> words;
  const auto scanned = scan_header(header, HeaderLimits{});
  const HeaderField* field = scanned ? find_field(*scanned, "List-Unsubscribe") : nullptr;
  if (!field) return words;
  std::string value = unfold(field->value);
  std::erase_if(value, [](char c) { return c == ' ' || c == '\t'; });
  for (const std::string_view part : split(value, ',')) {
    const std::size_t at = part.find("/u/");
    if (!part.starts_with('<') || !part.ends_with('>') || at == std::string_view::npos) continue;
    words.emplace_back(part.substr(at + 3, part.size() - at - 4));
  }
  return words;
}

// Whom a report names: itself, or in the header of the mail that it returns.
std::vector<Address> named_recipients(const Complaint& complaint) {
  std::vector<Address> named{complaint.recipient};
  const auto scanned = scan_header(complaint.header, HeaderLimits{});
  for (const std::string_view field : {"To", "Cc"}) {
    const HeaderField* found = scanned ? find_field(*scanned, field) : nullptr;
    if (!found) continue;
    for (const auto& mailbox : parse_header_mailboxes(unfold(found->value)).mailboxes)
      if (named.size() < named_recipients_most) named.push_back(mailbox.address);
  }
  return named;
}

}  // namespace

struct Suppressing::Reporting {
  MessageId mail;
  EventKind causes = EventKind::failed;
};

struct Suppressing::Origin {
  MessageId message;  // none: not known, or not submitted here
  std::string stream;
  std::vector<Address> recipients;
  Address recipient;  // the one that it is about
  const Address* named(const Address& address) const {
    for (const Address& each : recipients)
      if (same_mailbox(each, address)) return &each;
    return nullptr;
  }
  const Address* named(std::string_view text) const {
    const auto address = Address::parse(text);
    return address ? named(*address) : nullptr;
  }
};

Suppressing::Suppressing(SuppressingParts parts, SuppressingOptions options)
    : parts_(parts), options_(std::move(options)) {}

void Suppressing::say(LogLevel level, std::string event, std::string text) {
  LogRecord record;
  record.at = parts_.world.loop.clock().now();
  record.level = level;
  record.event = std::move(event);
  record.program = "suppress";
  record.text = std::move(text);
  parts_.log.write(std::move(record));
}

void Suppressing::look_again_after(const Error& error) {
  looks_again_ |= may_pass(error);
}

// ---------------------------------------------------------------- what is known of a message
Task<Suppressing::Origin> Suppressing::origin_of(MessageId message) {
  Origin origin;
  const auto events = co_await parts_.readers.read(
      parts_.world.loop, [message](Reader& reader) { return reader.events_of(message); });
  if (!events) look_again_after(events.error());
  if (!events) co_return origin;
  for (const Event& event : *events) {
    if (event.kind != EventKind::received) continue;
    const auto data = JsonValue::parse(event.data);
    if (!data || !is_submitted(data->text_at("source"))) co_return origin;
    origin.message = message;
    origin.stream = data->text_at("stream", transactional_stream);
    for (const std::string& text : texts_at(*data, "recipients"))
      if (auto address = Address::parse(text)) origin.recipients.push_back(std::move(*address));
    co_return origin;
  }
  co_return origin;
}

// For whom an event of `message` stands that this report caused: a report is taken again after what
// could not be written, and after a crash.
Task<std::set<std::string>> Suppressing::told_by(Reporting report, MessageId message) {
  std::set<std::string> recipients;
  const auto events = co_await parts_.readers.read(
      parts_.world.loop, [message](Reader& reader) { return reader.events_of(message); });
  if (!events) look_again_after(events.error());
  for (const Event& event : events ? *events : std::vector<Event>()) {
    if (event.kind != report.causes) continue;
    const auto data = JsonValue::parse(event.data);
    if (data && data->text_at(report_member(report.causes)) == report.mail.text())
      recipients.insert(event.recipient);
  }
  co_return recipients;
}

// What a report names: by a return path that proves itself, by our own queue id, by the Message-ID.
// The last two can be guessed by who has seen those of a neighbour.
Task<std::vector<Suppressing::Reported>> Suppressing::reported_messages(
    const Complaint& complaint) {
  std::vector<Reported> messages;
  const ForwardingOptions forward = options_.forward ? options_.forward() : ForwardingOptions();
  if (const auto path = Address::parse(complaint.mail_from)) {
    const auto back = parts_.forwarding.returned(*path, parts_.directory.resolve(*path), forward,
                                                 parts_.world.loop.clock().now());
    if (back && back->status == SrsStatus::good && back->message)
      messages.push_back({back->message, true});
  }
  for (const std::string& text : complaint.queue_ids) {
    if (messages.size() >= reported_messages_most) break;
    if (const auto id = MessageId::parse(text)) messages.push_back({*id});
  }
  const auto scanned = scan_header(complaint.header, HeaderLimits{});
  const HeaderField* field = scanned ? find_field(*scanned, "Message-ID") : nullptr;
  const std::string name = field ? message_id_of(unfold(field->value)) : std::string();
  if (name.empty()) co_return messages;
  const auto found = co_await parts_.readers.read(
      parts_.world.loop, [name](Reader& reader) { return reader.find_by_message_id(name); });
  if (!found) look_again_after(found.error());
  for (const MessageId id : found ? *found : std::vector<MessageId>()) messages.push_back({id});
  co_return messages;
}

// By the signed word that only the mail itself holds; else as reported_messages() says.
Task<Suppressing::Origin> Suppressing::origin_of_complaint(const Complaint& complaint) {
  const auto tokens = parts_.links.tokens();
  for (const std::string& word : unsubscribe_words(complaint.header)) {
    const auto token = tokens ? tokens->read(LinkKind::unsubscribe, word) : std::nullopt;
    if (!token || token->address.empty()) continue;
    Origin origin;
    origin.message = token->message;
    origin.stream = token->stream;
    origin.recipient = token->address;
    co_return origin;
  }
  const std::vector<Address> named = named_recipients(complaint);
  for (const Reported& reported : co_await reported_messages(complaint)) {
    Origin origin = co_await origin_of(reported.message);
    if (!origin.message) continue;
    for (const Address& each : named) {
      if (const Address* known = origin.named(each)) {
        origin.recipient = *known;
        co_return origin;
      }
    }
    if (!reported.is_proven) continue;
    if (origin.recipients.size() == 1) origin.recipient = origin.recipients.front();
    co_return origin;
  }
  co_return Origin{};
}

Task<std::optional<std::string>> Suppressing::whole_mail(MessageId id) {
  auto content = co_await parts_.queue.content(parts_.world.loop, id);
  if (!content) look_again_after(content.error());
  if (!content || content->size() > options_.mail_octets) co_return std::nullopt;
  std::string mail = std::move(content->header);
  for (std::uint32_t number = 0; number < content->body_chunks; ++number) {
    auto chunk = co_await parts_.queue.chunk(parts_.world.loop, id, number);
    if (!chunk) look_again_after(chunk.error());
    if (!chunk) co_return std::nullopt;
    mail += *chunk;
  }
  co_return mail;
}

// ---------------------------------------------------------------- what events cause
Task<bool> Suppressing::keep(std::vector<Event> events) {
  FactsRequest request;
  request.events = std::move(events);
  const auto kept = co_await parts_.committer.record(parts_.world.loop, std::move(request));
  if (!kept) look_again_after(kept.error());
  co_return kept.has_value();
}

Task<bool> Suppressing::suppress(Suppression entry) {
  const std::string text = fmt::format("<{}> in {}: {}", printable(entry.address.text()),
                                       entry.stream, name_of(entry.reason));
  const auto reason = std::string(name_of(entry.reason));
  std::vector<Suppression> one{std::move(entry)};
  const auto added = co_await parts_.suppressions.add(parts_.world.loop, std::move(one));
  if (!added) {
    look_again_after(added.error());
    say(LogLevel::error, "suppression.failed",
        fmt::format("error: not suppressed: {}: {}", text, added.error().message));
    co_return false;
  }
  if (added->front()) {
    say(LogLevel::info, "suppression.added", text);
    parts_.metrics
        .counter("goniec_suppressions_added_total", "Addresses suppressed by themselves",
                 {{"reason", reason}})
        .add();
  }
  co_return added->front();
}

Task<bool> Suppressing::take_failed(Event event) {
  const auto data = JsonValue::parse(event.data);
  const auto recipient = Address::parse(event.recipient);
  if (!data || !recipient || !options_.is_dead_address) co_return false;
  const std::string phase = data->text_at("phase"), site = data->text_at("site");
  if (!is_about_recipient(phase) || recipient->domain() == options_.sandbox) co_return false;
  const std::string said = data->text_at("reply");
  if (!options_.is_dead_address(Reply::from_one_line(said), site, recipient->domain().ascii(),
                                phase))
    co_return false;
  const Origin origin = co_await origin_of(event.message);
  if (!origin.message) co_return false;
  Suppression entry;
  entry.stream = origin.stream;
  entry.address = *recipient;
  entry.reason = SuppressionReason::bad_mailbox;
  entry.origin = phase == "dsn" ? "dsn" : "delivery";
  entry.evidence = event_id_of(event.sequence);
  entry.message = event.message;
  entry.note = printable(said, told_octets);
  co_return co_await suppress(std::move(entry));
}

Task<bool> Suppressing::take_complained(Event event) {
  const auto data = JsonValue::parse(event.data);
  const auto recipient = Address::parse(event.recipient);
  if (!data || !recipient || recipient->domain() == options_.sandbox) co_return false;
  Suppression entry;
  entry.stream = data->text_at("stream", transactional_stream);
  entry.address = *recipient;
  entry.reason = SuppressionReason::complained;
  entry.origin = "feedback_loop";
  entry.evidence = event_id_of(event.sequence);
  entry.message = event.message;
  entry.note = data->text_at("type");
  co_return co_await suppress(std::move(entry));
}

// Only what came back to a return path that we made for this very message counts.
Task<void> Suppressing::take_notification(Event event, std::string mail) {
  const auto data = JsonValue::parse(event.data);
  const ReturnedMail report = read_returned_mail(mail);
  if (!data || report.kind != ReturnedKind::delivery_report) co_return;
  const ForwardingOptions forward = options_.forward ? options_.forward() : ForwardingOptions();
  for (const std::string& text : texts_at(*data, "recipients")) {
    const auto path = Address::parse(text);
    if (!path) continue;
    const auto back = parts_.forwarding.returned(*path, parts_.directory.resolve(*path), forward,
                                                 parts_.world.loop.clock().now());
    if (!back || back->status != SrsStatus::good || !back->message) continue;
    co_await take_failures({event.message, EventKind::failed}, report, back->message);
    if (looks_again_) co_return;
  }
}

// What a notification says of one message, in one transaction.
Task<void> Suppressing::take_failures(Reporting reporting, const ReturnedMail& report,
                                      MessageId message) {
  const Origin origin = co_await origin_of(message);
  if (!origin.message) co_return;
  auto told = co_await told_by(reporting, origin.message);
  if (looks_again_) co_return;
  std::vector<Event> events;
  for (const ReturnedRecipient& each : report.recipients) {
    if (each.action != "failed") continue;
    const Address* known = origin.named(each.address);
    if (!known) known = origin.named(each.original);
    if (!known || !told.insert(known->text()).second) continue;
    Event failed;
    failed.kind = reporting.causes;
    failed.message = origin.message;
    failed.at = parts_.world.loop.clock().now();
    failed.recipient = known->text();
    const std::string status = each.reply.enhanced.text();
    const std::string said =
        each.reply.code != 0 ? each.reply.one_line() : fmt::format("550 {}", status);
    JsonWriter w;
    w.object().key("stage").text("deliver").key("phase").text("dsn");
    w.key("site").text(printable(report.reporter, 100));
    w.key("reply").text(printable(said, told_octets)).key("dsn").text(status);
    w.key(report_member(failed.kind)).text(reporting.mail.text()).end();
    failed.data = std::move(w).take();
    events.push_back(std::move(failed));
  }
  if (!events.empty()) co_await keep(std::move(events));
}

Task<void> Suppressing::take_complaint(Event event, std::string mail) {
  const auto complaint =
      options_.read_complaint ? options_.read_complaint(mail) : std::optional<Complaint>();
  if (!complaint) co_return;
  const Origin origin = co_await origin_of_complaint(*complaint);
  if (looks_again_) co_return;
  if (!origin.message) {
    say(LogLevel::info, "complaint.unknown",
        fmt::format("{}: a complaint about mail that is not known here", event.message.text()));
    count_complaint("unknown");
    co_return;
  }
  const auto told = co_await told_by({event.message, EventKind::complained}, origin.message);
  if (looks_again_ || !told.empty()) co_return;
  Event complained;
  complained.kind = EventKind::complained;
  complained.message = origin.message;
  complained.at = parts_.world.loop.clock().now();
  if (!origin.recipient.empty()) complained.recipient = origin.recipient.text();
  JsonWriter w;
  w.object().key("stream").text(origin.stream).key("type").text(printable(complaint->type, 40));
  w.key(report_member(complained.kind)).text(event.message.text()).end();
  complained.data = std::move(w).take();
  std::vector<Event> one{std::move(complained)};
  if (co_await keep(std::move(one))) count_complaint("matched");
}

void Suppressing::count_complaint(std::string_view result) {
  parts_.metrics
      .counter("goniec_complaints_total", "Feedback reports about mail, known here or not",
               {{"result", std::string(result)}})
      .add();
}

// Mail to "unsubscribe+WORD@…": the word names a message that had one recipient.
Task<bool> Suppressing::take_wishes(Event event) {
  const auto data = JsonValue::parse(event.data);
  if (!data) co_return false;
  bool effect = false;
  for (const std::string& text : texts_at(*data, "recipients")) {
    const auto address = Address::parse(text);
    const auto message =
        address ? unsubscribed_message(parts_.links, *address) : std::optional<MessageId>();
    if (!message) continue;
    Origin origin = co_await origin_of(*message);
    if (!origin.message || origin.recipients.size() != 1) continue;
    Unsubscribe wish{origin.message, origin.stream, origin.recipients.front(), "mail"};
    const auto done = co_await unsubscribe(parts_.suppressions, parts_.world.loop, std::move(wish));
    if (!done) look_again_after(done.error());
    effect |= done.has_value();
  }
  co_return effect;
}

Task<bool> Suppressing::take_report(Event event) {
  const bool is_complaint = event.data.find(complaint_mark) != std::string::npos;
  if (!is_complaint && event.data.find(notification_mark) == std::string::npos) co_return false;
  auto mail = co_await whole_mail(event.message);
  if (looks_again_) co_return false;
  if (!mail) {
    say(LogLevel::warning, "report.unreadable",
        fmt::format("{}: warning: a report that cannot be read, or is too large",
                    event.message.text()));
    co_return false;
  }
  if (is_complaint) {
    co_await take_complaint(std::move(event), *std::move(mail));
  } else {
    co_await take_notification(std::move(event), *std::move(mail));
  }
  co_return true;
}

Task<bool> Suppressing::take(Event event) {
  switch (event.kind) {
    case EventKind::received:
      if (event.data.find(wish_mark) != std::string::npos)
        co_return co_await take_wishes(std::move(event));
      co_return co_await take_report(std::move(event));
    case EventKind::failed:
      co_return co_await take_failed(std::move(event));
    case EventKind::complained:
      co_return co_await take_complained(std::move(event));
    default:
      co_return false;
  }
}

// ---------------------------------------------------------------- following
Task<void> Suppressing::keep_position() {
  if (kept_position_ == position_) co_return;
  JsonWriter json;
  json.object().key("sequence").number(position_).end();
  const auto put = co_await parts_.committer.put_object(
      parts_.world.loop, ObjectPut{position_key, std::move(json).take()});
  if (put) kept_position_ = position_;
}

Task<bool> Suppressing::follow() {
  const auto after = position_;
  const auto limit = options_.events;
  auto events = co_await parts_.readers.read(parts_.world.loop, [after, limit](Reader& reader) {
    return reader.events_after(after, limit);
  });
  if (!events) co_return false;
  bool effect = false;
  for (Event& event : *events) {
    const std::uint64_t sequence = event.sequence;
    looks_again_ = false;
    effect |= co_await take(std::move(event));
    if (looks_again_) {  // the position stays before it
      if (effect) co_await keep_position();
      co_return false;
    }
    position_ = sequence;
    if (stopping_) break;
  }
  const bool is_due = !kept_position_ || position_ - *kept_position_ >= position_stride;
  if (effect || is_due) co_await keep_position();
  co_return !stopping_ && events->size() == options_.events;
}

// What was seen, or the end of the log the first time. Until it is known nothing is followed.
Task<bool> Suppressing::find_position() {
  while (!co_await read_position()) {
    co_await wait_for(options_.step);
    if (stopping_) co_return false;
  }
  co_return true;
}

Task<bool> Suppressing::read_position() {
  const auto kept = co_await parts_.readers.read(
      parts_.world.loop, [](Reader& reader) { return reader.object(position_key); });
  if (!kept && may_pass(kept.error())) co_return false;
  const auto json = kept && *kept ? JsonValue::parse(**kept) : Result<JsonValue>(JsonValue());
  if (kept && *kept && json) {
    position_ = static_cast<std::uint64_t>(json->integer_at("sequence"));
    kept_position_ = position_;
    co_return true;
  }
  const auto last = co_await parts_.readers.read(
      parts_.world.loop, [](Reader& reader) { return last_event_sequence(reader); });
  if (!last) co_return false;
  if (!kept || !json)
    say(LogLevel::error, "suppressing.position",
        fmt::format("error: how far the events were followed cannot be read ({}): from the end on, "
                    "bounces and complaints before {} are not seen",
                    kept ? json.error().message : kept.error().message, event_id_of(*last)));
  position_ = *last;
  co_await keep_position();
  co_return true;
}

Task<void> Suppressing::wait_for(Duration duration) {
  Loop& loop = parts_.world.loop;
  const Moment until = loop.clock().moment() + duration;
  loop.at(until, [woken = woken_] { woken->notify_all(); });
  while (!stopping_ && loop.clock().moment() < until) co_await woken_->wait();
}

void Suppressing::start() {
  running_ = true;
  spawn(run());
}

Task<void> Suppressing::run() {
  Loop& loop = parts_.world.loop;
  next_sweep_ = loop.clock().moment() + std::chrono::hours(1);
  const bool is_found = co_await find_position();
  while (!stopping_) {
    if (co_await follow()) continue;
    if (loop.clock().moment() >= next_sweep_) {
      next_sweep_ = loop.clock().moment() + std::chrono::minutes(1);
      const auto swept = co_await parts_.suppressions.sweep(loop, loop.clock().now());
      if (!swept || parts_.suppressions.swept_all())
        next_sweep_ = loop.clock().moment() + std::chrono::hours(1);
    }
    co_await wait_for(options_.step);
  }
  if (is_found) co_await keep_position();
  running_ = false;
  ended_.notify_all();
}

Task<void> Suppressing::stop() {
  stopping_ = true;
  woken_->notify_all();
  while (running_) co_await ended_.wait();
}

}  // namespace goniec
