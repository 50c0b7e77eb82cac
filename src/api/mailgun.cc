// See mailgun.h.
#include "api/mailgun.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "accounts/templates.h"
#include "api/compat.h"
#include "base/id.h"
#include "base/text.h"
#include "mail/date.h"

namespace goniec {
namespace {

constexpr MailgunLimits limits;
template <class T = void>
using MgResult = std::expected<T, MailgunError>;

std::unexpected<MailgunError> refuse(std::string message, unsigned status = 400) {
  return std::unexpected(MailgunError{status, std::move(message)});
}

ApiReply message_reply(unsigned status, std::string_view message, std::string_view id = {}) {
  JsonWriter w;
  w.object();
  if (!id.empty()) w.key("id").text(id);
  w.key("message").text(message).end();
  return json_reply(std::move(w), status);
}

class Form {
 public:
  explicit Form(std::vector<FormField> fields) : fields_(std::move(fields)) {}
  std::string_view text(std::string_view name) const {
    for (const auto& field : fields_) {
      if (field.name == name) return field.value;
    }
    return {};
  }
  std::vector<FormField>& fields() { return fields_; }

 private:
  std::vector<FormField> fields_;
};

bool is_yes(std::string_view text) {
  return equal_ignoring_case(text, "yes") || equal_ignoring_case(text, "true") ||
         equal_ignoring_case(text, "htmlonly") || text == "1";
}

MgResult<Instant> time_of(std::string_view name, std::string_view text) {
  if (const auto date = parse_date(text)) return *date;
  if (const auto stamp = parse_rfc3339(text)) return *stamp;
  constexpr std::uint64_t year_9999 = 253'402'300'799;
  if (const auto seconds = parse_unsigned(text); seconds && *seconds < year_9999)
    return from_microseconds(static_cast<std::int64_t>(*seconds) * 1'000'000);
  return refuse(fmt::format("'{}' parameter is not a valid date", name));
}

// Several fields of one name, each a list.
MgResult<std::vector<HeaderMailbox>> mailboxes_of(Form& form, std::string_view name) {
  std::vector<HeaderMailbox> all;
  for (const auto& field : form.fields()) {
    if (field.name != name || trim(field.value).empty()) continue;
    auto list = parse_mailboxes(field.value);
    if (!list) {
      return refuse(
          fmt::format("'{}' parameter is not a valid address. please check documentation", name));
    }
    std::ranges::move(*list, std::back_inserter(all));
  }
  return all;
}

void attachment_into(FormField& field, OutgoingEmail& email) {
  OutgoingAttachment one;
  one.name = field.file_name.empty() ? "attachment" : field.file_name;
  one.content_type = field.content_type;
  one.is_inline = field.name == "inline";
  if (one.is_inline) one.content_id = one.name;  // HTML names it by cid:FILE
  one.octets = std::move(field.value);
  email.attachments.push_back(std::move(one));
}

MgResult<> option_into(FormField& field, OutgoingEmail& email) {
  const std::string_view name = std::string_view(field.name).substr(2);
  auto& options = email.options;
  if (name == "tag") {
    if (options.tags.size() >= limits.tags)
      return refuse(fmt::format("o:tag: at most {} tags", limits.tags));
    options.tags.emplace_back("tag", field.value);
  } else if (name == "deliverytime") {
    options.send_at = TRY(time_of("o:deliverytime", field.value));
  } else if (name == "tracking") {
    options.track_opens = is_yes(field.value);
    options.track_clicks = is_yes(field.value);
  } else if (name == "tracking-opens") {
    options.track_opens = is_yes(field.value);
  } else if (name == "tracking-clicks") {
    options.track_clicks = is_yes(field.value);
  } else if (name == "sending-ip-pool") {
    options.pool = field.value;
  } else if (name == "stream") {  // of ours
    options.stream = field.value;
  }
  return {};
}

MgResult<> field_into(FormField& field, OutgoingEmail& email, MailgunRequest& request) {
  if (field.name.starts_with("o:")) {
    if (field.name == "o:testmode") request.test = is_yes(field.value);
    return option_into(field, email);
  }
  if (field.name.starts_with("v:")) {
    email.options.metadata.emplace_back(field.name.substr(2), std::move(field.value));
  } else if (field.name.starts_with("h:")) {
    if (equal_ignoring_case(field.name, "h:reply-to")) {
      auto list = parse_mailboxes(field.value);
      if (!list)
        return refuse("'h:Reply-To' parameter is not a valid address. please check documentation");
      email.reply_to = std::move(*list);
    } else {
      email.headers.emplace_back(field.name.substr(2), std::move(field.value));
    }
  } else if (field.name == "attachment" || field.name == "inline") {
    attachment_into(field, email);
  }
  return {};
}

std::size_t octets_of(const OutgoingEmail& email) {
  std::size_t octets = email.raw.size() + email.subject.size() +
                       (email.text ? email.text->size() : 0) +
                       (email.html ? email.html->size() : 0);
  for (const auto& each : email.attachments) octets += each.octets.size();
  return octets;
}

// "%recipient.name%" by the variables of one recipient; what he has not stays as it is.
std::string with_variables(std::string_view text, const JsonValue& variables,
                           const HeaderMailbox& recipient) {
  constexpr std::string_view opening = "%recipient";
  std::string out;
  for (;;) {
    const auto at = text.find(opening);
    if (at == std::string_view::npos || out.size() > limits.octets) return out.append(text);
    out.append(text.substr(0, at));
    text.remove_prefix(at);
    const auto end = text.find('%', opening.size());
    std::optional<std::string> value;
    if (end == opening.size()) {
      value = recipient.address.text();
    } else if (end != std::string_view::npos && text[opening.size()] == '.') {
      const auto found = variables.at(text.substr(opening.size() + 1, end - opening.size() - 1));
      if (found) value = found->is_text() ? found->text() : found->dump();
    }
    if (value) {
      out.append(*value);
      text.remove_prefix(end + 1);
    } else {
      out.append(opening);
      text.remove_prefix(opening.size());
    }
  }
}

// A message for each recipient, who sees none of the others.
MgResult<std::vector<OutgoingEmail>> one_for_each(const OutgoingEmail& common,
                                                  std::string_view recipient_variables) {
  const auto json = JsonValue::parse(recipient_variables);
  if (!json || !json->is_object())
    return refuse("'recipient-variables' parameter is not a valid JSON dictionary");
  if (octets_of(common) * common.to.size() > limits.octets) {
    return refuse(
        fmt::format("The messages of one request may have {} octets together", limits.octets), 413);
  }
  const auto none = JsonValue::parse("{}");
  if (!none) return refuse(none.error().message);
  std::vector<OutgoingEmail> emails;
  std::size_t octets = 0;
  for (const auto& recipient : common.to) {
    OutgoingEmail email = common;
    email.to = {recipient};
    const auto variables = json->at(recipient.address.text()).value_or(*none);
    email.subject = with_variables(email.subject, variables, recipient);
    if (email.text) email.text = with_variables(*email.text, variables, recipient);
    if (email.html) email.html = with_variables(*email.html, variables, recipient);
    for (auto& [name, value] : email.headers) value = with_variables(value, variables, recipient);
    octets += octets_of(email);
    if (octets > limits.octets) return refuse("The messages of one request are too large", 413);
    emails.push_back(std::move(email));
  }
  return emails;
}

MgResult<> content_into(Form& form, OutgoingEmail& email, MailgunContent content,
                        const MailgunRequest& request) {
  if (content == MailgunContent::mime) {
    email.raw = form.text("message");
    if (email.raw.empty()) return refuse("message parameter is missing");
    return {};
  }
  email.subject = form.text("subject");
  if (const auto text = form.text("text"); !text.empty()) email.text = text;
  if (const auto html = form.text("html"); !html.empty()) email.html = html;
  if (!email.text && !email.html && request.form.empty()) {
    return refuse(
        "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters "
        "specified");
  }
  return {};
}

// The author of a whole message is in it; messages.mime names none.
MgResult<HeaderMailbox> author_of(Form& form, const OutgoingEmail& email, MailgunContent content) {
  if (content == MailgunContent::mime && form.text("from").empty()) {
    const auto block = scan_header(std::string_view(email.raw).substr(0, 256 * 1024), {});
    const auto* field = block ? find_field(*block, "From") : nullptr;
    const auto list = field ? parse_header_mailboxes(field->value) : HeaderMailboxes{};
    if (list.mailboxes.size() != 1) return refuse("from parameter is missing");
    return list.mailboxes.front();
  }
  if (form.text("from").empty()) return refuse("from parameter is missing");
  auto from = parse_mailbox(form.text("from"));
  if (!from) return refuse("'from' parameter is not a valid address. please check documentation");
  return std::move(*from);
}

}  // namespace

std::expected<MailgunRequest, MailgunError> mailgun_request_of(std::vector<FormField> fields,
                                                               const Domain& domain,
                                                               MailgunContent content) {
  Form form(std::move(fields));
  MailgunRequest request;
  request.form = form.text("template");
  request.language = form.text("t:version");
  if (const auto model = form.text("t:variables"); !model.empty()) request.model = model;
  OutgoingEmail email;
  email.to = TRY(mailboxes_of(form, "to"));
  email.cc = TRY(mailboxes_of(form, "cc"));
  email.bcc = TRY(mailboxes_of(form, "bcc"));
  if (email.to.empty()) return refuse("to parameter is missing");
  if (email.to.size() + email.cc.size() + email.bcc.size() > limits.recipients)
    return refuse(fmt::format("to parameter: at most {} recipients", limits.recipients));
  TRY(content_into(form, email, content, request));
  email.from = TRY(author_of(form, email, content));
  const auto& author = email.from.address.domain().ascii();
  if (author != domain.ascii() && !author.ends_with("." + domain.ascii()))
    return refuse(fmt::format("'from' address is not of the domain {}", domain.ascii()));
  for (auto& field : form.fields()) TRY(field_into(field, email, request));
  const auto variables = form.text("recipient-variables");
  if (content == MailgunContent::parts && !variables.empty()) {
    request.emails = TRY(one_for_each(email, variables));
  } else {
    request.emails.push_back(std::move(email));
  }
  return request;
}

// ---------------------------------------------------------------- the call
namespace {

MailgunError refused(const ApiError& error) {
  if (error.status == 429 || error.status == 413) return {error.status, error.message};
  if (error.status >= 500) return {500, error.message};
  if (error.status == 403) return {403, error.message};
  for (const std::string_view list : {"to", "cc", "bcc", "from"}) {
    if (error.field == list || error.field.starts_with(std::string(list) + "[")) {
      return {400, fmt::format("'{}' parameter is not a valid address. please check documentation",
                               list)};
    }
  }
  return {400, error.message};
}

MgResult<> fill(const ApiContext& context, MailgunRequest& request) {
  if (request.form.empty()) return {};
  const auto form = context.templates.find(request.form);
  if (!form) return refuse(fmt::format("template {} not found", printable(request.form, 60)));
  const auto model = JsonValue::parse(request.model);
  if (!model || !model->is_object())
    return refuse("'t:variables' parameter is not a valid JSON dictionary");
  for (auto& email : request.emails) {
    auto filled =
        context.templates.fill(*form, Templates::Which::published, request.language, *model);
    if (!filled) return refuse(filled.error().message);
    if (email.subject.empty()) email.subject = std::move(filled->content.subject);
    if (!filled->content.html.empty()) email.html = std::move(filled->content.html);
    if (!filled->content.text.empty()) email.text = std::move(filled->content.text);
  }
  return {};
}

struct Target {
  Domain domain;
  MailgunContent content = MailgunContent::parts;
};

std::optional<Target> target_of(std::string_view path) {
  const auto parts = split(path, '/');
  if (parts.size() != 4 || parts[1] != "v3") return std::nullopt;
  if (parts[3] != "messages" && parts[3] != "messages.mime") return std::nullopt;
  auto domain = Domain::parse(decode_percent(parts[2], false));
  if (!domain) return std::nullopt;
  return Target{std::move(*domain),
                parts[3] == "messages" ? MailgunContent::parts : MailgunContent::mime};
}

}  // namespace

ApiReply mailgun_refusal(const ApiError& error) {
  if (error.status == 429) return message_reply(429, error.message);
  return {401, "text/plain", "Forbidden"};
}

Task<ApiReply> answer_mailgun(ApiContext& context, ApiCall call) {
  const auto principal = compat_principal(context, CompatShape::mailgun, call);
  if (!principal) co_return mailgun_refusal(principal.error());
  const auto target = target_of(call.path);
  if (!target) co_return message_reply(404, "Not Found");
  if (call.method != "POST") co_return message_reply(405, "Method Not Allowed");
  if (!principal->may(KeyScope::send)) co_return message_reply(403, "Forbidden");
  if (!context.directory.is_local_domain(target->domain))
    co_return message_reply(404, fmt::format("Domain not found: {}", target->domain.ascii()));
  auto fields = parse_form(call.header("content-type"), call.body);
  if (!fields) co_return message_reply(400, fields.error().message);
  auto request = mailgun_request_of(std::move(*fields), target->domain, target->content);
  if (request) {
    if (auto filled = fill(context, *request); !filled) request = std::unexpected(filled.error());
  }
  if (!request) co_return message_reply(request.error().status, request.error().message);
  std::string id;
  for (const auto& email : request->emails) {
    if (const auto checked = check_email(context, *principal, email); !checked) {
      const auto error = refused(checked.error());
      co_return message_reply(error.status, error.message);
    }
  }
  if (request->test) {
    const auto made =
        MessageIdMaker().next(context.world.loop.clock().now(), context.world.loop.random().next());
    id = uuid_of(made);
  } else {
    for (auto& email : request->emails) {
      SendDoor door;
      door.remote = call.remote;
      const auto sent = co_await send_email(context, *principal, std::move(email), std::move(door));
      if (!sent) {
        const auto error = refused(sent.error());
        co_return message_reply(error.status, error.message);
      }
      if (id.empty()) id = uuid_of(sent->id);
    }
  }
  co_return message_reply(200, "Queued. Thank you.",
                          fmt::format("<{}@{}>", id, target->domain.ascii()));
}

}  // namespace goniec
