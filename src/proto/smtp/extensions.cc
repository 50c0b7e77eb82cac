// Implementation of offers and parameters; see extensions.h. Each parameter is a row of a table:
// its name, and the function that checks its value and keeps it.
#include "proto/smtp/extensions.h"

#include <algorithm>

#include "base/text.h"

namespace goniec::smtp {

namespace {

constexpr std::size_t kEnvelopeIdOctets = 100;         // RFC 3461 §4.4
constexpr std::size_t kOriginalRecipientOctets = 500;  // RFC 3461 §4.2

std::unexpected<Reply> refuse(std::uint16_t code, EnhancedCode enhanced, std::string text) {
  return std::unexpected(Reply(code, enhanced, std::move(text)));
}
std::unexpected<Reply> bad_value(std::string text) {
  return refuse(501, {5, 5, 4}, std::move(text));
}

// ---------------------------------------------------------------- MAIL
using MailCheck = Parsed<void> (*)(Sender&, const Parameter&, const ParameterRules&);

Parsed<void> take_size(Sender& sender, const Parameter& parameter, const ParameterRules& rules) {
  // size-value = 1*20DIGIT (RFC 1870 §3): what does not fit 64 bits is too large, not small.
  std::string_view digits = parameter.value.value_or("");
  bool all_digits = !digits.empty() && std::ranges::all_of(digits, is_digit);
  if (!all_digits || digits.size() > 20) return bad_value("SIZE must be a number of octets");
  auto size = parse_unsigned(digits);
  if (!size || *size > rules.message_octets) {
    return refuse(
        552, {5, 3, 4},
        fmt::format("message of {} octets is over the limit of {}", digits, rules.message_octets));
  }
  sender.declared_size = *size;
  return {};
}

Parsed<void> take_body(Sender& sender, const Parameter& parameter, const ParameterRules&) {
  std::string_view body = parameter.value.value_or("");
  if (equal_ignoring_case(body, "8BITMIME")) {
    sender.body = BodyType::eight_bit;
  } else if (!equal_ignoring_case(body, "7BIT")) {
    return bad_value("BODY must be 7BIT or 8BITMIME");
  }
  return {};
}

Parsed<void> take_smtputf8(Sender& sender, const Parameter& parameter, const ParameterRules&) {
  if (parameter.value) return bad_value("SMTPUTF8 takes no value");
  sender.smtputf8 = true;
  return {};
}

Parsed<void> take_ret(Sender& sender, const Parameter& parameter, const ParameterRules&) {
  std::string_view ret = parameter.value.value_or("");
  if (equal_ignoring_case(ret, "FULL")) {
    sender.ret = DsnReturn::full;
  } else if (equal_ignoring_case(ret, "HDRS")) {
    sender.ret = DsnReturn::headers;
  } else {
    return bad_value("RET must be FULL or HDRS");
  }
  return {};
}

Parsed<void> take_envelope_id(Sender& sender, const Parameter& parameter, const ParameterRules&) {
  std::string_view id = parameter.value.value_or("");
  if (id.empty() || id.size() > kEnvelopeIdOctets || !decode_xtext(id)) {
    return bad_value("ENVID must be xtext of at most 100 octets (RFC 3461)");
  }
  sender.envelope_id = std::string(id);
  return {};
}

// RFC 4954 §5: checked, and then as if AUTH=<> had been said: nobody is trusted to vouch for
// others.
Parsed<void> take_auth(Sender&, const Parameter& parameter, const ParameterRules& rules) {
  if (!rules.login) return refuse(555, {5, 5, 4}, "AUTH is not offered here");
  std::string_view identity = parameter.value.value_or("");
  if (identity.empty() || (identity != "<>" && !decode_xtext(identity))) {
    return bad_value("AUTH must be <> or an address in xtext (RFC 4954)");
  }
  return {};
}

// RFC 8689 §2: only where it was offered, and that is in TLS.
Parsed<void> take_requiretls(Sender& sender, const Parameter& parameter,
                             const ParameterRules& rules) {
  if (!rules.requiretls)
    return refuse(555, {5, 5, 4}, "REQUIRETLS is offered in TLS alone: STARTTLS comes first");
  if (parameter.value) return bad_value("REQUIRETLS takes no value");
  sender.requiretls = true;
  return {};
}

struct MailParameter {
  std::string_view name;
  MailCheck take;
};
constexpr MailParameter kMailParameters[] = {
    {"SIZE", take_size},
    {"BODY", take_body},
    {"SMTPUTF8", take_smtputf8},
    {"RET", take_ret},
    {"ENVID", take_envelope_id},
    {"AUTH", take_auth},
    {"REQUIRETLS", take_requiretls},
};

// ---------------------------------------------------------------- RCPT
using RcptCheck = Parsed<void> (*)(Recipient&, const Parameter&, bool smtputf8);

Parsed<void> take_notify(Recipient& recipient, const Parameter& parameter, bool) {
  NotifyOptions notify;
  for (std::string_view word : split(parameter.value.value_or(""), ',')) {
    if (equal_ignoring_case(word, "NEVER")) {
      notify.never = true;
    } else if (equal_ignoring_case(word, "SUCCESS")) {
      notify.success = true;
    } else if (equal_ignoring_case(word, "FAILURE")) {
      notify.failure = true;
    } else if (equal_ignoring_case(word, "DELAY")) {
      notify.delay = true;
    } else {
      return bad_value("NOTIFY must be NEVER, or of SUCCESS,FAILURE,DELAY");
    }
  }
  if (notify.never && (notify.success || notify.failure || notify.delay)) {
    return bad_value("NOTIFY=NEVER stands alone");  // RFC 3461 §4.1
  }
  recipient.notify = notify;
  return {};
}

// utf-8-addr-xtext, or with SMTPUTF8 utf-8-addr-unitext (RFC 6533 §3): \x{HEX} for what is not
// plain.
bool is_utf8_address(std::string_view text, bool smtputf8) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto octet = static_cast<unsigned char>(text[i]);
    if (octet == '\\') {
      std::size_t close = text.find('}', i);
      if (close == std::string_view::npos || text.substr(i, 3) != "\\x{") return false;
      std::string_view digits = text.substr(i + 3, close - i - 3);
      bool hex =
          std::ranges::all_of(digits, [](char c) { return is_digit(c) || (c >= 'A' && c <= 'F'); });
      // Nothing below a blank may hide in it: a control would end in a line of a report.
      if (!hex || digits.size() < 2 || digits.size() > 6 || (digits.size() == 2 && digits < "20") ||
          (digits.size() > 2 && digits[0] == '0') || digits == "7F") {
        return false;
      }
      i = close;
    } else if (octet <= 32 || octet == '=' || octet == '+' || octet == 127) {
      return false;
    } else if (octet > 127 && !smtputf8) {
      return false;
    }
  }
  return is_utf8(text);
}

