// See sendgrid.h.
#include "api/sendgrid.h"

#include <algorithm>
#include <set>

#include "accounts/templates.h"
#include "api/body.h"
#include "api/compat.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr SendgridLimits limits;
template <class T = void>
using SgResult = std::expected<T, SendgridError>;

std::unexpected<SendgridError> refuse(std::string field, std::string message) {
  return std::unexpected(SendgridError{400, std::move(message), std::move(field)});
}

ApiReply error_of(const SendgridError& error) {
  JsonWriter w;
  w.object().key("errors").array().object().key("message").text(error.message).key("field");
  if (error.field.empty()) {
    w.null();
  } else {
    w.text(error.field);
  }
  w.key("help").null().end().end().end();
  return json_reply(std::move(w), error.status);
}

SgResult<HeaderMailbox> mailbox_of(const JsonValue& json, const std::string& field) {
  // Some clients give "Name <address>" as the address.
  const auto text = json.is_text() ? json.text().value_or("") : json.text_at("email");
  if (text.empty()) return refuse(field + ".email", "The email address is required.");
  auto mailbox = parse_mailbox(text);
  if (!mailbox) return refuse(field + ".email", "Does not contain a valid address.");
  if (json.is_object() && !json.text_at("name").empty())
    mailbox->display_name = json.text_at("name");
  return std::move(*mailbox);
}

SgResult<std::vector<HeaderMailbox>> mailboxes_of(const JsonValue& json, std::string_view name,
                                                  const std::string& above) {
  std::vector<HeaderMailbox> mailboxes;
  const auto list = json.at(name);
  if (!list || list->is_null()) return mailboxes;
  const auto field = above.empty() ? std::string(name) : fmt::format("{}.{}", above, name);
  if (!list->is_array())
    return refuse(field, fmt::format("The {} parameter must be an array.", name));
  const auto items = list->items();
  for (std::size_t i = 0; i < items.size(); ++i)
    mailboxes.push_back(TRY(mailbox_of(items[i], fmt::format("{}.{}", field, i))));
  return mailboxes;
}

// What stands once, and is the same for all personalizations.
SgResult<> content_of(const JsonValue& json, OutgoingEmail& email) {
  const auto list = json.at("content");
  const auto items = list ? list->items() : std::vector<JsonValue>();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto type = to_lower(items[i].text_at("type"));
    const auto value = items[i].text_at("value");
    if (value.empty()) {
      return refuse(fmt::format("content.{}.value", i),
                    "The content value must be a string at least one character in length.");
    }
    if (type == "text/plain") {
      email.text = value;
    } else if (type == "text/html") {
      email.html = value;
    } else {
      OutgoingAttachment part;
      part.content_type = type;
      part.octets = value;
      if (type.empty())
        return refuse(fmt::format("content.{}.type", i), "The content type is required.");
      email.attachments.push_back(std::move(part));
    }
  }
  return {};
}

SgResult<> attachments_of(const JsonValue& json, OutgoingEmail& email) {
  const auto list = json.at("attachments");
  const auto items = list ? list->items() : std::vector<JsonValue>();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto field = fmt::format("attachments.{}", i);
    OutgoingAttachment one;
    one.name = items[i].text_at("filename");
    one.content_type = items[i].text_at("type");
    one.content_id = items[i].text_at("content_id");
    one.is_inline = to_lower(items[i].text_at("disposition")) == "inline";
    if (one.name.empty())
      return refuse(field + ".filename", "The attachment filename is required.");
    auto octets = from_base64(items[i].text_at("content"));
    if (!octets || octets->empty()) {
      return refuse(field + ".content", "The attachment content must be base64 encoded.");
    }
    one.octets = std::move(*octets);
    email.attachments.push_back(std::move(one));
  }
  return {};
}

// The names in an object: each is looked for in what the mail has, so there may be so many.
SgResult<std::vector<std::string>> names_of(const JsonValue& json, const std::string& above,
                                            std::string_view member) {
  const auto object = json.at(member);
  auto names = object ? object->keys() : std::vector<std::string>();
  if (names.size() > limits.members) {
    return refuse(above.empty() ? std::string(member) : fmt::format("{}.{}", above, member),
                  fmt::format("At most {} {} are possible, {} were given.", limits.members, member,
                              names.size()));
  }
  return names;
}

