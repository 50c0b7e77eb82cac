// Checking and sending (outgoing.h).
#include "api/outgoing.h"

#include <algorithm>

#include "api/body.h"
#include "base/text.h"
#include "mail/header.h"
#include "mail/words.h"
#include "mail/xtext.h"

namespace goniec {
namespace {

constexpr OutgoingLimits limits;
constexpr SendOptionLimits option_limits;
constexpr Duration schedule_most = std::chrono::days(90);
constexpr std::size_t piece_octets = 256 * 1024;
constexpr std::size_t envelope_id_octets = 100;  // RFC 3461 §4.4

// Fields that are written from members of their own, or by the house.
bool is_reserved(std::string_view name) {
  static constexpr std::string_view reserved[] = {"from",        "to",       "cc",
                                                  "bcc",         "subject",  "mime-version",
                                                  "return-path", "received", "dkim-signature"};
  return std::ranges::any_of(reserved,
                             [&](auto each) { return equal_ignoring_case(each, name); }) ||
         starts_with_ignoring_case(name, "content-") || starts_with_ignoring_case(name, "arc-") ||
         equal_ignoring_case(name, "authentication-results");
}

// RFC 5322 §3.6.8: printable ASCII but for the colon.
bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= 76 &&
         std::ranges::all_of(name, [](char c) { return c > 32 && c < 127 && c != ':'; });
}

// RFC 2045 §5.1: type/subtype, and parameters without controls.
bool is_content_type(std::string_view type) {
  const auto token = [](std::string_view text) {
    constexpr std::string_view specials = "()<>@,;:\\\"/[]?=";
    return !text.empty() && std::ranges::all_of(text, [&](char c) {
      return c > 32 && c < 127 && specials.find(c) == std::string_view::npos;
    });
  };
  const auto plain = trim(type.substr(0, type.find(';')));
  const auto slash = plain.find('/');
  return type.size() <= 255 && is_safe_in_a_field(type) && slash != std::string_view::npos &&
         token(plain.substr(0, slash)) && token(plain.substr(slash + 1));
}

bool is_content_id(std::string_view id) {
  return id.size() <= 250 &&
         std::ranges::all_of(id, [](char c) { return c > 32 && c < 127 && c != '<' && c != '>'; });
}

std::unexpected<ApiError> refuse(unsigned status, std::string name, std::string field,
                                 std::string message) {
  return std::unexpected(ApiError{status, std::move(name), std::move(message), std::move(field)});
}

std::unexpected<ApiError> no_right(std::string field, const Address& address,
                                   const Principal& principal) {
  if (principal.key && !principal.key->domain.empty())
    return refuse(403, "restricted_api_key", std::move(field),
                  fmt::format("this key sends as {} alone, not as {}",
                              principal.key->domain.ascii(), address.text()));
  return refuse(403, "validation_error", std::move(field),
                fmt::format("the domain {} is none of this server; fix: goniec domain add {}",
                            address.domain().ascii(), address.domain().ascii()));
}

bool may_send(const ApiContext& context, const Principal& principal, const Address& address) {
  switch (principal.kind) {
    case Principal::Kind::admin_socket:
    case Principal::Kind::session:
      return true;
    case Principal::Kind::key:
      return may_send_as(*principal.key, context.directory, address);
    case Principal::Kind::peer:
    case Principal::Kind::nobody:
      return false;
  }
  CHECK(false);
}

ApiResult<> check_addresses(const ApiContext& context, const Principal& principal,
                            const OutgoingEmail& email) {
  if (email.from.address.empty())
    return refuse(422, "missing_required_field", "from", "\"from\" is missing");
  if (!may_send(context, principal, email.from.address))
    return no_right("from", email.from.address, principal);
  if (email.envelope.from && !may_send(context, principal, *email.envelope.from))
    return no_right("envelope.from", *email.envelope.from, principal);
  const std::size_t count = email.to.size() + email.cc.size() + email.bcc.size();
  if (count == 0) return refuse(422, "missing_required_field", "to", "there is no recipient");
  if (count > limits.recipients)
    return refuse_field("to",
                        fmt::format("{} recipients, the limit is {}", count, limits.recipients));
  const auto known = [&context](std::string_view field,
                                const std::vector<HeaderMailbox>& list) -> ApiResult<> {
    for (std::size_t at = 0; at < list.size(); ++at) {
      if (context.directory.resolve(list[at].address).kind != RecipientKind::unknown) continue;
      return refuse_field(
          fmt::format("{}[{}]", field, at),
          fmt::format("550 5.1.1 <{}>: no such user here", list[at].address.text()));
    }
    return {};
  };
  TRY(known("to", email.to));
  TRY(known("cc", email.cc));
  return known("bcc", email.bcc);
}

ApiResult<> check_headers(const OutgoingEmail& email) {
  if (email.headers.size() > limits.headers)
    return refuse_field("headers", fmt::format("more than {} header fields", limits.headers));
  for (const auto& [name, value] : email.headers) {
    const auto field = "headers." + printable(name, 60);
    if (!is_field_name(name)) return refuse_field(field, "that is no name of a header field");
    if (equal_ignoring_case(name, "X-Idempotency-Key"))
      return refuse_field(field, "give Idempotency-Key as a field of the HTTP request");
    if (is_reserved(name))
      return refuse_field(field, fmt::format("{} cannot be given as a header", name));
    if (value.size() > limits.header_value_octets)
      return refuse_field(field, fmt::format("longer than {} octets", limits.header_value_octets));
    if (!is_safe_in_a_field(value))
      return refuse(422, "security_error", field, "a line end or another control in a header");
  }
  return {};
}

ApiResult<> check_content(const OutgoingEmail& email) {
  if (!email.raw.empty()) return {};
  if (!email.html && !email.text)
    return refuse(422, "missing_required_field", "html", "\"html\" or \"text\" is missing");
  if (email.subject.size() > limits.subject_octets)
    return refuse_field("subject", fmt::format("longer than {} octets", limits.subject_octets));
  if (!is_safe_in_a_field(email.subject))
    return refuse(422, "security_error", "subject", "a line end or another control in the subject");
  if (email.html && !is_utf8(*email.html)) return refuse_field("html", "it is not UTF-8");
  if (email.text && !is_utf8(*email.text)) return refuse_field("text", "it is not UTF-8");
  TRY(check_headers(email));
  if (email.attachments.size() > limits.attachments)
    return refuse_field("attachments", fmt::format("more than {}", limits.attachments));
  for (std::size_t at = 0; at < email.attachments.size(); ++at) {
    const auto& each = email.attachments[at];
    const auto bad = [at](std::string_view member, std::string message) {
      return refuse(422, "invalid_attachment", fmt::format("attachments[{}].{}", at, member),
                    std::move(message));
    };
    if (each.name.size() > 255 || !is_safe_in_a_field(each.name))
      return bad("filename", "that is no name of a file");
    if (!each.content_type.empty() && !is_content_type(each.content_type))
      return bad("content_type",
                 fmt::format("\"{}\" is not like image/png", printable(each.content_type, 60)));
    if (!is_content_id(each.content_id)) return bad("content_id", "that is no id of a part");
  }
  return {};
}

ApiResult<> check_pairs(std::string_view field,
                        const std::vector<std::pair<std::string, std::string>>& pairs,
                        std::size_t most, std::size_t octets) {
  if (pairs.size() > most)
    return refuse_field(std::string(field), fmt::format("more than {}", most));
  for (const auto& [name, value] : pairs) {
    const auto where = fmt::format("{}.{}", field, printable(name, 60));
    if (name.empty() || name.size() > octets || !is_safe_in_a_field(name))
      return refuse_field(where, "a name of 1 to 256 characters without controls is wanted");
    if (value.size() > octets || !is_safe_in_a_field(value))
      return refuse_field(where, fmt::format("longer than {} octets, or with controls", octets));
  }
  return {};
}

ApiResult<> check_options(const Principal& principal, const OutgoingEmail& email, Instant now) {
  const SendOptions& options = email.options;
  TRY(check_pairs("tags", options.tags, option_limits.tags, option_limits.tag_octets));
  TRY(check_pairs("metadata", options.metadata, option_limits.metadata,
                  option_limits.metadata_octets));
  if (options.send_at > now + schedule_most)
    return refuse_field("scheduled_at", "more than 90 days ahead");
  if (options.expires_at != Instant{} && options.expires_at <= std::max(now, options.send_at))
    return refuse_field("expires_at", "it is over before the message is due");
  if (principal.key && !principal.key->stream.empty() && !options.stream.empty() &&
      options.stream != principal.key->stream)
    return refuse(403, "restricted_api_key", "stream",
                  fmt::format("this key sends in the stream {} alone", principal.key->stream));
  if (email.envelope.envelope_id.size() > envelope_id_octets)
    return refuse_field("envelope.dsn.envid", "longer than 100 octets");
  return {};
}

// What a refusal of intake is for a program.
ApiError error_of(const Reply& reply, const std::string& rule) {
  ApiError error;
  error.message = reply.one_line();
  if (reply.is_transient()) {
    error.status = 503;
    error.name = "application_error";
    return error;
  }
  if (rule == "content.from_ownership") return {403, "invalid_from_address", error.message, "from"};
  if (rule == "content.header_size") error.field = "headers";
  return error;
}

StageFact stage(std::string_view name, Instant at, std::string_view rule,
                std::string recipient = {}) {
  return {std::string(name), at, {}, std::string(rule), {}, std::move(recipient)};
}

std::string_view identify_rule(Principal::Kind kind) {
  switch (kind) {
    case Principal::Kind::key:
      return "key.ok";
    case Principal::Kind::session:
      return "session.ok";
    case Principal::Kind::admin_socket:
    case Principal::Kind::peer:
    case Principal::Kind::nobody:
      break;
  }
  return "socket.admin";
}

DraftFacts facts_of(const ApiContext& context, const Principal& principal,
                    const OutgoingEmail& email, const SendDoor& door) {
  const Instant now = context.world.loop.clock().now();
  DraftFacts facts;
  facts.source = Source::api;
  facts.caller.remote = door.remote;
  facts.caller.listener = door.secure ? ListenerKind::https : ListenerKind::http;
  facts.caller.connected_at = now;
  facts.submitter = principal.submitter();
  facts.verified_sender = true;
  facts.parent = door.parent;
  facts.options = email.options;
  if (principal.key) {
    facts.options.key_id = principal.key->id;
    facts.options.sandbox |= principal.key->sandbox;
    if (facts.options.stream.empty()) facts.options.stream = principal.key->stream;
    facts.may_use_from = [key = *principal.key, &context](const Address& from) {
      return may_send_as(key, context.directory, from);
    };
  }
  Sender& sender = facts.transaction.sender;
  sender.address = email.envelope.from.value_or(email.from.address);
  sender.ret = email.envelope.ret;
  if (!email.envelope.envelope_id.empty())
    sender.envelope_id = encode_xtext(email.envelope.envelope_id);
  sender.smtputf8 = sender.address.needs_smtputf8();
  facts.stages = {stage("connect", now, "http"),
                  stage("identify", now, identify_rule(principal.kind))};
  for (const Address& address : recipients_of(email)) {
    auto& recipients = facts.transaction.recipients;
    sender.smtputf8 |= address.needs_smtputf8();
    recipients.push_back({address, email.envelope.notify, std::nullopt});
    if (recipients.size() <= 200)
      facts.stages.push_back(stage("envelope", now, "api", address.text()));
  }
  return facts;
}

// Is it bulk mail to several, without a way to leave that its sender gave?
bool goes_apart(const ApiContext& context, const Principal& principal, const OutgoingEmail& email) {
  const StreamDoors doors = context.intake().streams;
  if (!doors.streams || !doors.links || recipients_of(email).size() < 2) return false;
  const bool of_key = email.options.stream.empty() && principal.key;
  const auto stream = doors.streams->find(of_key ? principal.key->stream : email.options.stream);
  if (!stream || stream->kind != StreamKind::bulk) return false;
  const auto is_it = [](std::string_view name) {
    return equal_ignoring_case(name, "List-Unsubscribe");
  };
  if (email.raw.empty())
    return std::ranges::none_of(email.headers,
                                [&](const auto& field) { return is_it(field.first); });
  const auto header = scan_header(email.raw, HeaderLimits{});
  return header && !has_unsubscribe(*header);
}

std::size_t octets_of(const OutgoingEmail& email) {
  std::size_t octets = email.raw.size();
  if (email.html) octets += email.html->size();
  if (email.text) octets += email.text->size();
  for (const auto& each : email.attachments) octets += each.octets.size();
  return octets;
}

}  // namespace