Parsed<void> take_orcpt(Recipient& recipient, const Parameter& parameter, bool smtputf8) {
  std::string_view value = parameter.value.value_or("");
  std::size_t semicolon = value.find(';');
  std::string_view type = value.substr(0, semicolon);
  std::string_view address = semicolon == std::string_view::npos ? "" : value.substr(semicolon + 1);
  bool atom = !type.empty() && std::ranges::all_of(type, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
  });
  bool valid = equal_ignoring_case(type, "utf-8") ? is_utf8_address(address, smtputf8)
                                                  : decode_xtext(address).has_value();
  if (!atom || address.empty() || value.size() > kOriginalRecipientOctets || !valid) {
    return bad_value("ORCPT must be type;xtext of at most 500 octets (RFC 3461)");
  }
  recipient.original_recipient = std::string(value);
  return {};
}

struct RcptParameter {
  std::string_view name;
  RcptCheck take;
};
constexpr RcptParameter kRcptParameters[] = {{"NOTIFY", take_notify}, {"ORCPT", take_orcpt}};

// ---------------------------------------------------------------- both
std::unexpected<Reply> unknown(const Parameter& parameter, std::string_view verb,
                               const ParameterRules& rules) {
  std::string name = printable(parameter.name, 40);
  if (!rules.extended) {  // RFC 5321 §4.1.1.11: parameters belong to what EHLO offered
    return refuse(555, {5, 5, 4}, fmt::format("{} needs EHLO first", name));
  }
  return refuse(555, {5, 5, 4}, fmt::format("{} does not know the parameter {}", verb, name));
}