SgResult<> headers_into(const JsonValue& json, const std::string& above, OutgoingEmail& email) {
  const auto headers = json.at("headers");
  for (const auto& name : TRY(names_of(json, above, "headers"))) {
    const auto same = [&name](const auto& field) { return equal_ignoring_case(field.first, name); };
    std::erase_if(email.headers, same);
    email.headers.emplace_back(name, headers->text_at(name));
  }
  return {};
}

SgResult<> custom_args_into(const JsonValue& json, const std::string& above, OutgoingEmail& email) {
  const auto args = json.at("custom_args");
  for (const auto& name : TRY(names_of(json, above, "custom_args"))) {
    const auto value = args->at(name);
    std::erase_if(email.options.metadata, [&name](const auto& each) { return each.first == name; });
    email.options.metadata.emplace_back(name, value->text().value_or(value->dump()));
  }
  return {};
}

SgResult<> send_at_into(const JsonValue& json, const std::string& above, OutgoingEmail& email) {
  const auto given = json.at("send_at");
  if (!given || given->is_null()) return {};
  const auto seconds = given->integer();
  constexpr std::int64_t year_9999 = 253'402'300'799;
  if (!seconds || *seconds < 0 || *seconds > year_9999) {
    return refuse(above.empty() ? "send_at" : above + ".send_at",
                  "The send_at parameter must be a unix timestamp.");
  }
  email.options.send_at = from_microseconds(*seconds * 1'000'000);
  return {};
}

SgResult<OutgoingEmail> common_of(const JsonValue& json) {
  OutgoingEmail email;
  const auto from = json.at("from");
  if (!from) {
    return refuse("from.email",
                  "The from object must be provided for every email send. It is an object that "
                  "requires the email parameter, but may also contain a name parameter.  e.g. "
                  "{\"email\" : \"example@example.com\"}  or {\"email\" : \"example@example.com\", "
                  "\"name\" : \"Example Recipient\"}.");
  }
  email.from = TRY(mailbox_of(*from, "from"));
  if (const auto reply_to = json.at("reply_to"); reply_to && !reply_to->is_null())
    email.reply_to.push_back(TRY(mailbox_of(*reply_to, "reply_to")));
  for (auto& each : TRY(mailboxes_of(json, "reply_to_list", ""))) email.reply_to.push_back(each);
  email.subject = json.text_at("subject");
  TRY(content_of(json, email));
  TRY(attachments_of(json, email));
  TRY(headers_into(json, "", email));
  TRY(custom_args_into(json, "", email));
  TRY(send_at_into(json, "", email));
  const auto categories = json.at("categories");
  for (const auto& each : categories ? categories->items() : std::vector<JsonValue>())
    email.options.tags.emplace_back("category", each.text().value_or(""));
  email.options.pool = json.text_at("ip_pool_name");
  // An unsubscribe group is mail that one may leave: the bulk stream.
  if (json.at("asm")) email.options.stream = "bulk";
  if (const auto tracking = json.at("tracking_settings")) {
    if (const auto opens = tracking->at("open_tracking"))
      email.options.track_opens = opens->boolean_at("enable");
    if (const auto clicks = tracking->at("click_tracking"))
      email.options.track_clicks = clicks->boolean_at("enable");
  }
  return email;
}

// One pass for each name; what grows over the limit is refused by octets_of later.
void substitute(std::string& text, const JsonValue& substitutions) {
  for (const auto& name : substitutions.keys()) {
    if (name.empty() || text.find(name) == std::string::npos) continue;
    const auto value = substitutions.text_at(name);
    std::string out;
    std::size_t from = 0;
    for (auto at = text.find(name); at != std::string::npos; at = text.find(name, from)) {
      out.append(text, from, at - from).append(value);
      from = at + name.size();
      if (out.size() > limits.octets) break;
    }
    out.append(text, from);
    text = std::move(out);
  }
}

std::size_t octets_of(const OutgoingEmail& email) {
  std::size_t octets = email.subject.size() + (email.text ? email.text->size() : 0) +
                       (email.html ? email.html->size() : 0);
  for (const auto& each : email.attachments) octets += each.octets.size();
  return octets;
}