Result<std::vector<HeaderMailbox>> parse_mailboxes(std::string_view text) {
  if (trim(text).empty()) return std::vector<HeaderMailbox>();
  auto parsed = parse_header_mailboxes(text);
  if (parsed.complete && !parsed.mailboxes.empty()) {
    for (auto& mailbox : parsed.mailboxes)
      mailbox.display_name = decode_words(mailbox.display_name);
    return std::move(parsed.mailboxes);
  }
  // A lone address says best what is wrong with it.
  const auto open = text.rfind('<'), close = text.rfind('>');
  const bool angled =
      open != std::string_view::npos && close != std::string_view::npos && close > open;
  const auto bare = trim(angled ? text.substr(open + 1, close - open - 1) : text);
  const auto address = Address::parse(bare);
  return fail(ErrorKind::bad_data,
              fmt::format("\"{}\": {}", printable(text, 100),
                          address ? "a list of addresses is wanted" : address.error().message));
}

Result<HeaderMailbox> parse_mailbox(std::string_view text) {
  auto mailboxes = TRY(parse_mailboxes(text));
  if (mailboxes.size() == 1) return std::move(mailboxes.front());
  return fail(ErrorKind::bad_data,
              fmt::format("\"{}\" is {}", printable(text, 100),
                          mailboxes.empty() ? "no address" : "more than one address"));
}

