// Local submission (submit.h).
#include "api/submit.h"

#include "base/text.h"

namespace goniec {

namespace {

constexpr std::size_t submit_recipients = 1000;

struct Submission {
  std::optional<std::string> from;  // as asked; "" = <>
  std::vector<Recipient> recipients;
  Sender sender;
  std::string_view message;
};

// Our domain for names without one: the hostname where it is local, else the first local domain.
std::string domain_for_names(const ApiContext& context) {
  const auto hostname = context.intake().hostname;
  const auto parsed = Domain::parse(hostname);
  if (parsed && context.directory.is_local_domain(*parsed)) return hostname;
  for (const auto& domain : context.directory.domains()) {
    if (!domain.relay) return domain.domain.ascii();
  }
  return hostname;
}

Result<Address> complete_address(const ApiContext& context, std::string_view text) {
  auto address = Address::parse(text.find('@') == std::string_view::npos
                                    ? fmt::format("{}@{}", text, domain_for_names(context))
                                    : std::string(text));
  if (!address) {
    return fail(ErrorKind::bad_data,
                fmt::format("{}: {}", printable(text, 100), address.error().message));
  }
  return address;
}

Result<NotifyOptions> notify_of(std::string_view text) {
  NotifyOptions notify;
  if (text.empty()) return notify;
  for (const auto part : split(text, ',')) {
    const auto word = to_lower(trim(part));
    if (word == "never") {
      notify.never = true;
    } else if (word == "success") {
      notify.success = true;
    } else if (word == "failure") {
      notify.failure = true;
    } else if (word == "delay") {
      notify.delay = true;
    } else {
      return fail(ErrorKind::bad_data, fmt::format("\"{}\" is not success, failure, delay or never",
                                                   printable(part, 40)));
    }
  }
  // RFC 3461 §4.1: NEVER stands alone.
  if (notify.never && (notify.success || notify.failure || notify.delay)) {
    return fail(ErrorKind::bad_data, "\"never\" stands alone");
  }
  return notify;
}

Result<Recipient> recipient_of(const ApiContext& context, const JsonValue& json) {
  Recipient recipient;
  recipient.address = TRY(complete_address(context, json.text_at("to")));
  recipient.notify = TRY(notify_of(json.text_at("notify")));
  if (const auto orcpt = json.text_at("orcpt"); !orcpt.empty())
    recipient.original_recipient = orcpt;
  return recipient;
}

Result<Submission> submission_of(const ApiContext& context, std::string_view body) {
  const auto line_end = body.find('\n');
  if (line_end == std::string_view::npos)
    return fail(ErrorKind::bad_data, "the line of the envelope is missing");
  const auto json = TRY(JsonValue::parse(body.substr(0, line_end)));
  Submission submission;
  submission.message = body.substr(line_end + 1);
  if (const auto from = json.at("from")) submission.from = from->text();
  const auto list = json.at("recipients");
  for (const auto& item : list ? list->items() : std::vector<JsonValue>()) {
    submission.recipients.push_back(TRY(recipient_of(context, item)));
  }
  if (submission.recipients.empty()) return fail(ErrorKind::usage, "no recipient was given");
  if (submission.recipients.size() > submit_recipients) {
    return fail(ErrorKind::bad_data, fmt::format("more than {} recipients", submit_recipients));
  }
  const auto ret = to_lower(json.text_at("ret"));
  if (ret == "full") submission.sender.ret = DsnReturn::full;
  if (ret == "hdrs") submission.sender.ret = DsnReturn::headers;
  if (const auto envid = json.text_at("envid"); !envid.empty())
    submission.sender.envelope_id = envid;
  if (to_lower(json.text_at("body")) == "8bitmime") submission.sender.body = BodyType::eight_bit;
  return submission;
}

// Who the caller is, and what it may call itself.
Result<Address> sender_of(ApiContext& context, const ApiCall& call,
                          const std::optional<std::string>& asked) {
  const unsigned uid = call.peer ? call.peer->uid : 0;
  const auto name = context.user_name(uid);
  const auto own = [&context, uid, &name]() -> Result<Address> {
    auto address = complete_address(context, name.value_or(fmt::format("uid{}", uid)));
    if (address) return address;
    return complete_address(context, fmt::format("uid{}", uid));  // a name no mail address can have
  };
  if (!asked) return own();
  const bool trusted = uid == 0 || uid == context.own_uid || context.is_trusted_user(uid);
  if (asked->empty()) {
    if (trusted) return Address();
    return own();
  }
  auto wanted = TRY(complete_address(context, *asked));
  const auto mine = TRY(own());
  if (trusted || wanted == mine) return wanted;
  context.log.write(
      {context.world.loop.clock().now(),
       LogLevel::warning,
       "submit.sender",
       "pickup",
       fmt::format("warning: uid={} asked for sender <{}> and is not trusted: <{}> is used", uid,
                   wanted.text(), mine.text()),
       {{"uid", std::to_string(uid)}, {"asked", wanted.text()}, {"from", mine.text()}}});
  return mine;
}

// The first recipient that is certainly nobody here.
const Recipient* unknown_recipient(const ApiContext& context,
                                   const std::vector<Recipient>& recipients) {
  for (const auto& recipient : recipients) {
    if (context.directory.resolve(recipient.address).kind == RecipientKind::unknown)
      return &recipient;
  }
  return nullptr;
}

ApiReply refused(const Reply& reply) {
  JsonWriter w;
  const bool later = reply.is_transient();
  const auto kind = later ? ErrorKind::try_later : ErrorKind::bad_data;
  w.object().key("statusCode").number(http_status(kind)).key("name").text(name_of(kind));
  w.key("message").text(reply.one_line()).key("reply").text(reply.one_line()).end();
  return json_reply(std::move(w), http_status(kind));
}

StageFact stage(std::string_view name, Instant at, std::string_view rule,
                std::string recipient = {}) {
  return {std::string(name), at, {}, std::string(rule), {}, std::move(recipient)};
}

}  // namespace

std::string normalise_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32 + 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\0') continue;
    if (c != '\r' && c != '\n') {
      out += c;
      continue;
    }
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
    out += "\r\n";
  }
  if (!out.ends_with("\r\n")) out += "\r\n";
  return out;
}

