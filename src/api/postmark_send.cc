// See postmark_send.h.
#include "api/postmark_send.h"

#include <algorithm>

#include "accounts/templates.h"
#include "api/body.h"
#include "api/postmark_streams.h"
#include "base/id.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr PostmarkLimits limits;

using Answer = PostmarkAnswer;

Answer refused(PostmarkError error) {
  Answer answer;
  answer.error = std::move(error);
  return answer;
}

void write_answer(JsonWriter& w, const Answer& answer) {
  w.object();
  if (!answer.id.empty()) {
    if (!answer.to.empty()) w.key("To").text(answer.to);
    if (!answer.cc.empty()) w.key("Cc").text(answer.cc);
    if (!answer.bcc.empty()) w.key("Bcc").text(answer.bcc);
    w.key("SubmittedAt").text(to_rfc3339(answer.at)).key("MessageID").text(answer.id);
  }
  w.key("ErrorCode").number(answer.error.code).key("Message").text(answer.error.message).end();
}

ApiReply one_reply(const Answer& answer) {
  JsonWriter w;
  write_answer(w, answer);
  return json_reply(std::move(w), answer.id.empty() ? answer.error.status : 200);
}

PostmarkResult<MailTemplate> template_of(const ApiContext& context, const JsonValue& json) {
  const auto alias = json.text_at("TemplateAlias");
  const auto number = json.integer_at("TemplateId");
  if (alias.empty() && number <= 0) {
    return std::unexpected(PostmarkError{
        422, 403, "A 'TemplateId' or a 'TemplateAlias' must be given, but both are missing."});
  }
  auto found = context.templates.find(alias.empty() ? std::to_string(number) : alias);
  if (found && !found->is_layout) return std::move(*found);
  return std::unexpected(PostmarkError{
      422, 1101,
      fmt::format("The '{}' associated with this request is not valid or was not found.",
                  alias.empty() ? "TemplateId" : "TemplateAlias")});
}

std::string list_text(const std::vector<HeaderMailbox>& mailboxes) {
  std::string text;
  for (const auto& each : mailboxes) {
    if (!text.empty()) text += ", ";
    if (each.display_name.empty()) {
      text += each.address.text();
    } else {
      text += fmt::format("\"{}\" <{}>", each.display_name, each.address.text());
    }
  }
  return text;
}

// Of those that were left out, whom the caller named: not where an alias led to.
std::vector<std::string> asked_and_left_out(const OutgoingEmail& email, const SentEmail& sent) {
  std::vector<std::string> found;
  for (const auto& address : recipients_of(email)) {
    const bool is_out = std::ranges::any_of(sent.suppressed, [&address](const LeftOut& each) {
      return each.recipient.address == address;
    });
    if (is_out) found.push_back(address.text());
  }
  return found;
}

}  // namespace

PostmarkResult<OutgoingEmail> postmark_filled_email(const ApiContext& context,
                                                    const JsonValue& json) {
  auto email = TRY(postmark_email_of(json, PostmarkContent::of_template));
  const auto form = TRY(template_of(context, json));
  auto model = json.at("TemplateModel");
  if (!model || !model->is_object()) {
    return std::unexpected(
        PostmarkError{422, 1109, "The 'TemplateModel' must be given, and be an object."});
  }
  auto filled = context.templates.fill(form, Templates::Which::published,
                                       json.text_at("TemplateLanguage"), *model);
  if (!filled) return std::unexpected(PostmarkError{422, 1110, filled.error().message});
  email.subject = std::move(filled->content.subject);
  if (!filled->content.html.empty()) email.html = std::move(filled->content.html);
  if (!filled->content.text.empty()) email.text = std::move(filled->content.text);
  return email;
}

