// Sending and changing (emails.h).
#include "api/emails.h"

#include <algorithm>

#include "api/body.h"
#include "api/email_story.h"
#include "api/queue_calls.h"
#include "api/search_query.h"
#include "base/digest.h"
#include "base/text.h"
#include "intake/idempotency.h"
#include "mail/header.h"
#include "mail/priority.h"

namespace goniec {
namespace {

constexpr std::size_t batch_most = 100;
constexpr std::size_t recipients_a_field = 50;

const std::vector<std::string>& email_members() {
  static const std::vector<std::string> members = {
      "from",     "to",           "cc",      "bcc",         "reply_to", "subject",
      "html",     "text",         "headers", "attachments", "tags",     "template",
      "metadata", "scheduled_at", "stream",  "track",       "pool",     "priority",
      "envelope", "expires_at",   "raw",     "sandbox"};
  return members;
}

ApiResult<std::vector<HeaderMailbox>> mailboxes_at(const JsonValue& object, std::string_view name,
                                                   std::string_view path) {
  const auto texts = TRY(texts_member(object, name, path));
  const auto where = member_path(path, name);
  std::vector<HeaderMailbox> out;
  for (std::size_t at = 0; at < texts.size(); ++at) {
    auto read = parse_mailboxes(texts[at]);
    if (read && read->empty()) read = fail(ErrorKind::bad_data, "an empty text is no address");
    if (!read) return refuse_field(fmt::format("{}[{}]", where, at), read.error().message);
    for (auto& mailbox : *read) out.push_back(std::move(mailbox));
  }
  if (out.size() > recipients_a_field)
    return refuse_field(
        where, fmt::format("{} addresses, the limit is {}", out.size(), recipients_a_field));
  return out;
}

// Node's Buffer as JSON.stringify writes it: {"type":"Buffer","data":[104,105]}.
std::optional<std::string> octets_of_buffer(const std::optional<JsonValue>& content) {
  if (!content || content->text_at("type") != "Buffer") return std::nullopt;
  const auto data = content->at("data");
  if (!data || !data->is_array()) return std::nullopt;
  std::string octets;
  for (const auto& each : data->items()) {
    const auto octet = each.integer();
    if (!octet || *octet < 0 || *octet > 255) return std::nullopt;
    octets += static_cast<char>(*octet);
  }
  return octets;
}

ApiResult<OutgoingAttachment> attachment_of(const JsonValue& object, const std::string& path) {
  const auto bad = [](std::string field, std::string message) {
    return std::unexpected(
        ApiError{422, "invalid_attachment", std::move(message), std::move(field)});
  };
  if (!object.is_object()) return bad(path, "an object is wanted");
  if (member(object, "path"))
    return bad(path + ".path", "this server fetches nothing; give \"content\" in base64");
  TRY(only_known(object, {"filename", "content", "content_type", "content_id"}, path));
  OutgoingAttachment out;
  out.name = TRY(required_text(object, "filename", path));
  out.content_type = TRY(text_member(object, "content_type", path)).value_or("");
  out.content_id = TRY(text_member(object, "content_id", path)).value_or("");
  out.is_inline = !out.content_id.empty();
  if (auto octets = octets_of_buffer(object.at("content"))) {
    out.octets = std::move(*octets);
    return out;
  }
  const auto content = TRY(text_member(object, "content", path));
  if (!content) return bad(path + ".content", "\"content\" is missing");
  auto octets = from_base64(*content);
  if (!octets) return bad(path + ".content", "it is not base64");
  out.octets = *std::move(octets);
  return out;
}

ApiResult<std::vector<std::pair<std::string, std::string>>> tags_of(const JsonValue& object,
                                                                    std::string_view path) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto list = member(object, "tags");
  if (!list) return out;
  const auto where = member_path(path, "tags");
  if (!list->is_array()) return refuse_field(where, "a list of {name, value} is wanted");
  for (const auto& item : list->items()) {
    const auto each = fmt::format("{}[{}]", where, out.size());
    if (!item.is_object()) return refuse_field(each, "{name, value} is wanted");
    TRY(only_known(item, {"name", "value"}, each));
    auto name = TRY(required_text(item, "name", each));
    out.emplace_back(std::move(name), TRY(required_text(item, "value", each)));
  }
  return out;
}

ApiResult<EnvelopeOverride> envelope_of(const JsonValue& object, std::string_view path) {
  EnvelopeOverride out;
  const auto envelope = member(object, "envelope");
  if (!envelope) return out;
  const auto where = member_path(path, "envelope");
  if (!envelope->is_object()) return refuse_field(where, "an object is wanted");
  TRY(only_known(*envelope, {"from", "dsn"}, where));
  if (const auto from = TRY(text_member(*envelope, "from", where))) {
    auto address =
        from->empty() || *from == "<>" ? Result<Address>(Address()) : Address::parse(*from);
    if (!address) return refuse_field(where + ".from", address.error().message);
    out.from = *std::move(address);
  }
  const auto dsn = member(*envelope, "dsn");
  if (!dsn) return out;
  const auto inside = where + ".dsn";
  if (!dsn->is_object()) return refuse_field(inside, "an object is wanted");
  TRY(only_known(*dsn, {"notify", "ret", "envid"}, inside));
  if (const auto notify = TRY(text_member(*dsn, "notify", inside))) {
    for (const auto part : split(*notify, ',')) {
      const auto word = to_lower(trim(part));
      out.notify.never |= word == "never";
      out.notify.success |= word == "success";
      out.notify.failure |= word == "failure";
      out.notify.delay |= word == "delay";
      if (word != "never" && word != "success" && word != "failure" && word != "delay")
        return refuse_field(inside + ".notify", "success, failure, delay or never is wanted");
    }
    // RFC 3461 §4.1.
    if (out.notify.never && (out.notify.success || out.notify.failure || out.notify.delay))
      return refuse_field(inside + ".notify", "\"never\" stands alone");
  }
  if (const auto ret = TRY(text_member(*dsn, "ret", inside))) {
    if (*ret != "full" && *ret != "headers")
      return refuse_field(inside + ".ret", "full or headers is wanted");
    out.ret = *ret == "full" ? DsnReturn::full : DsnReturn::headers;
  }
  out.envelope_id = TRY(text_member(*dsn, "envid", inside)).value_or("");
  return out;
}

ApiResult<> read_options(const JsonValue& object, std::string_view path, SendOptions& options) {
  options.stream = TRY(text_member(object, "stream", path)).value_or("");
  options.pool = TRY(text_member(object, "pool", path)).value_or("");
  options.tags = TRY(tags_of(object, path));
  options.metadata = TRY(pairs_member(object, "metadata", path));
  options.sandbox = TRY(flag_member(object, "sandbox", path)).value_or(false);
  options.send_at = TRY(time_member(object, "scheduled_at", path)).value_or(Instant{});
  options.expires_at = TRY(time_member(object, "expires_at", path)).value_or(Instant{});
  if (const auto track = member(object, "track")) {
    const auto where = member_path(path, "track");
    if (!track->is_object()) return refuse_field(where, "an object is wanted");
    TRY(only_known(*track, {"opens", "clicks"}, where));
    options.track_opens = TRY(flag_member(*track, "opens", where));
    options.track_clicks = TRY(flag_member(*track, "clicks", where));
  }
  if (const auto priority = TRY(text_member(object, "priority", path));
      priority && !mail_priority_of(*priority))
    return refuse_field(member_path(path, "priority"), "high, normal or bulk is wanted");
  return {};
}

// ---------------------------------------------------------------- once
// Of each message and each of its parts (api/outgoing.h) a record.
struct Once {
  std::vector<std::vector<std::string>> names;  // of the records; empty: the call has no key
  std::string fingerprint;
  Idempotency::Claim claim;
  std::vector<std::vector<std::optional<MessageId>>> known;  // what the same call sent before
  bool is_known(std::size_t at) const {
    return std::ranges::all_of(known[at], [](const auto& id) { return id.has_value(); });
  }
};

std::unexpected<ApiError> conflict(std::string name, std::string message) {
  return std::unexpected(ApiError{409, std::move(name), std::move(message), {}});
}

// `parts`: how many each message has.
Task<ApiResult<Once>> begin_once(ApiContext& context, const ApiCall& call,
                                 const std::string& fingerprint, std::vector<std::size_t> parts) {
  Once once;
  for (const std::size_t count : parts) once.known.emplace_back(count);
  const auto key = call.header("idempotency-key");
  if (key.empty()) co_return once;
  if (!is_idempotency_key(key))
    co_return std::unexpected(ApiError{400,
                                       "invalid_idempotency_key",
                                       "an Idempotency-Key has 1 to 256 printable characters",
                                       {}});
  const auto owner = call.principal.submitter();
  std::vector<std::string> all;
  for (std::size_t at = 0; at < parts.size(); ++at) {
    auto& names = once.names.emplace_back();
    for (std::size_t part = 0; part < parts[at]; ++part)
      names.push_back(idempotency_name(owner, call.path, key, at + part * batch_most));
    all.insert(all.end(), names.begin(), names.end());
  }
  once.fingerprint = fingerprint;
  once.claim = context.idempotency.claim(all.front());
  if (!once.claim)
    co_return conflict("concurrent_idempotent_requests",
                       "a call with this Idempotency-Key is still under way");
  auto found = co_await context.idempotency.find(context.world.loop, std::move(all));
  if (!found) co_return std::unexpected(api_error(found.error()));
  auto record = found->begin();
  for (auto& known : once.known) {
    for (auto& id : known) {
      if (*record && (*record)->fingerprint != fingerprint)
        co_return conflict("invalid_idempotent_request",
                           "this Idempotency-Key was used with another body");
      if (*record) id = (*record)->message;
      ++record;
    }
  }
  co_return once;
}

// ---------------------------------------------------------------- one message of a batch
struct Sending {
  std::size_t open = 0;
  Signal changed;
  std::vector<MessageId> ids;
  std::vector<std::vector<std::string>> left_out;
  std::vector<std::vector<MessageId>> others;
  std::optional<ApiError> error;
};

Task<void> send_into(ApiContext& context, const Principal& principal, OutgoingEmail email,
                     SendDoor door, std::size_t at, Sending& sending) {
  auto sent = co_await send_email(context, principal, std::move(email), std::move(door));
  if (sent) {
    sending.ids[at] = sent->id;
    sending.others[at] = std::move(sent->others);
    for (const LeftOut& each : sent->suppressed)
      sending.left_out[at].push_back(each.recipient.address.text());
  } else if (!sending.error) {
    sending.error = sent.error();
  }
  --sending.open;
  sending.changed.notify_all();
}

// Of what a call sent before, for its repetition.
Result<std::vector<std::string>> left_out_of(Reader& reader, MessageId id) {
  std::vector<std::string> left_out;
  for (const Event& event : TRY(reader.events_of(id)))
    if (event.kind == EventKind::suppressed) left_out.push_back(event.recipient);
  return left_out;
}

// ---------------------------------------------------------------- reading a body
struct ReadBody {
  std::string body;
  bool batch = false;
  const Templates* templates = nullptr;
  ApiResult<std::vector<OutgoingEmail>> operator()() const;
};

ApiResult<std::vector<OutgoingEmail>> ReadBody::operator()() const {
  const auto json = JsonValue::parse(body);
  if (!json) return std::unexpected(api_error(json.error()));
  std::vector<OutgoingEmail> emails;
  if (!batch) {
    emails.push_back(TRY(native_email_of(*json, {}, templates)));
    return emails;
  }
  if (!json->is_array()) return refuse_field("", "a list of messages is wanted");
  const auto items = json->items();
  if (items.empty() || items.size() > batch_most)
    return refuse_field("", fmt::format("1 to {} messages are wanted", batch_most));
  for (std::size_t at = 0; at < items.size(); ++at)
    emails.push_back(TRY(native_email_of(items[at], fmt::format("[{}]", at), templates)));
  return emails;
}

Task<ApiResult<std::vector<OutgoingEmail>>> read_body(ApiContext& context, std::string body,
                                                      bool batch) {
  const auto octets = body.size();
  co_return CO_TRY(
      co_await work_on(context, octets, ReadBody{std::move(body), batch, &context.templates}));
}

void write_sent(JsonWriter& w, const SentAll& sent, std::size_t at) {
  w.object().key("id").text(uuid_of(sent.ids[at]));
  if (!sent.others[at].empty()) {
    w.key("ids").array().text(uuid_of(sent.ids[at]));
    for (const MessageId id : sent.others[at]) w.text(uuid_of(id));
    w.end();
  }
  if (!sent.left_out[at].empty()) {
    w.key("suppressed").array();
    for (const auto& each : sent.left_out[at]) w.text(each);
    w.end();
  }
  w.end();
}

Task<ApiReply> send_body(ApiContext& context, ApiCall call, bool batch) {
  call.body_digest = std::string(view(sha256(call.body)));
  auto emails = co_await read_body(context, std::exchange(call.body, {}), batch);
  if (!emails) co_return error_reply(emails.error());
  auto sent = co_await send_all(context, call, *std::move(emails));
  if (!sent) co_return error_reply(sent.error());
  JsonWriter w;
  if (batch) w.object().key("data").array();
  for (std::size_t at = 0; at < sent->ids.size(); ++at) write_sent(w, *sent, at);
  if (batch) w.end().end();
  auto reply = json_reply(std::move(w));
  if (sent->replayed) reply.headers.emplace_back("Idempotent-Replayed", "true");
  co_return reply;
}

// ---------------------------------------------------------------- changing
ApiReply changed_reply(MessageId id, std::size_t changed) {
  JsonWriter w;
  w.object().key("object").text("email").key("id").text(uuid_of(id));
  w.key("changed").number(changed).end();
  return json_reply(std::move(w));
}

// Who only sends changes what it sent; who manages, what its key may see.
bool may_change(const Principal& who, const JsonValue& received) {
  if (received.text_at("submitter") == who.submitter()) return true;
  return who.may(KeyScope::manage) && may_see(who, received);
}

// What of a message still waits. A message nobody knows is 404, as is one that the caller may not
// change; one that is settled 409.
Task<ApiResult<std::vector<QueueItem>>> waiting_of(ApiContext& context, const ApiCall& call,
                                                   MessageId id) {
  QueueFilter filter;
  filter.ids = {id};
  auto items = co_await context.queue.list(context.world.loop, filter);
  if (!items) co_return std::unexpected(api_error(items.error()));
  const auto events = co_await context.readers.read(
      context.world.loop, [id](Reader& reader) { return reader.events_of(id); });
  if (!events) co_return std::unexpected(api_error(events.error()));
  const bool is_told = !events->empty() && events->front().kind == EventKind::received;
  const auto received = JsonValue::parse(is_told ? events->front().data : "{}");
  if (received && may_change(call.principal, *received)) {
    if (!items->empty()) co_return *std::move(items);
    if (is_told) co_return conflict("validation_error", "nothing of this message waits any more");
  }
  co_return std::unexpected(ApiError{404, "not_found", "there is no such message", {}});
}

// The message as it was taken in, to be sent once more to whom it went.
Result<OutgoingEmail> sent_before(Reader& reader, MessageId id, const Principal& who) {
  const auto events = TRY(reader.events_of(id));
  const auto unknown = fail(ErrorKind::not_found, "there is no such message");
  if (events.empty() || events.front().kind != EventKind::received) return unknown;
  const auto data = TRY(JsonValue::parse(events.front().data));
  if (!may_change(who, data)) return unknown;
  auto content = reader.content(id);
  if (!content) return fail(ErrorKind::not_found, "the body of this message is no longer kept");
  OutgoingEmail email;
  const auto block = TRY(scan_header(content->header, HeaderLimits{}));
  for (const HeaderField& field : block.fields) {
    if (equal_ignoring_case(field.name, "From")) {
      const auto from = parse_header_mailboxes(unfold(field.value)).mailboxes;
      if (!from.empty()) email.from = from.front();
    }
    if (equal_ignoring_case(field.name, "Date") || equal_ignoring_case(field.name, "Message-ID"))
      continue;
    email.raw += field.whole;
  }
  email.raw += "\r\n";
  for (std::uint32_t number = 0; number < content->body_chunks; ++number)
    email.raw += TRY(reader.chunk(id, number));
  if (const auto from = Address::parse(data.text_at("from"))) email.envelope.from = *from;
  const auto list = data.at("recipients");
  for (const auto& each : list ? list->items() : std::vector<JsonValue>())
    if (const auto address = Address::parse(each.text().value_or("")))
      email.to.push_back({"", *address});
  email.options.stream = data.text_at("stream");
  email.options.sandbox = data.boolean_at("sandbox");
  return email;
}

// {"id" or "alias", "variables", "language"}: what it gives stands where the body says nothing.
ApiResult<> fill_in(const JsonValue& form, const std::string& path, const Templates* templates,
                    OutgoingEmail& email) {
  if (!form.is_object()) return refuse_field(path, "an object is wanted");
  TRY(only_known(form, {"id", "alias", "variables", "language"}, path));
  if (email.html || email.text)
    return refuse_field(path, "html and text are the template's, not given beside it");
  const auto id = TRY(text_member(form, "id", path)), alias = TRY(text_member(form, "alias", path));
  const auto name = id.value_or(alias.value_or(""));
  const auto found = templates ? templates->find(name) : std::nullopt;
  if (!found) return refuse_field(path + (id ? ".id" : ".alias"), "there is no such template");
  auto model = member(form, "variables");
  if (!model) model = *JsonValue::parse("{}");
  if (!model->is_object()) return refuse_field(path + ".variables", "an object is wanted");
  const auto language = TRY(text_member(form, "language", path)).value_or("");
  auto filled = templates->fill(*found, Templates::Which::published, language, *model);
  if (!filled) return refuse_field(path, filled.error().message);
  if (email.subject.empty()) email.subject = std::move(filled->content.subject);
  if (!filled->content.html.empty()) email.html = std::move(filled->content.html);
  if (!filled->content.text.empty()) email.text = std::move(filled->content.text);
  if (email.reply_to.empty() && !found->reply_to.empty()) {
    auto list = parse_mailboxes(found->reply_to);
    if (!list) return refuse_field(path, "reply_to of the template: " + list.error().message);
    email.reply_to = std::move(*list);
  }
  return {};
}

std::size_t waiting_recipients(const Entry& entry) {
  return static_cast<std::size_t>(
      std::ranges::count(entry.recipients, RecipientState::queued,
                         [](const EntryRecipient& each) { return each.state; }));
}

}  // namespace