std::unexpected<SendgridError> too_large() {
  return std::unexpected(SendgridError{
      413, fmt::format("The messages of one request may have {} octets together.", limits.octets),
      ""});
}

SgResult<> check_unique(const OutgoingEmail& email, const std::string& field) {
  std::set<Address> seen;
  for (const auto* list : {&email.to, &email.cc, &email.bcc}) {
    for (const auto& each : *list) {
      if (seen.insert(each.address).second) continue;
      return refuse(field, fmt::format("Each email address in the personalization block should be "
                                       "unique between to, cc, and bcc. We found the first "
                                       "duplicate instance of [{}] in the {} field.",
                                       each.address.text(), field));
    }
  }
  return {};
}

SgResult<SendgridEmail> personalized(const JsonValue& json, const std::string& field,
                                     OutgoingEmail email, const std::string& form) {
  email.to = TRY(mailboxes_of(json, "to", field));
  email.cc = TRY(mailboxes_of(json, "cc", field));
  email.bcc = TRY(mailboxes_of(json, "bcc", field));
  if (email.to.empty()) {
    return refuse(
        field + ".to",
        "The to array is required for all personalization objects, and must have at least "
        "one email object with a valid email address.");
  }
  TRY(check_unique(email, field));
  if (const auto from = json.at("from"); from && !from->is_null())
    email.from = TRY(mailbox_of(*from, field + ".from"));
  if (const auto subject = json.text_at("subject"); !subject.empty()) email.subject = subject;
  TRY(headers_into(json, field, email));
  TRY(custom_args_into(json, field, email));
  TRY(send_at_into(json, field, email));
  std::size_t octets = 0;
  for (const auto& name : TRY(names_of(json, field, "substitutions")))
    octets += name.size() + json.at("substitutions")->text_at(name).size();
  if (octets > limits.substitution_octets) {
    return refuse(field + ".substitutions",
                  fmt::format("The substitutions of a personalization may have {} octets.",
                              limits.substitution_octets));
  }
  if (const auto substitutions = json.at("substitutions")) {
    substitute(email.subject, *substitutions);
    if (email.text) substitute(*email.text, *substitutions);
    if (email.html) substitute(*email.html, *substitutions);
  }
  if (email.subject.empty() && form.empty()) {
    return refuse("subject",
                  "The subject is required. You can get around this requirement if you use a "
                  "template with a subject defined or if every personalization has a subject "
                  "defined.");
  }
  const auto model = json.at("dynamic_template_data");
  return SendgridEmail{std::move(email), {form, model ? model->dump() : "{}"}};
}

}  // namespace

std::expected<SendgridRequest, SendgridError> sendgrid_request_of(const JsonValue& json) {
  if (!json.is_object()) return refuse("", "Bad Request");
  SendgridRequest request;
  const auto list = json.at("personalizations");
  const auto items = list ? list->items() : std::vector<JsonValue>();
  if (items.empty()) {
    return refuse("personalizations",
                  "The personalizations field is required and must have at least one "
                  "personalization.");
  }
  if (items.size() > limits.personalizations) {
    return refuse("personalizations",
                  fmt::format("The personalization block is limited to {} personalizations per API "
                              "request. You have provided {} personalizations. Please consider "
                              "splitting this into multiple requests and resending your request.",
                              limits.personalizations, items.size()));
  }
  const auto common = TRY(common_of(json));
  const auto form = json.text_at("template_id");
  if (form.empty() && !common.text && !common.html) {
    return refuse("content",
                  "Unless a valid template_id is provided, the content parameter is required. "
                  "There must be at least one defined content block.");
  }
  std::size_t recipients = 0, octets = 0;
  if (octets_of(common) * items.size() > limits.octets) return too_large();
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto one = TRY(personalized(items[i], fmt::format("personalizations.{}", i), common, form));
    recipients += one.email.to.size() + one.email.cc.size() + one.email.bcc.size();
    if (recipients > limits.recipients) {
      return refuse("personalizations",
                    fmt::format("There is a limit of {} total recipients (to + cc + bcc) per "
                                "request.",
                                limits.recipients));
    }
    octets += octets_of(one.email);
    if (octets > limits.octets) return too_large();
    request.emails.push_back(std::move(one));
  }
  const auto settings = json.at("mail_settings");
  const auto sandbox = settings ? settings->at("sandbox_mode") : std::nullopt;
  request.sandbox = sandbox && sandbox->boolean_at("enable");
  return request;
}

