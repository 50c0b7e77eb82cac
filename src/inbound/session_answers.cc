// Answers to what the ServerSession asks: each a small step to policy, directory, logins or intake.
#include "inbound/session_state.h"

namespace goniec {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

}  // namespace

Task<void> SmtpSession::State::answer(smtp::Ask ask) {
  const std::uint64_t token = ask.token;
  if (auto* password = std::get_if<smtp::AskPassword>(&ask.question)) {
    co_await answer_password(std::move(*password), token);
    co_return;
  }
  if (auto* recipient = std::get_if<smtp::AskRecipient>(&ask.question)) {
    co_await answer_recipient(std::move(*recipient), token);
    co_return;
  }
  if (std::holds_alternative<smtp::AskMessage>(ask.question)) {
    co_await answer_message(token);
    co_return;
  }
  std::visit(Overloaded{
                 [&](const smtp::AskGreeting&) {
                   session->answer(token, Reply(220, {}, options->hostname + " ESMTP Goniec"));
                 },
                 [&](const smtp::AskHelo&) {
                   identified_at = now();
                   identify_rule = "helo.ok";
                   session->answer(token, Reply(250, {}, options->hostname));
                 },
                 [&](const smtp::AskScramKeys& question) {
                   scram_user = question.user;
                   session->answer_scram(token, parts.logins.scram_keys(question.user));
                 },
                 [&](const smtp::AskScramDone& question) { answer_scram_done(question, token); },
                 [&](const smtp::AskSender& question) { answer_sender(question, token); },
                 [&](const smtp::AskData&) { answer_data(token); },
                 [&](const smtp::AskVerify& question) {
                   // No address oracle (RFC 5321 §7.3).
                   session->answer(token,
                                   question.expand
                                       ? Reply(502, {5, 5, 1}, "EXPN is not offered here")
                                       : Reply(252, {2, 1, 5}, "send some mail, it will be tried"));
                 },
                 [](const auto&) { CHECK(false); },
             },
             ask.question);
}

// ---------------------------------------------------------------- login
void SmtpSession::State::logged_in_as(const LoginAnswer& result, std::string_view mechanism,
                                      std::string_view user) {
  identified_at = now();
  identify_rule = result.rule;
  if (result.login) {
    ticket.logged_in();
    return;
  }
  log(login_failed_line(caller, mechanism, user, result.rule, now()));
}

Task<void> SmtpSession::State::answer_password(smtp::AskPassword question, std::uint64_t token) {
  const std::string user = question.credentials.user;
  LoginAnswer result = parts.logins.is_key(question.credentials.password.reveal())
                           ? check_key(question)
                           : co_await parts.logins.check_password(
                                 parts.world, caller.remote.address,
                                 std::move(question.credentials), question.mechanism);
  logged_in_as(result, question.mechanism, user);
  session->answer_login(token, std::move(result.login), std::move(result.reply));
}

// A key of the API in place of a password, with any user name.
LoginAnswer SmtpSession::State::check_key(const smtp::AskPassword& question) {
  KeyAnswer answer = parts.logins.check_key(parts.world.loop.clock(), caller.remote.address,
                                            question.credentials.password.reveal());
  if (!answer.key)
    return {{}, Reply(535, {5, 7, 8}, "Authentication credentials invalid"), "login.key"};
  if (!answer.key->scopes.send)
    return {{}, Reply(535, {5, 7, 8}, "This API key has not the scope send"), "login.key_scope"};
  key = std::move(answer.key);
  // What stands for the account in logs and timelines.
  const auto hostname = Domain::parse(options->hostname);
  return {Login{Address::make(key->id, hostname.value_or(Domain())), question.mechanism},
          Reply(235, {2, 7, 0}, "Authentication successful"), "login.key"};
}

bool SmtpSession::State::may_send_as(const Address& sender) const {
  const auto& login = session->transaction().login;
  if (!login) return true;
  if (!key) return parts.directory.may_send_as(login->user, sender);
  return !parts.logins.is_revoked(*key) && goniec::may_send_as(*key, parts.directory, sender);
}