ApiResult<> check_email(const ApiContext& context, const Principal& principal,
                        const OutgoingEmail& email) {
  if (auto right = check_addresses(context, principal, email); !right) return right;
  if (auto right = check_content(email); !right) return right;
  if (auto right = check_options(principal, email, context.world.loop.clock().now()); !right)
    return right;
  if (octets_of(email) > context.message_octets())
    return refuse(413, "validation_error", "",
                  fmt::format("the message has more than {} octets", context.message_octets()));
  return {};
}

std::size_t parts_of(const ApiContext& context, const Principal& principal,
                     const OutgoingEmail& email) {
  return goes_apart(context, principal, email) ? recipients_of(email).size() : 1;
}

std::vector<Address> recipients_of(const OutgoingEmail& email) {
  if (!email.envelope.only.empty()) return email.envelope.only;
  std::vector<Address> all;
  for (const auto* list : {&email.to, &email.cc, &email.bcc})
    for (const auto& mailbox : *list)
      if (std::ranges::find(all, mailbox.address) == all.end()) all.push_back(mailbox.address);
  return all;
}

namespace {

Task<ApiResult<SentEmail>> send_message(ApiContext& context, const Principal& principal,
                                        OutgoingEmail email, SendDoor door, std::size_t part = 0) {
  auto& loop = context.world.loop;
  auto facts = facts_of(context, principal, email, door);
  const IntakeOptions intake = context.intake();  // the draft refers to it
  Draft draft(context.queue, context.directory, intake, loop, std::move(facts));
  const std::string seed = draft.id().text();
  const auto octets = octets_of(email);
  const auto message = CO_TRY(co_await work_on(
      context, octets, [email = std::move(email), seed] { return compose_email(email, seed); }));
  if (message.size() > context.message_octets())
    co_return refuse(413, "validation_error", "",
                     fmt::format("the message has {} octets, the limit is {}", message.size(),
                                 context.message_octets()));
  if (door.objects)
    for (auto& object : door.objects(part, draft.id())) draft.add_object(std::move(object));
  for (std::size_t at = 0; at < message.size(); at += piece_octets)
    co_await draft.write(std::string_view(message).substr(at, piece_octets));
  const auto reply = co_await draft.commit();
  if (!reply.is_positive()) co_return std::unexpected(error_of(reply, draft.rule()));
  co_return SentEmail{draft.id(), draft.id().made_at(), reply.one_line(), draft.left_out()};
}

}  // namespace

Task<ApiResult<SentEmail>> send_email(ApiContext& context, Principal principal, OutgoingEmail email,
                                      SendDoor door) {
  CO_TRY(check_email(context, principal, email));
  if (!goes_apart(context, principal, email))
    co_return co_await send_message(context, principal, std::move(email), std::move(door));
  SentEmail all;
  const auto recipients = recipients_of(email);
  for (std::size_t part = 0; part < recipients.size(); ++part) {
    SentEmail sent;
    if (part < door.known.size() && door.known[part]) {
      sent.id = *door.known[part];
    } else {
      OutgoingEmail one = email;
      one.envelope.only = {recipients[part]};
      sent = CO_TRY(co_await send_message(context, principal, std::move(one), door, part));
    }
    if (part == 0) {
      all = std::move(sent);
      continue;
    }
    all.others.push_back(sent.id);
    for (LeftOut& each : sent.suppressed) all.suppressed.push_back(std::move(each));
  }
  co_return all;
}

}  // namespace goniec
