// The commands of the server session: a table of verbs, and a small handler for each. RFC 5321
// §4.1.
//
// Promises: order and grammar only; who may do what is asked. Verbs the house does not have are
// refused in the right words (502 for known and not implemented, 500 for unknown). Refuses:
// protocols that only look like mail (HTTP to a mail port: ALPACA), at once and for good.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "proto/smtp/server_state.h"

namespace goniec::smtp {

const ServerSession::State::Verb* ServerSession::State::find_verb(std::string_view name) {
  static constexpr Verb kVerbs[] = {
      {"MAIL", Arguments::required, &State::mail, "MAIL FROM:<address> [parameters]"},
      {"RCPT", Arguments::required, &State::rcpt, "RCPT TO:<address> [parameters]"},
      {"DATA", Arguments::none, &State::data, "DATA"},
      {"BDAT", Arguments::optional, &State::bdat, "BDAT octets [LAST]"},
      {"EHLO", Arguments::optional, &State::ehlo, "EHLO your.host.name"},
      {"HELO", Arguments::optional, &State::helo, "HELO your.host.name"},
      {"LHLO", Arguments::optional, &State::lhlo, "LHLO your.host.name"},
      {"RSET", Arguments::none, &State::rset, "RSET"},
      {"NOOP", Arguments::optional, &State::noop, "NOOP"},
      {"QUIT", Arguments::none, &State::quit, "QUIT"},
      {"STARTTLS", Arguments::none, &State::starttls, "STARTTLS"},
      {"AUTH", Arguments::required, &State::auth, "AUTH mechanism [response]"},
      {"VRFY", Arguments::required, &State::vrfy, "VRFY address"},
      {"EXPN", Arguments::required, &State::expn, "EXPN list"},
      {"HELP", Arguments::optional, &State::help, "HELP"},
      {"ETRN", Arguments::optional, &State::etrn, "ETRN"},
      {"TURN", Arguments::optional, &State::obsolete, "TURN"},
      {"SEND", Arguments::optional, &State::obsolete, "SEND"},
      {"SOML", Arguments::optional, &State::obsolete, "SOML"},
      {"SAML", Arguments::optional, &State::obsolete, "SAML"},
      {"GET", Arguments::optional, &State::foreign, ""},
      {"POST", Arguments::optional, &State::foreign, ""},
      {"PUT", Arguments::optional, &State::foreign, ""},
      {"HEAD", Arguments::optional, &State::foreign, ""},
      {"OPTIONS", Arguments::optional, &State::foreign, ""},
      {"CONNECT", Arguments::optional, &State::foreign, ""},
      {"PATCH", Arguments::optional, &State::foreign, ""},
      {"DELETE", Arguments::optional, &State::foreign, ""},
      {"PRI", Arguments::optional, &State::foreign, ""},
  };
  const Verb* row = std::ranges::find(kVerbs, name, &Verb::name);
  return row == std::end(kVerbs) ? nullptr : row;
}

void ServerSession::State::run_command(std::string_view line) {
  current_verb = 0;
  if (++counts.commands > options.limits.commands) {
    return refuse(Reply(421, {4, 7, 0}, "too many commands in one session"), "session.commands");
  }
  Parsed<CommandLine> command = parse_command_line(line);
  if (!command) return fail_command(command.error(), "command.grammar");
  const Verb* verb = find_verb(command->verb);
  bool known_here = verb != nullptr && (verb->run != &State::lhlo || is_lmtp());
  std::string_view counted = known_here ? verb->name : "unknown";
  auto row = std::ranges::find(counts.verbs, counted, &SessionCounts::Verb::name);
  if (row == counts.verbs.end()) {
    counts.verbs.push_back({.name = std::string(counted)});
    row = counts.verbs.end() - 1;
  }
  ++row->total;
  current_verb = static_cast<std::size_t>(row - counts.verbs.begin()) + 1;
  if (!known_here) {
    return fail_command(Reply(500, {5, 5, 1}, "command not recognised; try HELP"),
                        "command.unknown");
  }
  bool given = !command->arguments.empty();
  if (given && verb->arguments == Arguments::none) {
    return fail_command(Reply(501, {5, 5, 4}, fmt::format("{} takes no arguments", verb->name)),
                        "command.arguments");
  }
  if (!given && verb->arguments == Arguments::required) {
    return fail_command(Reply(501, {5, 5, 4}, fmt::format("use {}", verb->usage)),
                        "command.arguments");
  }
  (this->*verb->run)(command->arguments);
}

// ---------------------------------------------------------------- HELO, EHLO, LHLO
void ServerSession::State::helo(std::string_view arguments) {
  greet(arguments, false);
}
void ServerSession::State::ehlo(std::string_view arguments) {
  greet(arguments, true);
}
void ServerSession::State::lhlo(std::string_view arguments) {
  asked_helo = arguments;
  if (!is_tolerable_helo(arguments)) {
    return fail_command(Reply(501, {5, 5, 4}, "use LHLO your.host.name"), "helo.grammar");
  }
  asked_extended = true;
  ask(AskHelo{asked_helo, asked_extended});
}

void ServerSession::State::greet(std::string_view arguments, bool extended) {
  if (is_lmtp()) {  // RFC 2033 §4.1
    return fail_command(Reply(500, {5, 5, 1}, "this is LMTP: use LHLO"), "helo.lmtp");
  }
  if (!is_tolerable_helo(arguments)) {
    return fail_command(Reply(501, {5, 5, 4},
                              fmt::format("use {} your.host.name, one name without "
                                          "blanks",
                                          extended ? "EHLO" : "HELO")),
                        "helo.grammar");
  }
  asked_helo = arguments;
  asked_extended = extended;
  ask(AskHelo{asked_helo, asked_extended});
}

void ServerSession::State::answered_helo(const Reply& reply) {
  if (!reply.is_positive()) return say(reply);
  forget_transaction();  // RFC 5321 §4.1.4: EHLO clears what was begun
  transaction.helo = std::exchange(asked_helo, {});
  transaction.extended = asked_extended;
  if (!asked_extended) return accept(Reply(250, {}, options.hostname));
  Offers offers;
  offers.hostname = options.hostname;
  offers.message_octets = options.limits.message_octets;
  offers.transactions = options.limits.transactions;
  offers.recipients = options.limits.recipients;
  offers.starttls = options.tls_offered && !tls_active;
  offers.requiretls = tls_active;
  if (login_possible()) offers.mechanisms = options.mechanisms;  // RFC 4954 §4: never in clear
  accept(ehlo_reply(offers));
}

// ---------------------------------------------------------------- MAIL, RCPT
std::optional<Reply> ServerSession::State::mail_out_of_order() const {
  if (transaction.helo.empty()) return Reply(503, {5, 5, 1}, "say hello first: EHLO or HELO");
  if (in_transaction) return Reply(503, {5, 5, 1}, "a message is already begun: RSET drops it");
  if (options.login_required && !transaction.login) {
    // RFC 4954 §6, RFC 6409 §4.3
    if (!login_possible()) return Reply(530, {5, 7, 0}, "STARTTLS and AUTH come first");
    return Reply(530, {5, 7, 0}, "authentication required: AUTH comes first");
  }
  return std::nullopt;
}

void ServerSession::State::mail(std::string_view arguments) {
  if (auto reply = mail_out_of_order()) {
    return fail_command(*reply, reply->code == 530 ? "auth.required" : "command.order");
  }
  if (transactions >= options.limits.transactions) {  // RFC 9422 MAILMAX
    return refuse(Reply(421, {4, 7, 0}, "enough messages in one session, connect again"),
                  "session.transactions");
  }
  ParameterRules rules{transaction.extended, options.login_offered, options.limits.message_octets,
                       tls_active};
  Parsed<Sender> sender = parse_mail(arguments, rules);
  if (!sender) {
    if (sender.error().code == 552) return refuse(sender.error(), "message.size");
    return fail_command(sender.error(), "mail.grammar");
  }
  asked_sender = std::move(*sender);
  ask(AskSender{asked_sender});
}

void ServerSession::State::answered_sender(const Reply& reply) {
  if (reply.is_positive()) {
    forget_transaction();
    transaction.sender = std::exchange(asked_sender, {});
    in_transaction = true;
    ++transactions;
  }
  accept(reply);
}

void ServerSession::State::rcpt(std::string_view arguments) {
  if (!in_transaction) {
    return fail_command(Reply(503, {5, 5, 1}, "MAIL comes first"), "command.order");
  }
  if (body_open) {  // RFC 3030 §2
    return fail_command(Reply(503, {5, 5, 1}, "recipients come before the first chunk"),
                        "command.order");
  }
  ParameterRules rules{transaction.extended, false, options.limits.message_octets, false};
  Parsed<RecipientArguments> parsed = parse_rcpt(arguments, rules, transaction.sender.smtputf8);
  if (!parsed) return fail_command(parsed.error(), "rcpt.grammar");
  auto& recipients = transaction.recipients;
  auto same = std::ranges::find(recipients, parsed->recipient.address, &Recipient::address);
  if (same != recipients.end()) {  // taken, and kept once
    keep_recipient(static_cast<std::size_t>(same - recipients.begin()));
    return accept(Reply(250, {2, 1, 5}, "recipient is already on the list"));
  }
  std::size_t octets = arguments.size();
  if (recipients.size() >= options.limits.recipients ||
      envelope_octets + octets > options.limits.envelope_octets) {  // RFC 5321 §4.5.3.1.10
    return refuse(
        Reply(452, {4, 5, 3},
              fmt::format("{} recipients are enough, send the rest apart", recipients.size())),
        "rcpt.too_many");
  }
  asked_recipient = std::move(parsed->recipient);
  ask(AskRecipient{asked_recipient, parsed->postmaster});
}

void ServerSession::State::keep_recipient(std::size_t index) {
  // RFC 2033 §4.2: one reply for each RCPT that succeeded, also for the same address twice.
  if (is_lmtp() && reply_order.size() < 2 * options.limits.recipients) reply_order.push_back(index);
}

void ServerSession::State::answered_recipient(const Reply& reply) {
  if (reply.is_positive()) {
    envelope_octets += asked_recipient.address.local().size() +
                       asked_recipient.address.domain().ascii().size() +
                       asked_recipient.original_recipient.value_or("").size();
    keep_recipient(transaction.recipients.size());
    transaction.recipients.push_back(std::exchange(asked_recipient, {}));
    return accept(reply);
  }
  if (reply.is_permanent() && ++refused_recipients > options.limits.refused_recipients) {
    return refuse(Reply(421, {4, 7, 0}, "too many refused recipients, goodbye"),
                  "session.recipients");
  }
  say(reply);
}

// ---------------------------------------------------------------- RSET, NOOP, HELP, VRFY, EXPN,
// QUIT
void ServerSession::State::rset(std::string_view) {
  forget_transaction();  // the name and the login stay (RFC 5321 §4.1.1.5)
  accept(Reply(250, {2, 0, 0}, "forgotten"));
}

void ServerSession::State::noop(std::string_view) {
  accept(Reply(250, {2, 0, 0}, "ok"));
}

void ServerSession::State::help(std::string_view) {
  accept(Reply(214, {2, 0, 0},
               fmt::format("{} MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS AUTH QUIT",
                           is_lmtp() ? "LHLO" : "HELO EHLO")));
}

void ServerSession::State::vrfy(std::string_view) {
  // The same words for every address: no oracle (RFC 5321 §3.5.3, §7.3).
  accept(Reply(252, {2, 5, 2}, "cannot tell; send a message and see"));
}

void ServerSession::State::expn(std::string_view) {
  fail_command(Reply(502, {5, 5, 1}, "lists are not told"), "command.unsupported");
}

void ServerSession::State::quit(std::string_view) {
  accept(Reply(221, {2, 0, 0}, fmt::format("{} goodbye", options.hostname)));
  close("quit");
}

void ServerSession::State::etrn(std::string_view) {
  fail_command(Reply(502, {5, 5, 1}, "ETRN is not offered"), "command.unsupported");
}

void ServerSession::State::obsolete(std::string_view) {  // RFC 5321 F.1, F.6
  fail_command(Reply(502, {5, 5, 1}, "this command is obsolete"), "command.unsupported");
}

void ServerSession::State::foreign(std::string_view) {
  ++counts.errors;
  refuse(Reply(554, {5, 5, 1}, "this is a mail server, and you do not speak SMTP"),
         "command.foreign");
  close("foreign");
}

// ---------------------------------------------------------------- STARTTLS (RFC 3207)
void ServerSession::State::starttls(std::string_view) {
  if (tls_active) {
    return fail_command(Reply(503, {5, 5, 1}, "TLS is active already"), "command.order");
  }
  if (!options.tls_offered) {
    return fail_command(Reply(502, {5, 5, 1}, "STARTTLS is not offered"), "command.unsupported");
  }
  if (!transaction.extended) {
    return fail_command(Reply(503, {5, 5, 1}, "EHLO comes first"), "command.order");
  }
  if (in_transaction) {
    return fail_command(Reply(503, {5, 5, 1}, "a message is begun: RSET drops it"),
                        "command.order");
  }
  accept(Reply(220, {2, 0, 0}, "go ahead"));
  if (phase == Phase::closed) return;
  phase = Phase::tls;
  start_tls = true;
  input = {};  // RFC 3207 §6: what was pipelined after it in clear is never obeyed
  at = searched = 0;
}

}  // namespace goniec::smtp