void SmtpSession::State::answer_scram_done(smtp::AskScramDone question, std::uint64_t token) {
  LoginAnswer result = parts.logins.scram_done(parts.world.loop.clock(), caller.remote.address,
                                               question.user, question.proved);
  logged_in_as(result, "SCRAM-SHA-256", question.user);
  session->answer_login(token, std::move(result.login), std::move(result.reply));
}

// ---------------------------------------------------------------- envelope
void SmtpSession::State::answer_sender(const smtp::AskSender& question, std::uint64_t token) {
  const auto& login = session->transaction().login;
  SenderFacts facts{.sender = question.sender,
                    .logged_in = login.has_value(),
                    .may_send_as = true,
                    .disk_full = parts.store_health().refuses_mail};
  facts.may_send_as = may_send_as(question.sender.address);
  Verdict verdict = judge_sender(facts);
  stages.clear();
  returns.clear();
  envelope_at = now();
  if (verdict.kind != Verdict::Kind::accept) {
    count_refusal(verdict.rule);
    Transaction shown = session->transaction();
    shown.sender = question.sender;
    log(reject_line(caller, shown, "MAIL", {}, verdict.reply, verdict.rule, now()));
  } else if (checks) {
    checks->begin(session->transaction().helo, question.sender.address);
  }
  session->answer(token, std::move(verdict.reply));
}

// Whether it is an address that forwarding made (accounts/forwarding.h), and of whom.
Task<SmtpSession::State::Returned> SmtpSession::State::find_return(Address address,
                                                                   Resolved resolved) {
  const ForwardingDoor door = options->intake.forwarding_door(now());
  if (!door.forwarding) co_return Returned{};
  const auto back = door.forwarding->returned(address, resolved, door.options, door.now);
  if (!back) co_return Returned{};
  if (back->status != SrsStatus::good || !back->message) co_return Returned{back->status};
  auto sender = co_await parts.queue.sender_of(parts.world.loop, back->message);
  if (!sender) co_return Returned{back->status, true};
  if (!*sender) co_return Returned{SrsStatus::expired};  // its events are past their retention
  returns.push_back({std::move(address), std::move(**sender)});
  co_return Returned{SrsStatus::good};
}

Task<void> SmtpSession::State::answer_recipient(smtp::AskRecipient question, std::uint64_t token) {
  const Instant asked = now();
  const Address& address = question.recipient.address;
  const Resolved resolved =
      question.postmaster ? parts.directory.resolve_postmaster() : parts.directory.resolve(address);
  RecipientFacts facts{.address = address,
                       .listener = listener.kind,
                       .logged_in = session->transaction().login.has_value(),
                       .trusted = caller.trusted,
                       .kind = resolved.kind,
                       .over_quota = false,
                       .verified = {},
                       .srs = {},
                       .store_silent = false,
                       .unsubscribe = false};
  if (const Links* links = options->intake.streams.links)
    facts.unsubscribe = takes_unsubscribe(*links, parts.directory, options->hostname, address);
  if (looks_like_srs(address.local())) {
    const Returned returned = co_await find_return(address, resolved);
    facts.srs = returned.status;
    facts.store_silent = returned.silent;
  }
  if (resolved.kind == RecipientKind::mailbox && parts.is_over_quota)
    facts.over_quota = co_await parts.is_over_quota(
        resolved.mailbox, session->transaction().sender.declared_size.value_or(0));
  if (resolved.kind == RecipientKind::verify && parts.verify_recipient)
    facts.verified = co_await parts.verify_recipient(address);
  Verdict verdict = judge_recipient(facts);
  const std::size_t envelope = envelope_octets(session->transaction().recipients.size() + 1);
  if (verdict.kind == Verdict::Kind::accept && envelope > 0 &&
      !(begin_charge(envelope) && charge.cover(envelope)))
    verdict = {Verdict::Kind::defer,
               Reply(452, {4, 3, 1}, "no room for so many recipients now, send the others later"),
               "pressure.drafts"};
  const std::string shown = address.text();
  if (verdict.kind != Verdict::Kind::accept) {
    count_refusal(verdict.rule);
    log(reject_line(caller, session->transaction(), "RCPT", shown, verdict.reply, verdict.rule,
                    now()));
  }
  if (stages.size() < 200)  // the story of a message with a thousand recipients stays readable
    stages.push_back(StageFact{.stage = "envelope",
                               .at = asked,
                               .took = now() - asked,
                               .rule = verdict.rule,
                               .reply = verdict.reply.one_line(),
                               .recipient = shown});
  session->answer(token, std::move(verdict.reply));
}