ApiResult<MessageId> email_id_of(std::string_view text) {
  if (const auto id = parse_email_id(text)) return *id;
  return std::unexpected(
      ApiError{404, "not_found", fmt::format("{} is no id of a message", printable(text, 60)), {}});
}

ApiResult<OutgoingEmail> native_email_of(const JsonValue& object, std::string_view path,
                                         const Templates* templates) {
  if (!object.is_object()) return refuse_field(std::string(path), "a JSON object is wanted");
  TRY(only_known(object, email_members(), path));
  OutgoingEmail email;
  const auto from = TRY(required_text(object, "from", path));
  auto mailbox = parse_mailbox(from);
  if (!mailbox)
    return std::unexpected(
        ApiError{422, "invalid_from_address", mailbox.error().message, member_path(path, "from")});
  email.from = *std::move(mailbox);
  email.to = TRY(mailboxes_at(object, "to", path));
  if (email.to.empty())
    return std::unexpected(
        ApiError{422, "missing_required_field", "\"to\" is missing", member_path(path, "to")});
  email.cc = TRY(mailboxes_at(object, "cc", path));
  email.bcc = TRY(mailboxes_at(object, "bcc", path));
  email.reply_to = TRY(mailboxes_at(object, "reply_to", path));
  email.subject = TRY(text_member(object, "subject", path)).value_or("");
  email.html = TRY(text_member(object, "html", path));
  email.text = TRY(text_member(object, "text", path));
  email.headers = TRY(pairs_member(object, "headers", path));
  if (const auto list = member(object, "attachments")) {
    const auto where = member_path(path, "attachments");
    if (!list->is_array()) return refuse_field(where, "a list is wanted");
    for (const auto& item : list->items())
      email.attachments.push_back(
          TRY(attachment_of(item, fmt::format("{}[{}]", where, email.attachments.size()))));
  }
  email.envelope = TRY(envelope_of(object, path));
  TRY(read_options(object, path, email.options));
  if (const auto raw = TRY(text_member(object, "raw", path))) {
    for (const std::string_view other :
         {"subject", "html", "text", "headers", "attachments", "reply_to", "template"})
      if (member(object, other))
        return refuse_field(member_path(path, other), "\"raw\" is the whole message");
    auto octets = from_base64(*raw);
    if (!octets || octets->empty())
      return refuse_field(member_path(path, "raw"), "a message in base64 is wanted");
    email.raw = *std::move(octets);
  }
  // It goes as the field that programs without this API use (intake/option_fields.h).
  if (const auto priority = TRY(text_member(object, "priority", path))) {
    if (email.raw.empty())
      email.headers.emplace_back("X-Queue-Priority", *priority);
    else
      email.raw.insert(0, fmt::format("X-Queue-Priority: {}\r\n", *priority));
  }
  if (const auto form = member(object, "template"))
    TRY(fill_in(*form, member_path(path, "template"), templates, email));
  return email;
}