Task<ApiReply> submit_message(ApiContext& context, ApiCall call) {
  auto submission = submission_of(context, call.body);
  if (!submission) co_return error_reply(submission.error());
  auto sender = sender_of(context, call, submission->from);
  if (!sender) co_return error_reply(sender.error());
  if (const auto* unknown = unknown_recipient(context, submission->recipients)) {
    co_return error_reply({ErrorKind::not_found, fmt::format("550 5.1.1 <{}>: no such user here",
                                                             unknown->address.text())});
  }
  auto& loop = context.world.loop;
  const unsigned uid = call.peer ? call.peer->uid : 0;
  DraftFacts facts;
  facts.source = Source::sendmail;
  facts.uid = uid;
  facts.submitter = fmt::format("uid={}", uid);
  facts.verified_sender = true;
  facts.transaction.sender = std::move(submission->sender);
  facts.transaction.sender.address = std::move(*sender);
  facts.transaction.sender.smtputf8 = facts.transaction.sender.address.needs_smtputf8();
  for (const auto& recipient : submission->recipients) {
    facts.transaction.sender.smtputf8 |= recipient.address.needs_smtputf8();
  }
  const auto now = loop.clock().now();
  facts.stages = {stage("connect", now, "socket.submit"), stage("identify", now, "peer.uid")};
  for (const auto& recipient : submission->recipients) {
    facts.stages.push_back(stage("envelope", now, "submit", recipient.address.text()));
  }
  facts.transaction.recipients = std::move(submission->recipients);
  const IntakeOptions intake = context.intake();  // the draft refers to it
  Draft draft(context.queue, context.directory, intake, loop, std::move(facts));
  constexpr std::size_t piece_octets = 256 * 1024;
  const auto message = normalise_lines(submission->message);
  for (std::size_t at = 0; at < message.size(); at += piece_octets) {
    co_await draft.write(std::string_view(message).substr(at, piece_octets));
  }
  const auto reply = co_await draft.commit();
  if (!reply.is_positive()) co_return refused(reply);
  JsonWriter w;
  w.object()
      .key("id")
      .text(draft.id().text())
      .key("code")
      .number(reply.code)
      .key("reply")
      .text(reply.one_line())
      .end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
