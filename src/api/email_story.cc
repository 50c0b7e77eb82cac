// See email_story.h.
#include "api/email_story.h"

#include <algorithm>
#include <array>

#include "api/attempts.h"
#include "api/emails.h"
#include "api/event_list.h"
#include "api/event_page.h"
#include "api/explain.h"
#include "api/trace.h"
#include "base/text.h"
#include "mail/mime.h"
#include "mail/words.h"

namespace goniec {
namespace {

constexpr std::size_t shown_octets = 512 * 1024;  // of a text or HTML part

constexpr auto status_names = std::to_array<std::string_view>(
    {"queued", "scheduled", "deferred", "held", "bounced", "expired", "complained", "suppressed",
     "canceled", "delivered"});

// Resend's names, and ours where it has none.
std::string_view last_event_name(EventKind kind) {
  using enum EventKind;
  switch (kind) {
    case received:
    case released:
    case retried:
      return "queued";
    case delivered:
    case relayed:
      return "delivered";
    case deferred:
      return "delivery_delayed";
    case failed:
      return "bounced";
    case expired:
      return "failed";
    case held:
      return "held";
    case deleted:
    case canceled:
      return "canceled";
    case complained:
      return "complained";
    case opened:
      return "opened";
    case clicked:
      return "clicked";
    case unsubscribed:
      return "unsubscribed";
    case suppressed:
      return "suppressed";
    case rescheduled:
      return "scheduled";
    case delay_notice:
    case dsn_sent:
    case expanded:
    case suppression_added:
    case suppression_removed:
    case object_changed:
    case webhook_disabled:
      break;
  }
  return "";
}

std::optional<EmailStatus> status_after(EventKind kind) {
  using enum EventKind;
  switch (kind) {
    case delivered:
    case relayed:
      return EmailStatus::delivered;
    case deferred:
      return EmailStatus::deferred;
    case failed:
      return EmailStatus::bounced;
    case expired:
      return EmailStatus::expired;
    case held:
      return EmailStatus::held;
    case released:
    case retried:
      return EmailStatus::queued;
    case deleted:
    case canceled:
      return EmailStatus::canceled;
    case complained:
      return EmailStatus::complained;
    case suppressed:
      return EmailStatus::suppressed;
    default:
      return std::nullopt;
  }
}

bool is_over(EmailStatus status) {
  return status >= EmailStatus::bounced;
}

class StoryTeller {
 public:
  explicit StoryTeller(EmailStory& story) : story_(story) {}
  RecipientStory& of(std::string_view address) {
    const auto found = std::ranges::find(story_.recipients, address, &RecipientStory::address);
    if (found != story_.recipients.end()) return *found;
    RecipientStory fresh;
    fresh.address = address;
    story_.recipients.push_back(std::move(fresh));
    return story_.recipients.back();
  }
  void take(const Event& event) {
    const auto data = JsonValue::parse(event.data.empty() ? "{}" : event.data);
    if (!data) return;
    if (const auto name = last_event_name(event.kind); !name.empty()) story_.last_event = name;
    if (event.kind == EventKind::received) return take_received(event, *data);
    if (event.kind == EventKind::rescheduled)
      story_.scheduled = parse_rfc3339(data->text_at("next_at")).value_or(Instant{});
    if (event.kind == EventKind::expanded) return take_expanded(event, *data);
    const auto status = status_after(event.kind);
    if (!status) return;
    if (event.recipient.empty()) {
      for (auto& each : story_.recipients)
        if (!is_over(each.status)) each.status = *status;
      return;
    }
    RecipientStory& story = of(event.recipient);
    story.status = *status;
    story.known = true;
    if (is_attempt(event.kind)) take_attempt(story, event, *data);
  }
  void take(const Entry& entry, Instant now) {
    if (entry.state == EntryState::settled) return;
    for (const auto& each : entry.recipients) {
      if (each.state != RecipientState::queued) continue;
      RecipientStory& story = of(each.recipient.address.text());
      story.known = true;
      story.status = entry.state == EntryState::held ? EmailStatus::held
                     : each.tries > 0                ? EmailStatus::deferred
                     : entry.due > now               ? EmailStatus::scheduled
                                                     : EmailStatus::queued;
      if (entry.state != EntryState::held) story.next_attempt = entry.due;
      if (story.status == EmailStatus::scheduled) {
        story_.scheduled = entry.due;
        if (story_.last_event == "queued") story_.last_event = "scheduled";
      }
    }
  }
  // An envelope's recipient of whom nothing is told became another by an alias.
  void forget_unknown() {
    const bool any = std::ranges::any_of(story_.recipients, &RecipientStory::known);
    if (any) std::erase_if(story_.recipients, [](const auto& each) { return !each.known; });
  }