Task<ApiResult<SentAll>> send_all(ApiContext& context, const ApiCall& call,
                                  std::vector<OutgoingEmail> emails, MessageId parent) {
  std::vector<std::size_t> parts;
  for (const auto& email : emails) parts.push_back(parts_of(context, call.principal, email));
  Once once = CO_TRY(co_await begin_once(context, call, call.body_digest, std::move(parts)));
  SentAll all;
  all.replayed = true;
  for (std::size_t at = 0; at < emails.size(); ++at) {
    if (once.is_known(at)) continue;
    all.replayed = false;
    auto checked = check_email(context, call.principal, emails[at]);
    if (checked) continue;
    ApiError error = checked.error();
    if (emails.size() > 1) error.field = member_path(fmt::format("[{}]", at), error.field);
    co_return std::unexpected(std::move(error));
  }
  Sending sending;
  sending.ids.resize(emails.size());
  sending.left_out.resize(emails.size());
  sending.others.resize(emails.size());
  const Instant now = context.world.loop.clock().now();
  for (std::size_t at = 0; at < emails.size(); ++at) {
    for (const auto& known : once.known[at]) {
      if (!known) continue;
      auto before = co_await context.readers.read(
          context.world.loop, [id = *known](Reader& reader) { return left_out_of(reader, id); });
      if (before) std::ranges::move(*before, std::back_inserter(sending.left_out[at]));
    }
    if (once.is_known(at)) {
      sending.ids[at] = *once.known[at].front();
      for (std::size_t part = 1; part < once.known[at].size(); ++part)
        sending.others[at].push_back(*once.known[at][part]);
      continue;
    }
    SendDoor door{.remote = call.remote, .secure = call.secure, .parent = parent};
    door.known = once.known[at];
    if (!once.names.empty())
      door.objects = [names = once.names[at], fingerprint = once.fingerprint,
                      end = idempotency_end(now, emails[at].options.send_at)](std::size_t part,
                                                                              MessageId id) {
        return std::vector{to_object(names.at(part), {fingerprint, id, end})};
      };
    ++sending.open;
    spawn(send_into(context, call.principal, std::move(emails[at]), std::move(door), at, sending));
  }
  while (sending.open > 0) co_await sending.changed.wait();
  if (sending.error) co_return std::unexpected(*sending.error);
  all.ids = std::move(sending.ids);
  all.left_out = std::move(sending.left_out);
  all.others = std::move(sending.others);
  co_return all;
}