// ---------------------------------------------------------------- message
DraftFacts SmtpSession::State::draft_facts() {
  DraftFacts facts;
  facts.caller = caller;
  facts.transaction = session->transaction();
  facts.source = listener.kind == ListenerKind::lmtp ? Source::lmtp
                 : is_submission()                   ? Source::submission
                                                     : Source::smtp;
  const auto& login = facts.transaction.login;
  facts.check = checks.get();
  facts.verified_sender = login.has_value() || caller.trusted;
  if (login) {
    facts.submitter = key ? key->submitter() : login->user.text();
    facts.may_use_from = [this](const Address& from) { return may_send_as(from); };
    if (key) {
      facts.options.key_id = key->id;
      facts.options.stream = key->stream;
      facts.options.sandbox = key->sandbox;
    }
  }
  facts.stages.reserve(stages.size() + 3);  // with connect, identify and content
  facts.stages.push_back(StageFact{.stage = "connect",
                                   .at = caller.connected_at,
                                   .took = {},
                                   .rule = caller.trusted ? "listener.trust" : "listener.open",
                                   .reply = "220 " + options->hostname,
                                   .recipient = {}});
  facts.stages.push_back(StageFact{.stage = "identify",
                                   .at = identified_at,
                                   .took = {},
                                   .rule = identify_rule,
                                   .reply = {},
                                   .recipient = {}});
  std::ranges::move(stages, std::back_inserter(facts.stages));
  stages.clear();
  facts.returns = std::move(returns);
  returns.clear();
  return facts;
}

void SmtpSession::State::answer_data(std::uint64_t token) {
  const auto& login = session->transaction().login;
  std::optional<Reply> refusal;
  std::string rule;
  if (parts.store_health().sealed) {
    refusal = Reply(451, {4, 3, 0}, "the mail store is out of order, try again later");
    rule = "pressure.store";
  } else if (login && !key) {
    refusal = parts.logins.count_message(parts.world.loop.clock(), login->user);
    rule = "limit.messages_per_account_hour";
  }
  const std::uint64_t size = session->transaction().sender.declared_size.value_or(0);
  if (!refusal && !begin_charge(Draft::most_held(size, options->intake))) {
    refusal = Reply(452, {4, 3, 1}, "too many messages are being received now, try again later");
    rule = "pressure.drafts";
  }
  if (refusal) {
    count_refusal(rule);
    log(reject_line(caller, session->transaction(), "DATA", {}, *refusal, rule, now()));
    session->answer(token, std::move(*refusal));
    return;
  }
  body_octets = 0;
  draft = std::make_unique<Draft>(parts.queue, parts.directory, options->intake, parts.world.loop,
                                  draft_facts());
  session->answer(token, Reply(354, {}, "end with <CRLF>.<CRLF>"));
}

Task<void> SmtpSession::State::answer_message(std::uint64_t token) {
  Reply reply(451, {4, 3, 0}, "the message was not received");
  if (draft) {
    reply = co_await draft->commit();
    if (!reply.is_positive()) {
      count_refusal(draft->rule());
      log(reject_line(caller, session->transaction(), "END-OF-MESSAGE", {}, reply, draft->rule(),
                      now()));
    }
    drop_draft();
  }
  const std::size_t replies =
      listener.kind == ListenerKind::lmtp ? session->transaction().recipients.size() : 1;
  session->answer_message(token, std::vector<Reply>(replies, reply));
  stages.clear();
}

}  // namespace goniec