// "FROM:" or "TO:" taken off; blanks after the colon are tolerated, since real clients send them.
Parsed<std::string_view> path_after(std::string_view arguments, std::string_view keyword,
                                    EnhancedCode enhanced, std::string_view usage) {
  if (!starts_with_ignoring_case(arguments, keyword)) {
    return refuse(501, {5, 5, 4}, fmt::format("use {}", usage));
  }
  std::string_view path = trim(arguments.substr(keyword.size()));
  if (path.empty() || path[0] != '<') {
    return refuse(501, enhanced, fmt::format("the address must stand in <>: {}", usage));
  }
  return path;
}

}  // namespace

Reply ehlo_reply(const Offers& offers) {
  Reply reply(250, {}, offers.hostname);
  auto& lines = reply.lines;
  lines.insert(lines.end(), {"PIPELINING", fmt::format("SIZE {}", offers.message_octets),
                             "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES"});
  if (offers.starttls) lines.push_back("STARTTLS");
  if (offers.requiretls) lines.push_back("REQUIRETLS");
  if (!offers.mechanisms.empty()) {
    lines.push_back(fmt::format("AUTH {}", fmt::join(offers.mechanisms, " ")));
  }
  lines.push_back(
      fmt::format("LIMITS MAILMAX={} RCPTMAX={}", offers.transactions, offers.recipients));
  return reply;
}

Parsed<Sender> parse_mail(std::string_view arguments, const ParameterRules& rules) {
  Parsed<std::string_view> text =
      path_after(arguments, "FROM:", {5, 1, 7}, "MAIL FROM:<address> [parameters]");
  if (!text) return std::unexpected(text.error());
  Result<ParsedPath> path = parse_reverse_path(*text, Utf8Policy::allow);
  if (!path) return refuse(501, {5, 1, 7}, path.error().message);
  Parsed<std::vector<Parameter>> parameters = parse_parameters(path->rest, false);
  if (!parameters) return std::unexpected(parameters.error());

  Sender sender;
  sender.address = path->address;
  for (const Parameter& parameter : *parameters) {
    const auto* row = std::ranges::find(kMailParameters, parameter.name, &MailParameter::name);
    if (!rules.extended || row == std::end(kMailParameters)) {
      return unknown(parameter, "MAIL", rules);
    }
    if (Parsed<void> taken = row->take(sender, parameter, rules); !taken) {
      return std::unexpected(taken.error());
    }
  }
  std::string_view written = text->substr(0, text->size() - path->rest.size());
  if (!sender.smtputf8 && !is_ascii(written)) {  // RFC 6531 §3.3
    return refuse(553, {5, 6, 7}, "a non-ASCII sender address needs the parameter SMTPUTF8");
  }
  return sender;
}

Parsed<RecipientArguments> parse_rcpt(std::string_view arguments, const ParameterRules& rules,
                                      bool smtputf8) {
  Parsed<std::string_view> text =
      path_after(arguments, "TO:", {5, 1, 3}, "RCPT TO:<address> [parameters]");
  if (!text) return std::unexpected(text.error());
  Result<ParsedPath> path = parse_forward_path(*text, Utf8Policy::allow);
  if (!path) return refuse(501, {5, 1, 3}, path.error().message);
  if (path->address.empty() && !path->postmaster) {
    return refuse(501, {5, 1, 3}, "a recipient cannot be <>");
  }
  std::string_view written = text->substr(0, text->size() - path->rest.size());
  if (!smtputf8 && !is_ascii(written)) {
    return refuse(553, {5, 6, 7}, "a non-ASCII recipient needs SMTPUTF8 at MAIL");
  }
  Parsed<std::vector<Parameter>> parameters = parse_parameters(path->rest, smtputf8);
  if (!parameters) return std::unexpected(parameters.error());

  RecipientArguments result;
  result.recipient.address = path->address;
  result.postmaster = path->postmaster;
  for (const Parameter& parameter : *parameters) {
    const auto* row = std::ranges::find(kRcptParameters, parameter.name, &RcptParameter::name);
    if (!rules.extended || row == std::end(kRcptParameters)) {
      return unknown(parameter, "RCPT", rules);
    }
    if (Parsed<void> taken = row->take(result.recipient, parameter, smtputf8); !taken) {
      return std::unexpected(taken.error());
    }
  }
  return result;
}

}  // namespace goniec::smtp