Task<ApiReply> send_one(ApiContext& context, ApiCall call) {
  return send_body(context, std::move(call), false);
}

Task<ApiReply> send_batch(ApiContext& context, ApiCall call) {
  return send_body(context, std::move(call), true);
}

Task<ApiReply> reschedule_email(ApiContext& context, ApiCall call) {
  const auto id = email_id_of(call.argument);
  if (!id) co_return error_reply(id.error());
  const auto json = body_object(call.body, {"scheduled_at"});
  if (!json) co_return error_reply(json.error());
  const auto at = time_member(*json, "scheduled_at");
  if (!at) co_return error_reply(at.error());
  if (!*at)
    co_return error_reply(ApiError{.name = "missing_required_field",
                                   .message = "\"scheduled_at\" is missing",
                                   .field = "scheduled_at"});
  const Instant now = context.world.loop.clock().now();
  if (**at > now + std::chrono::days(90))
    co_return error_reply(ApiError{.message = "more than 90 days ahead", .field = "scheduled_at"});
  const auto items = co_await waiting_of(context, call, *id);
  if (!items) co_return error_reply(items.error());
  std::size_t changed = 0;
  for (const auto& item : *items) {
    if (queue_state_of(item.message, item.entry, now) != "scheduled") continue;
    const auto done = co_await context.queue.reschedule(
        context.world.loop, item, std::max(now, **at),
        changed == 0 ? Queue::Telling::event : Queue::Telling::none);
    if (!done) co_return error_reply(api_error(done.error()));
    changed += waiting_recipients(item.entry);
  }
  if (changed == 0)
    co_return error_reply(ApiError{409, "validation_error", "it is under way already", {}});
  co_return changed_reply(*id, changed);
}