Task<PostmarkAnswer> postmark_deliver(ApiContext& context, const PostmarkCall& call,
                                      OutgoingEmail email) {
  Answer answer;
  answer.to = list_text(email.to);
  answer.cc = list_text(email.cc);
  answer.bcc = list_text(email.bcc);
  answer.error = {200, 0, "OK"};
  if (call.test) {
    answer.at = context.world.loop.clock().now();
    answer.id = uuid_of(MessageIdMaker().next(answer.at, context.world.loop.random().next()));
    answer.error.message = "Test job accepted";
    co_return answer;
  }
  if (email.options.stream.empty() && call.call.principal.key)
    email.options.stream = call.call.principal.key->stream;
  const auto stream = context.streams.find(email.options.stream);
  if (!stream || stream->archived)
    co_return refused(postmark_error_of({422, "validation_error", "", "stream"}, email));
  const auto inactive = co_await postmark_inactive(context, stream->id, email);
  if (!inactive.empty() && inactive.size() == recipients_of(email).size())
    co_return refused({422, 406, inactive_recipients_text(inactive, true)});
  SendDoor door;
  door.remote = call.call.remote;
  const auto kept = email;  // for the words of a refusal
  auto sent = co_await send_email(context, call.call.principal, std::move(email), std::move(door));
  if (!sent) co_return refused(postmark_error_of(sent.error(), kept));
  answer.at = sent->at;
  answer.id = uuid_of(sent->id);
  const auto left_out = asked_and_left_out(kept, *sent);
  if (!left_out.empty()) answer.error.message = inactive_recipients_text(left_out, false);
  co_return answer;
}

namespace {

PostmarkError too_busy(const ApiError& error) {
  return {503, 100, error.message};
}

using Translate = PostmarkResult<OutgoingEmail> (*)(const ApiContext&, const JsonValue&);

PostmarkResult<OutgoingEmail> given_email_of(const ApiContext&, const JsonValue& json) {
  return postmark_email_of(json, PostmarkContent::given);
}

Task<ApiReply> send_one(ApiContext& context, PostmarkCall call, Translate translate) {
  const auto octets = call.call.body.size();
  auto read = co_await work_on(
      context, octets,
      [&context, translate, body = std::move(call.call.body)]() -> PostmarkResult<OutgoingEmail> {
        return translate(context, TRY(postmark_object(body)));
      });
  if (!read) co_return postmark_error(too_busy(read.error()));
  if (!*read) co_return postmark_error(read->error());
  co_return one_reply(co_await postmark_deliver(context, call, std::move(**read)));
}

Task<ApiReply> send_many(ApiContext& context, PostmarkCall call, std::vector<JsonValue> messages,
                         Translate translate) {
  if (messages.size() > limits.batch) {
    co_return postmark_error(422, 410,
                             fmt::format("Too many batch messages: {} given, at most {} are "
                                         "possible.",
                                         messages.size(), limits.batch));
  }
  JsonWriter w;
  w.array();
  for (const auto& json : messages) {
    auto email = translate(context, json);
    if (email) {
      write_answer(w, co_await postmark_deliver(context, call, std::move(*email)));
    } else {
      write_answer(w, refused(email.error()));
    }
  }
  w.end();
  co_return json_reply(std::move(w));
}

PostmarkError no_array() {
  return {422, 402, "Received invalid JSON input: an array of messages is wanted."};
}

}  // namespace

Task<ApiReply> postmark_send(ApiContext& context, PostmarkCall call) {
  return send_one(context, std::move(call), given_email_of);
}

Task<ApiReply> postmark_send_template(ApiContext& context, PostmarkCall call) {
  return send_one(context, std::move(call), postmark_filled_email);
}

Task<ApiReply> postmark_send_batch(ApiContext& context, PostmarkCall call) {
  const auto octets = call.call.body.size();
  const auto json = co_await work_on(
      context, octets, [body = std::move(call.call.body)] { return JsonValue::parse(body); });
  if (!json) co_return postmark_error(too_busy(json.error()));
  if (!*json || !(*json)->is_array()) co_return postmark_error(no_array());
  co_return co_await send_many(context, std::move(call), (*json)->items(), given_email_of);
}

Task<ApiReply> postmark_send_template_batch(ApiContext& context, PostmarkCall call) {
  const auto octets = call.call.body.size();
  const auto body = co_await work_on(
      context, octets, [text = std::move(call.call.body)] { return postmark_object(text); });
  if (!body) co_return postmark_error(too_busy(body.error()));
  const auto list = *body ? (*body)->at("Messages") : std::nullopt;
  if (!list || !list->is_array()) co_return postmark_error(no_array());
  co_return co_await send_many(context, std::move(call), list->items(), postmark_filled_email);
}

}  // namespace goniec
