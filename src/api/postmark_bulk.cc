// See postmark_bulk.h.
#include "api/postmark_bulk.h"

#include "accounts/template_text.h"
#include "api/body.h"
#include "api/email_story.h"
#include "api/postmark_send.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr PostmarkLimits limits;
constexpr std::size_t filled_octets = 64u << 20;  // of the texts of one call, filled in

// What of the call stands in each message; the large members are read once.
constexpr std::string_view shared_members[] = {"From",       "ReplyTo",       "Tag",
                                               "TrackOpens", "TrackLinks",    "TemplateId",
                                               "InlineCss",  "TemplateAlias", "TemplateLanguage"};
constexpr std::string_view own_members[] = {"To", "Cc", "Bcc", "TemplateModel"};

void copy_member(JsonWriter& w, const JsonValue& from, std::string_view name) {
  if (const auto value = from.at(name)) w.key(name).raw(value->dump());
}

// Names of both; what the message says stands.
void join_objects(JsonWriter& w, const JsonValue& shared, const JsonValue& own,
                  std::string_view name) {
  const auto all = shared.at(name), mine = own.at(name);
  w.key(name).object();
  for (const auto& key : all ? all->keys() : std::vector<std::string>())
    if (!mine || !mine->at(key)) w.key(key).raw(all->at(key)->dump());
  for (const auto& key : mine ? mine->keys() : std::vector<std::string>())
    w.key(key).raw(mine->at(key)->dump());
  w.end();
}

void join_arrays(JsonWriter& w, const JsonValue& shared, const JsonValue& own,
                 std::string_view name) {
  w.key(name).array();
  for (const auto* each : {&shared, &own}) {
    const auto list = each->at(name);
    for (const auto& item : list ? list->items() : std::vector<JsonValue>()) w.raw(item.dump());
  }
  w.end();
}

// A message of /email without content.
JsonValue message_of(const JsonValue& shared, const JsonValue& own) {
  JsonWriter w;
  w.object();
  for (const auto name : shared_members) copy_member(w, shared, name);
  for (const auto name : own_members) copy_member(w, own, name);
  w.key("MessageStream").text(shared.text_at("MessageStream", "broadcast"));
  join_objects(w, shared, own, "Metadata");
  join_arrays(w, shared, own, "Headers");
  if (!own.at("TemplateModel")) w.key("TemplateModel").object().end();
  w.end();
  return *JsonValue::parse(std::move(w).take());
}

// What all have in common and is large, or is filled for each.
struct Content {
  std::string subject, html, text;
  std::vector<OutgoingAttachment> attachments;
  bool of_template = false;
};

PostmarkResult<Content> content_of(const JsonValue& body) {
  Content content;
  JsonWriter w;
  w.object().key("From").text(body.text_at("From")).key("To").text(body.text_at("From"));
  for (const std::string_view name : {"Subject", "HtmlBody", "TextBody", "Attachments"})
    copy_member(w, body, name);
  w.end();
  const auto whole = JsonValue::parse(std::move(w).take());
  content.of_template = body.at("TemplateId") || body.at("TemplateAlias");
  auto email = TRY(postmark_email_of(
      *whole, content.of_template ? PostmarkContent::of_template : PostmarkContent::given));
  content.subject = std::move(email.subject);
  content.html = email.html.value_or("");
  content.text = email.text.value_or("");
  content.attachments = std::move(email.attachments);
  return content;
}

PostmarkResult<std::string> fill(const std::string& source, const JsonValue& model,
                                 TemplateEscape escape) {
  auto filled = fill_template(source, model, escape);
  if (!filled) return std::unexpected(PostmarkError{422, 1110, filled.error().message});
  return std::move(filled->text);
}

PostmarkResult<OutgoingEmail> email_of(const ApiContext& context, const Content& content,
                                       const JsonValue& message) {
  if (content.of_template) return postmark_filled_email(context, message);
  auto email = TRY(postmark_email_of(message, PostmarkContent::of_template));
  const auto model = *message.at("TemplateModel");
  if (!model.is_object())
    return std::unexpected(PostmarkError{422, 1109, "The 'TemplateModel' must be an object."});
  email.subject = TRY(fill(content.subject, model, TemplateEscape::none));
  if (!content.html.empty()) email.html = TRY(fill(content.html, model, TemplateEscape::html));
  if (!content.text.empty()) email.text = TRY(fill(content.text, model, TemplateEscape::none));
  return email;
}