// ---------------------------------------------------------------- the call
namespace {

SendgridError refused(const ApiError& error, std::size_t index) {
  if (error.status == 429) return {429, "too many requests", ""};
  if (error.status >= 500) return {503, error.message, ""};
  if (error.status == 413) return {413, error.message, ""};
  if (error.field == "from" && error.status == 403) {
    return {403,
            "The from address does not match a verified Sender Identity. Mail cannot be sent until "
            "this error is resolved.",
            "from"};
  }
  auto field = error.field;
  for (const std::string_view list : {"to[", "cc[", "bcc["}) {
    if (!field.starts_with(list)) continue;
    field = fmt::format("personalizations.{}.{}.{}.email", index, list.substr(0, list.size() - 1),
                        field.substr(list.size(), field.size() - list.size() - 1));
  }
  return {400, error.message, field};
}

SgResult<> fill(const ApiContext& context, SendgridEmail& one) {
  if (one.form.id.empty()) return {};
  const auto form = context.templates.find(one.form.id);
  if (!form) return refuse("template_id", "The template_id must be a valid template.");
  const auto model = JsonValue::parse(one.form.model);
  if (!model) return refuse("personalizations", model.error().message);
  auto filled = context.templates.fill(*form, Templates::Which::published, "", *model);
  if (!filled) return refuse("template_id", filled.error().message);
  if (!filled->content.subject.empty()) one.email.subject = std::move(filled->content.subject);
  if (!filled->content.html.empty()) one.email.html = std::move(filled->content.html);
  if (!filled->content.text.empty()) one.email.text = std::move(filled->content.text);
  return {};
}

}  // namespace

ApiReply sendgrid_refusal(const ApiError& error) {
  if (error.status == 429) return error_of({429, "too many requests", ""});
  return error_of({401, "The provided authorization grant is invalid, expired, or revoked", ""});
}

Task<ApiReply> answer_sendgrid(ApiContext& context, ApiCall call) {
  if (call.path != "/v3/mail/send") co_return error_of({404, "Not Found", ""});
  const auto principal = compat_principal(context, CompatShape::sendgrid, call);
  if (!principal) co_return sendgrid_refusal(principal.error());
  if (call.method != "POST") co_return error_of({405, "method not allowed", ""});
  if (!principal->may(KeyScope::send)) co_return error_of({403, "access forbidden", ""});
  const auto octets = call.body.size();
  auto read = co_await work_on(context, octets,
                               [body = std::move(call.body)]() -> SgResult<SendgridRequest> {
                                 const auto json = JsonValue::parse(body);
                                 if (!json)
                                   return std::unexpected(SendgridError{400, "Bad Request", ""});
                                 return sendgrid_request_of(*json);
                               });
  if (!read) co_return error_of({503, read.error().message, ""});
  auto& request = *read;
  if (!request) co_return error_of(request.error());
  for (std::size_t i = 0; i < request->emails.size(); ++i) {
    auto& one = request->emails[i];
    if (auto filled = fill(context, one); !filled) co_return error_of(filled.error());
    if (auto checked = check_email(context, *principal, one.email); !checked)
      co_return error_of(refused(checked.error(), i));
  }
  if (request->sandbox) co_return ApiReply{200, "application/json", ""};
  std::string first;
  for (std::size_t i = 0; i < request->emails.size(); ++i) {
    SendDoor door;
    door.remote = call.remote;
    auto sent = co_await send_email(context, *principal, std::move(request->emails[i].email),
                                    std::move(door));
    if (!sent) co_return error_of(refused(sent.error(), i));
    if (first.empty()) first = uuid_of(sent->id);
  }
  ApiReply reply{202, "text/plain", ""};
  reply.headers.emplace_back("X-Message-Id", first);
  co_return reply;
}

}  // namespace goniec