Task<ApiReply> cancel_email(ApiContext& context, ApiCall call) {
  const auto id = email_id_of(call.argument);
  if (!id) co_return error_reply(id.error());
  const auto items = co_await waiting_of(context, call, *id);
  if (!items) co_return error_reply(items.error());
  std::size_t changed = 0;
  std::optional<Error> error;
  for (const auto& item : *items) {
    const auto done =
        co_await context.queue.cancel(context.world.loop, item, "canceled by its sender");
    if (done)
      changed += waiting_recipients(item.entry);
    else
      error = done.error();
  }
  if (changed == 0 && error) co_return error_reply(api_error(*error));
  co_return changed_reply(*id, changed);
}

// As a new message: Date and Message-ID are made anew, or receivers would take it for the first.
Task<ApiReply> resend_email(ApiContext& context, ApiCall call) {
  const auto id = email_id_of(call.argument);
  if (!id) co_return error_reply(id.error());
  const auto json = body_object(call.body, {"to"});
  if (!json) co_return error_reply(json.error());
  auto to = mailboxes_at(*json, "to", "");
  if (!to) co_return error_reply(to.error());
  const auto first = co_await context.readers.read(
      context.world.loop,
      [who = call.principal, id = *id](Reader& reader) { return sent_before(reader, id, who); });
  if (!first) co_return error_reply(api_error(first.error()));
  OutgoingEmail email = *first;
  if (!to->empty()) email.to = *std::move(to);
  std::vector<OutgoingEmail> emails;
  emails.push_back(std::move(email));
  call.body_digest = std::string(view(sha256(call.body)));
  auto sent = co_await send_all(context, call, std::move(emails), *id);
  if (!sent) co_return error_reply(sent.error());
  JsonWriter w;
  write_sent(w, *sent, 0);
  auto reply = json_reply(std::move(w));
  if (sent->replayed) reply.headers.emplace_back("Idempotent-Replayed", "true");
  co_return reply;
}

Task<ApiReply> retry_email(ApiContext& context, ApiCall call) {
  const auto id = email_id_of(call.argument);
  if (!id) co_return error_reply(id.error());
  const auto items = co_await waiting_of(context, call, *id);
  if (!items) co_return error_reply(items.error());
  std::size_t changed = 0;
  for (const auto& item : *items) {
    const auto action =
        item.entry.state == EntryState::held ? QueueAction::release : QueueAction::retry;
    // What is held is so by somebody's will; only who manages may undo it.
    if (action == QueueAction::release && !call.principal.may(KeyScope::manage)) continue;
    const auto done =
        co_await context.queue.change(context.world.loop, item, action, "asked for by API");
    if (!done) co_return error_reply(api_error(done.error()));
    changed += waiting_recipients(item.entry);
  }
  co_return changed_reply(*id, changed);
}

}  // namespace goniec