 private:
  void take_received(const Event& event, const JsonValue& data) {
    story_.received = event.data;
    story_.created = event.at;
    const auto list = data.at("recipients");
    for (const auto& each : list ? list->items() : std::vector<JsonValue>())
      of(each.text().value_or(""));
  }
  void take_expanded(const Event& event, const JsonValue& data) {
    std::erase_if(story_.recipients,
                  [&](const auto& each) { return each.address == event.recipient; });
    const auto list = data.at("to");
    for (const auto& each : list ? list->items() : std::vector<JsonValue>())
      of(each.text().value_or(""));
  }
  static void take_attempt(RecipientStory& story, const Event& event, const JsonValue& data) {
    story.attempts = std::max<std::int64_t>(story.attempts + 1, data.integer_at("tries"));
    story.last_reply = data.text_at("reply");
    story.host = data.text_at("site");
    story.phase = data.text_at("phase");
    story.last_attempt = event.at;
    story.next_attempt = parse_rfc3339(data.text_at("next_at")).value_or(Instant{});
    const auto tls = data.at("tls");
    story.tls = tls ? tls->dump() : "";
  }
  EmailStory& story_;
};

void text_or_null(JsonWriter& w, std::string_view key, std::string_view text) {
  w.key(key);
  if (text.empty())
    w.null();
  else
    w.text(text);
}

void time_or_null(JsonWriter& w, std::string_view key, Instant at) {
  text_or_null(w, key, at == Instant{} ? "" : to_rfc3339(at));
}

void write_recipient(JsonWriter& w, const RecipientStory& story, const BounceRules* rules,
                     Language language) {
  w.object().key("email").text(story.address).key("status").text(name_of(story.status));
  const auto at = story.address.rfind('@');
  w.key("domain").text(at == std::string::npos ? "" : story.address.substr(at + 1));
  w.key("attempts").number(story.attempts);
  text_or_null(w, "last_reply", story.last_reply);
  time_or_null(w, "last_attempt_at", story.last_attempt);
  time_or_null(w, "next_attempt_at", story.next_attempt);
  text_or_null(w, "host", story.host);
  w.key("tls");
  if (story.tls.empty())
    w.null();
  else
    w.raw(story.tls);
  w.key("explanation");
  if (story.is_refused()) {
    w.object();
    write_explanation(w, rules, refusal_of(story), language);
    w.end();
  } else {
    w.null();
  }
  w.end();
}

// What is read of a message at once, on a reader's thread.
struct ReadEmail {
  std::vector<Event> events;
  std::vector<Entry> entries;
  std::optional<std::string> message;  // nullopt: not kept, or not asked for
};
enum class WithMessage { yes, no };

Result<ReadEmail> read_email(Reader& reader, MessageId id, const Principal& who, WithMessage with) {
  ReadEmail out;
  out.events = TRY(reader.events_of(id));
  const auto received = out.events.empty() || out.events.front().kind != EventKind::received
                            ? Result<JsonValue>(fail(ErrorKind::not_found, ""))
                            : JsonValue::parse(out.events.front().data);
  if (!received || !may_see(who, *received))
    return fail(ErrorKind::not_found, "there is no such message");
  QueueFilter filter;
  filter.ids = {id};
  for (auto& item : TRY(reader.list(filter))) out.entries.push_back(std::move(item.entry));
  if (with == WithMessage::no) return out;
  auto message = read_message(reader, id);
  if (message) out.message = *std::move(message);
  return out;
}

struct FoundEmail : ReadEmail {
  MessageId id;
};
Task<ApiResult<FoundEmail>> find_email(ApiContext& context, const ApiCall& call, WithMessage with) {
  const auto id = CO_TRY(email_id_of(call.argument));
  auto read = co_await context.readers.read(context.world.loop,
                                            [id, with, who = call.principal](Reader& reader) {
                                              return read_email(reader, id, who, with);
                                            });
  if (!read) co_return std::unexpected(api_error(read.error()));
  co_return FoundEmail{*std::move(read), id};
}

// Those of the envelope that no field of the header names, when there is a header.
void write_addresses(JsonWriter& w, const JsonValue& received,
                     const std::optional<std::string>& message) {
  const auto block = message ? scan_header(*message, HeaderLimits{})
                             : Result<HeaderBlock>(fail(ErrorKind::not_found, ""));
  std::vector<std::string> named;
  const auto write = [&](std::string_view key, std::string_view field) {
    w.key(key).array();
    const HeaderField* found = block ? find_field(*block, field) : nullptr;
    for (const auto& mailbox : found ? parse_header_mailboxes(unfold(found->value)).mailboxes
                                     : std::vector<HeaderMailbox>()) {
      w.text(mailbox.address.text());
      if (field != "Reply-To") named.push_back(mailbox.address.text());
    }
    w.end();
  };
  const auto recipients = received.at("recipients");
  const auto all = recipients ? recipients->items() : std::vector<JsonValue>();
  if (block) {
    write("to", "To");
    write("cc", "Cc");
    write("reply_to", "Reply-To");
    w.key("bcc").array();
    for (const auto& each : all) {
      const auto text = each.text().value_or("");
      if (std::ranges::find(named, text) == named.end()) w.text(text);
    }
    w.end();
  } else {
    w.key("to").array();
    for (const auto& each : all) w.text(each.text().value_or(""));
    w.end();
    for (const std::string_view none : {"cc", "bcc", "reply_to"}) w.key(none).array().end();
  }
}

void write_tags(JsonWriter& w, const JsonValue& received) {
  w.key("tags").array();
  if (const auto tags = received.at("tags"))
    for (const auto& name : tags->keys())
      w.object().key("name").text(name).key("value").text(tags->text_at(name)).end();
  w.end().key("metadata");
  const auto metadata = received.at("metadata");
  w.raw(metadata ? metadata->dump() : "{}");
}

std::string email_json(const EmailStory& story, const std::optional<std::string>& message,
                       const BounceRules* rules, Language language) {
  const auto received = JsonValue::parse(story.received);
  CHECK(received.has_value());
  JsonWriter w;
  w.object().key("object").text("email").key("id").text(uuid_of(story.id));
  w.key("queue_id").text(story.id.text());
  w.key("message_id").text(fmt::format("<{}>", received->text_at("message_id")));
  w.key("from").text(received->text_at("from"));
  write_addresses(w, *received, message);
  w.key("subject").text(received->text_at("subject"));
  w.key("created_at").text(to_rfc3339(story.created));
  time_or_null(w, "scheduled_at", story.scheduled);
  w.key("last_event").text(story.last_event).key("status").text(name_of(story.status()));
  w.key("stream").text(received->text_at("stream"));
  write_tags(w, *received);
  w.key("size").number(received->integer_at("size"));
  w.key("sandbox").boolean(received->boolean_at("sandbox"));
  w.key("source").text(received->text_at("source"));
  const TextParts parts = message ? text_parts_of(*message) : TextParts{};
  for (const auto& [key, text] : {std::pair("html", &parts.html), std::pair("text", &parts.text)}) {
    w.key(key);
    if (*text)
      w.text(**text);
    else
      w.null();
  }
  w.key("body_kept").boolean(message.has_value());
  w.key("has_attachment").boolean(std::ranges::any_of(parts.parts, [](const TextParts::Part& part) {
    return !part.file_name.empty();
  }));
  w.key("recipients").array();
  for (const auto& each : story.recipients) write_recipient(w, each, rules, language);
  w.end().end();
  return std::move(w).take();
}

}  // namespace

std::string_view name_of(EmailStatus status) {
  return status_names.at(static_cast<std::size_t>(status));
}

bool RecipientStory::is_refused() const {
  using enum EmailStatus;
  return !last_reply.empty() &&
         (status == deferred || status == bounced || status == expired || status == held);
}

EmailStatus EmailStory::status() const {
  if (recipients.empty()) return EmailStatus::queued;
  const auto least = std::ranges::min_element(recipients, {}, &RecipientStory::status);
  return least->status;
}

std::optional<EmailStory> story_of(MessageId id, const std::vector<Event>& events,
                                   const std::vector<Entry>& entries, Instant now) {
  EmailStory story;
  story.id = id;
  StoryTeller teller(story);
  for (const auto& event : events) teller.take(event);
  if (story.received.empty()) return std::nullopt;
  for (const auto& entry : entries) teller.take(entry, now);
  teller.forget_unknown();
  return story;
}

bool may_see(const Principal& principal, const JsonValue& received) {
  if (!principal.key) return true;
  const ApiKey& key = *principal.key;
  if (!key.stream.empty() && received.text_at("stream") != key.stream) return false;
  if (key.domain.empty()) return true;
  const auto from = Address::parse(received.text_at("from"));
  return from && is_or_is_below(from->domain(), key.domain);
}

Result<std::string> read_message(Reader& reader, MessageId id) {
  auto content = reader.content(id);
  if (!content) return fail(ErrorKind::not_found, "the body of this message is no longer kept");
  std::string out = content->prepend + content->header;
  for (std::uint32_t number = 0; number < content->body_chunks; ++number)
    out += TRY(reader.chunk(id, number));
  return out;
}

TextParts text_parts_of(std::string_view message) {
  TextParts out;
  for (const MimePart& part : scan_mime(message).parts) {
    if (part.is_multipart() || part.holds_message) continue;
    TextParts::Part told;
    told.type = part.type;
    told.file_name = part.file_name;
    told.octets = part.body_end - part.body_begin;
    const auto header = scan_header(
        message.substr(part.header_begin, part.body_begin - part.header_begin), HeaderLimits{});
    if (const auto* id = header ? find_field(*header, "Content-ID") : nullptr)
      told.content_id = message_id_of(unfold(id->value));
    out.parts.push_back(std::move(told));
    auto& into = part.type == "text/html" ? out.html : out.text;
    const bool wanted = (part.type == "text/html" || part.type == "text/plain") && !into &&
                        part.disposition != "attachment";
    if (!wanted) continue;
    std::string raw(message.substr(part.body_begin, part.body_end - part.body_begin));
    if (raw.size() > 2 * shown_octets) {
      raw.resize(2 * shown_octets);
      out.truncated = true;
    }
    const auto decoded = decode_transfer(part.encoding, raw);
    std::string text =
        to_utf8(part.charset.empty() ? "utf-8" : part.charset, decoded).value_or(decoded);
    if (text.size() > shown_octets) {
      std::size_t end = shown_octets;
      while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
      text.resize(end);
      out.truncated = true;
    }
    into = std::move(text);
  }
  return out;
}

Task<ApiResult<EmailStory>> find_story(ApiContext& context, Principal who, MessageId id) {
  const auto read = co_await context.readers.read(context.world.loop, [id, who](Reader& reader) {
    return read_email(reader, id, who, WithMessage::no);
  });
  if (!read) co_return std::unexpected(api_error(read.error()));
  auto story = story_of(id, read->events, read->entries, context.world.loop.clock().now());
  if (!story) co_return std::unexpected(ApiError{404, "not_found", "there is no such message", {}});
  co_return *std::move(story);
}

Task<ApiReply> show_email(ApiContext& context, ApiCall call) {
  const auto read = co_await find_email(context, call, WithMessage::yes);
  if (!read) co_return error_reply(read.error());
  const auto story =
      story_of(read->id, read->events, read->entries, context.world.loop.clock().now());
  if (!story) co_return error_reply(ApiError{404, "not_found", "there is no such message", {}});
  co_return ApiReply{
      200, "application/json",
      email_json(*story, read->message, rules_of(context).get(), language_of(call)) + "\n"};
}

Task<ApiReply> list_email_events(ApiContext& context, ApiCall call) {
  const auto read = co_await find_email(context, call, WithMessage::no);
  if (!read) co_return error_reply(read.error());
  call.query = {{"email_id", uuid_of(read->id)}, {"order", "asc"}, {"limit", "1000"}};
  co_return co_await list_event_views(context, std::move(call));
}

Task<ApiReply> show_email_trace(ApiContext& context, ApiCall call) {
  const auto read = co_await find_email(context, call, WithMessage::no);
  if (!read) co_return error_reply(read.error());
  co_return ApiReply{200, "application/json",
                     trace_json(read->id, read->events, read->entries) + "\n"};
}

Task<ApiReply> show_email_transcript(ApiContext& context, ApiCall call) {
  const auto read = co_await find_email(context, call, WithMessage::no);
  if (!read) co_return error_reply(read.error());
  auto attempts = attempts_of(read->events);
  std::vector<KeptTranscript> kept;
  if (context.transcripts && !attempts.empty()) {
    std::vector<Instant> ended;
    for (const auto& each : attempts) ended.push_back(each.at);
    auto found = co_await context.world.offload.run(
        context.world.loop, [log = context.transcripts, id = read->id, ended = std::move(ended)] {
          return log->of(id, ended);
        });
    if (!found) co_return error_reply(api_error(found.error()));
    if (!*found) co_return error_reply(api_error(found->error()));
    kept = *std::move(*found);
  }
  find_conversations(attempts, kept);
  JsonWriter w;
  w.object().key("attempts").array();
  for (const auto& attempt : attempts) write_attempt(w, attempt);
  w.end().end();
  co_return json_reply(std::move(w));
}

namespace {

Task<ApiResult<std::string>> message_of(ApiContext& context, const ApiCall& call) {
  auto read = CO_TRY(co_await find_email(context, call, WithMessage::yes));
  if (!read.message)
    co_return std::unexpected(
        ApiError{404, "not_found", "the body of this message is no longer kept", {}});
  co_return *std::move(read.message);
}

}  // namespace

Task<ApiReply> show_email_headers(ApiContext& context, ApiCall call) {
  const auto message = co_await message_of(context, call);
  if (!message) co_return error_reply(message.error());
  const auto block = scan_header(*message, HeaderLimits{});
  JsonWriter w;
  w.object().key("data").array();
  for (const auto& field : block ? block->fields : std::vector<HeaderField>())
    w.object().key("name").text(field.name).key("value").text(unfold(field.value)).end();
  w.end().end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> show_email_content(ApiContext& context, ApiCall call) {
  const auto message = co_await message_of(context, call);
  if (!message) co_return error_reply(message.error());
  const TextParts parts = text_parts_of(*message);
  JsonWriter w;
  w.object();
  for (const auto& [key, text] : {std::pair("text", &parts.text), std::pair("html", &parts.html)}) {
    w.key(key);
    if (*text)
      w.text(**text);
    else
      w.null();
  }
  w.key("parts").array();
  for (const auto& part : parts.parts) {
    w.object().key("content_type").text(part.type).key("size").number(part.octets);
    if (!part.file_name.empty()) w.key("filename").text(part.file_name);
    if (!part.content_id.empty()) w.key("content_id").text(part.content_id);
    w.end();
  }
  w.end().key("truncated").boolean(parts.truncated).end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> show_email_raw(ApiContext& context, ApiCall call) {
  auto message = co_await message_of(context, call);
  if (!message) co_return error_reply(message.error());
  ApiReply reply{200, "message/rfc822", *std::move(message)};
  reply.headers.emplace_back("Content-Disposition", "attachment; filename=\"message.eml\"");
  co_return reply;
}

}  // namespace goniec