PostmarkResult<std::vector<JsonValue>> messages_of(const ApiContext& context, const JsonValue& body,
                                                   const Content& content) {
  const auto list = body.at("Messages");
  if (!list || !list->is_array() || list->items().empty())
    return std::unexpected(
        PostmarkError{422, 402, "Received invalid JSON input: 'Messages' must be an array."});
  const auto items = list->items();
  if (items.size() > limits.batch) {
    return std::unexpected(
        PostmarkError{422, 410,
                      fmt::format("Too many messages: {} given, at most {} are possible.",
                                  items.size(), limits.batch)});
  }
  // Each is filled in before the first is sent.
  if ((content.html.size() + content.text.size()) * items.size() > filled_octets) {
    return std::unexpected(PostmarkError{
        413, 300, fmt::format("The messages have more than {} octets together.", filled_octets)});
  }
  std::vector<JsonValue> messages;
  for (const auto& each : items) {
    if (!each.is_object())
      return std::unexpected(
          PostmarkError{422, 402, "Received invalid JSON input: 'Messages' must be objects."});
    messages.push_back(message_of(body, each));
    TRY(email_of(context, content, messages.back()));
  }
  return messages;
}

struct Bulk {
  Content content;
  std::vector<JsonValue> messages;
};

PostmarkResult<Bulk> bulk_of(const ApiContext& context, std::string_view text) {
  const auto body = TRY(postmark_object(text));
  Bulk bulk{TRY(content_of(body)), {}};
  bulk.messages = TRY(messages_of(context, body, bulk.content));
  return bulk;
}

ApiReply no_bulk() {
  return postmark_error(422, 701, "This bulk request was not found.");
}

}  // namespace

Task<ApiReply> postmark_send_bulk(ApiContext& context, PostmarkCall call) {
  const auto octets = call.call.body.size();
  const auto read = co_await work_on(context, octets, [&context, body = std::move(call.call.body)] {
    return bulk_of(context, body);
  });
  if (!read) co_return postmark_error(503, 100, read.error().message);
  if (!*read) co_return postmark_error(read->error());
  const auto& [content, messages] = **read;
  std::optional<PostmarkAnswer> first, refused;
  for (const auto& message : messages) {
    auto email = email_of(context, content, message);
    if (!email) co_return postmark_error(email.error());
    email->attachments = content.attachments;
    auto answer = co_await postmark_deliver(context, call, std::move(*email));
    auto& kept = answer.id.empty() ? refused : first;
    if (!kept) kept = std::move(answer);
    // Whatever it is (a sender, a stream, a limit), it stands against the others too.
    if (!first && refused->error.code != 406) break;
  }
  if (!first) co_return postmark_error(refused->error);
  JsonWriter w;
  const auto id = fmt::format("{}-{}", first->id, messages.size());
  w.object().key("ID").text(id).key("Id").text(id).key("Status").text("Accepted");
  w.key("SubmittedAt").text(to_rfc3339(first->at)).end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_show_bulk(ApiContext& context, PostmarkCall call) {
  const std::string& id = call.arguments.at(0);
  const auto dash = id.rfind('-');
  const auto total = dash == std::string::npos
                         ? std::optional<std::uint64_t>()
                         : parse_unsigned(std::string_view(id).substr(dash + 1));
  const auto first =
      total ? message_id_of_uuid(std::string_view(id).substr(0, dash)) : std::nullopt;
  if (!first || *total == 0 || *total > limits.batch) co_return no_bulk();
  const auto events = co_await context.readers.read(
      context.world.loop, [first = *first](Reader& reader) { return reader.events_of(first); });
  if (!events) co_return postmark_error(503, 100, events.error().message);
  if (events->empty() || events->front().kind != EventKind::received) co_return no_bulk();
  const auto received = JsonValue::parse(events->front().data);
  const Principal& who = call.call.principal;
  const bool is_own = received && received->text_at("submitter") == who.submitter();
  const bool is_seen = received && who.may(KeyScope::read) && may_see(who, *received);
  if (!is_own && !is_seen) co_return no_bulk();
  JsonWriter w;
  w.object().key("ID").text(id).key("Id").text(id).key("Status").text("Completed");
  w.key("SubmittedAt").text(to_rfc3339(events->front().at));
  w.key("TotalMessages").number(*total).key("PercentageCompleted").number(1);
  w.key("Subject").text(received ? received->text_at("subject") : "").end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
