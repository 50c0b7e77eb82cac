// Composing delivery status notifications: see dsn.h.
//
//   multipart/report; report-type=delivery-status          RFC 6522 §3
//     1 text/plain                                         people first
//     2 message/delivery-status                            RFC 3464 §2; programs
//       or message/global-delivery-status                  RFC 6533 §4; an address not ASCII
//     3 text/rfc822-headers or message/rfc822              RFC 6522 §4; RET decides
//       or message/global-headers or message/global        RFC 6533 §5, §6; header fields in UTF-8
//
// Everything a peer said passes through header_field (one line, no controls) or a transfer
// encoding. RET=FULL is obeyed only in a report of failure (RFC 3461 §4.3).
#include "mail/dsn.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "mail/bounce_words.h"
#include "mail/compose.h"
#include "mail/xtext.h"

namespace goniec {
namespace {

constexpr std::size_t peer_text_octets = 900;  // of one answer

enum class Script { ascii, utf8 };  // of the report's fields

std::string_view name_of(DsnAction action) {
  switch (action) {
    case DsnAction::failed:
      return "failed";
    case DsnAction::delayed:
      return "delayed";
    case DsnAction::delivered:
      return "delivered";
    case DsnAction::relayed:
      return "relayed";
    case DsnAction::expanded:
      return "expanded";
  }
  return "failed";
}

bool any_of_action(const DsnFacts& facts, DsnAction action) {
  return std::any_of(facts.recipients.begin(), facts.recipients.end(),
                     [&](const DsnRecipient& one) { return one.action == action; });
}

// RFC 6533 applies when the original came with SMTPUTF8 and something of it is not ASCII.
Script script_of(const DsnFacts& facts) {
  const auto& original = facts.original;
  if (!original.sender.smtputf8) return Script::ascii;
  const bool ascii =
      !original.sender.address.needs_smtputf8() && is_ascii(original.content.header) &&
      std::none_of(facts.recipients.begin(), facts.recipients.end(), [](const DsnRecipient& one) {
        return one.recipient.recipient.address.needs_smtputf8();
      });
  return ascii ? Script::ascii : Script::utf8;
}

std::string in_script(std::string_view text, Script script) {
  std::string out(text.substr(0, peer_text_octets));
  if (script == Script::ascii) {
    for (char& c : out) {
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
  }
  return out;
}

// RFC 3464 §2.3.2 and RFC 6533 §3: the type says how the address is written.
std::string final_recipient(const Address& address, Script script) {
  if (!address.needs_smtputf8()) return "rfc822; " + address.text();
  return "utf-8; " +
         (script == Script::utf8 ? address.unicode() : encode_utf8_address(address.text()));
}

// ORCPT "type;xtext" decoded (RFC 3461 §5.2.1); nullopt when it hides what may not be in a field.
std::optional<std::string> original_recipient(std::string_view orcpt, Script script) {
  const auto semicolon = orcpt.find(';');
  if (semicolon == 0 || semicolon == std::string_view::npos) return {};
  const auto type = orcpt.substr(0, semicolon);
  const auto written = orcpt.substr(semicolon + 1);
  const bool atom = std::all_of(type.begin(), type.end(),
                                [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; });
  const bool utf8_type = equal_ignoring_case(type, "utf-8");
  auto text = is_ascii(written) ? decode_xtext(written) : std::string(written);
  if (text && utf8_type) text = decode_utf8_address(*text);
  if (!atom || !text || !is_safe_in_a_field(*text)) return {};
  if (script == Script::ascii && !is_ascii(*text)) {
    if (!utf8_type) return {};
    text = encode_utf8_address(*text);
  }
  return fmt::format("{}; {}", type, *text);
}

// RFC 3464 §2.3.4. The class must agree with the action.
EnhancedCode status_of(const DsnRecipient& one) {
  const auto& code = one.reply.enhanced;
  switch (one.action) {
    case DsnAction::delivered:
    case DsnAction::relayed:
    case DsnAction::expanded:
      return code.klass == 2 ? code : EnhancedCode{2, 0, 0};
    case DsnAction::delayed:
      return code.klass == 4 ? code : EnhancedCode{4, 0, 0};
    case DsnAction::failed:
      if (one.recipient.state == RecipientState::expired) return {5, 4, 7};
      return code.klass == 5 ? code : EnhancedCode{5, code.subject, code.detail};
  }
  return {5, 0, 0};
}

std::string recipient_fields(const DsnRecipient& one, Script script) {
  const auto& recipient = one.recipient.recipient;
  std::string block;
  const auto add = [&](std::string_view name, std::string_view value) {
    block += header_field(name, value);
  };
  if (recipient.original_recipient) {
    const auto original = original_recipient(*recipient.original_recipient, script);
    if (original) add("Original-Recipient", *original);
  }
  add("Final-Recipient", final_recipient(recipient.address, script));
  add("Action", name_of(one.action));
  add("Status", status_of(one).text());
  if (!one.remote_host.empty()) add("Remote-MTA", "dns; " + in_script(one.remote_host, script));
  // RFC 3464 §2.3.6: "smtp" only for what a server really answered.
  const auto said = in_script(one.reply.one_line(), script);
  if (!said.empty()) add("Diagnostic-Code", (one.reply.code != 0 ? "smtp; " : "x-goniec; ") + said);
  if (one.last_attempt != Instant{}) add("Last-Attempt-Date", to_rfc5322(one.last_attempt));
  if (one.action == DsnAction::delayed && one.will_retry_until != Instant{}) {
    add("Will-Retry-Until", to_rfc5322(one.will_retry_until));
  }
  return block;
}

MimePiece status_piece(const DsnFacts& facts, Script script) {
  MimePiece piece;
  piece.fields.emplace_back("Content-Type", script == Script::utf8
                                                ? "message/global-delivery-status"
                                                : "message/delivery-status");
  piece.fields.emplace_back("Content-Description", "Delivery report");
  piece.body = header_field("Reporting-MTA", "dns; " + facts.hostname);
  if (facts.original.sender.envelope_id) {
    const auto id = decode_xtext(*facts.original.sender.envelope_id);
    if (id && is_safe_in_a_field(*id) && (script == Script::utf8 || is_ascii(*id))) {
      piece.body += header_field("Original-Envelope-Id", *id);
    }
  }
  piece.body += header_field("X-Goniec-Queue-ID", facts.original.id.text());
  piece.body += header_field("Arrival-Date", to_rfc5322(facts.original.received_at));
  for (const auto& one : facts.recipients) piece.body += "\r\n" + recipient_fields(one, script);
  piece.encoding = is_ascii(piece.body) ? TransferEncoding::seven_bit : TransferEncoding::eight_bit;
  return piece;
}

MimePiece original_piece(const DsnFacts& facts, Script script) {
  const auto& original = facts.original;
  const bool full = original.sender.ret != DsnReturn::headers && !facts.original_body.empty() &&
                    any_of_action(facts, DsnAction::failed);
  const bool global = script == Script::utf8 && !is_ascii(original.content.header);
  MimePiece piece;
  piece.body = original.content.header;
  if (full) piece.body += facts.original_body;
  const bool ascii = is_ascii(piece.body);
  piece.encoding = ascii ? TransferEncoding::seven_bit : TransferEncoding::eight_bit;
  std::string_view type = global ? "message/global" : "message/rfc822";
  if (!full) {
    type = global ? "message/global-headers" : "text/rfc822-headers";
    // A text may be encoded, a message may not (RFC 2046 §5.2.1).
    if (!ascii && !global) piece.encoding = TransferEncoding::quoted_printable;
  }
  piece.fields.emplace_back("Content-Type", type);
  piece.fields.emplace_back("Content-Description",
                            full ? "Undelivered message" : "Header of the message");
  return piece;
}

struct Opening {
  DsnAction action;
  std::string_view subject, english, polish;
};
constexpr std::array<Opening, 5> openings{{
    {DsnAction::failed, "Undelivered mail returned to sender",
     "Your message could not be delivered to:", "Twoja wiadomość nie mogła zostać dostarczona do:"},
    {DsnAction::delayed, "Delayed mail (still being retried)",
     "Your message has not been delivered yet. You need not send it again; we keep trying. It "
     "waits "
     "for:",
     "Twoja wiadomość jeszcze nie została dostarczona. Nie musisz wysyłać jej ponownie; próbujemy "
     "dalej. Czeka na:"},
    {DsnAction::delivered, "Mail delivered",
     "Your message was delivered to:", "Twoja wiadomość została dostarczona do:"},
    {DsnAction::relayed, "Mail handed on",
     "Your message was handed on to a server that sends no reports, for:",
     "Twoja wiadomość została przekazana serwerowi, który nie wysyła raportów, dla:"},
    {DsnAction::expanded, "Mail handed on to a list",
     "Your message was handed on to the members of:",
     "Twoja wiadomość została przekazana dalej do członków:"},
}};

std::string recipient_lines(const DsnRecipient& one, Language language) {
  const bool english = language == Language::english;
  std::string lines =
      fmt::format("  {}\r\n", printable(one.recipient.recipient.address.unicode(), 320));
  const bool bad = one.action == DsnAction::failed || one.action == DsnAction::delayed;
  if (bad) {
    const auto& why = bounce_words(one.hint);
    lines += fmt::format("    {}\r\n", why.cause(language));
    if (one.recipient.state == RecipientState::expired)
      lines += fmt::format("    {}\r\n", english ? "It was tried until its time was over."
                                                 : "Próbowano, aż minął jej czas.");
    if (one.action == DsnAction::failed) lines += fmt::format("    {}\r\n", why.fix(language));
  }
  if (one.action == DsnAction::delayed && one.will_retry_until != Instant{}) {
    lines += fmt::format("    {} {}\r\n", english ? "We try until" : "Próbujemy do",
                         to_rfc5322(one.will_retry_until));
  }
  const auto said = printable(one.reply.one_line(), peer_text_octets);
  if (bad && !said.empty()) {
    const auto host = printable(one.remote_host, 255);
    if (one.reply.code == 0 || host.empty()) {
      lines += fmt::format("    ({})\r\n", said);
    } else {
      lines += fmt::format("    {} {}: {}\r\n", host, english ? "said" : "odpowiedział", said);
    }
  }
  return lines;
}

std::string explanation(const DsnFacts& facts, Language language) {
  const bool english = language == Language::english;
  std::string text;
  for (const auto& opening : openings) {
    if (!any_of_action(facts, opening.action)) continue;
    text += fmt::format("{}\r\n\r\n", english ? opening.english : opening.polish);
    for (const auto& one : facts.recipients) {
      if (one.action == opening.action) text += recipient_lines(one, language) + "\r\n";
    }
  }
  if (facts.original_body_cut) {
    text += english
                ? "The message below is cut; it was too large to be returned whole.\r\n\r\n"
                : "Wiadomość poniżej jest skrócona; była za duża, by zwrócić ją w całości.\r\n\r\n";
  }
  text += fmt::format("{} {} ({})\r\n",
                      english ? "This is an automatic message of the mail server"
                              : "To automatyczna wiadomość serwera poczty",
                      facts.hostname, facts.original.id.text());
  return text;
}

MimePiece people_piece(const DsnFacts& facts) {
  const auto text = explanation(facts, Language::english) + "\r\n-- po polsku --\r\n\r\n" +
                    explanation(facts, Language::polish);
  auto piece = text_piece(text, "Notification");
  // Its own 8-bit text must not ask the next hop for 8BITMIME.
  if (piece.encoding == TransferEncoding::base64)
    piece.encoding = TransferEncoding::quoted_printable;
  return piece;
}

std::string subject_of(const DsnFacts& facts) {
  for (const auto& opening : openings) {
    if (any_of_action(facts, opening.action)) return std::string(opening.subject);
  }
  return "Delivery report";
}

bool is_message_id(std::string_view id) {
  return !id.empty() && id.size() <= 900 && std::all_of(id.begin(), id.end(), [](char c) {
    return c > 32 && c < 127 && c != '<' && c != '>';
  });
}

}  // namespace

ComposedMessage compose_dsn(const DsnFacts& facts) {
  const auto script = script_of(facts);
  const auto& sender = facts.original.sender.address;
  ComposedMessage message;
  message.smtputf8 = script == Script::utf8;
  const auto multipart = compose_multipart(
      {people_piece(facts), status_piece(facts, script), original_piece(facts, script)},
      facts.id.text());
  auto& header = message.header;
  header += header_field("Date", to_rfc5322(facts.at));
  header +=
      header_field("From", fmt::format("Mail Delivery System <MAILER-DAEMON@{}>", facts.hostname));
  header += header_field("To", sender.text());
  header += header_field("Subject", subject_of(facts));
  header += header_field("Message-ID", fmt::format("<{}@{}>", facts.id.text(), facts.hostname));
  if (is_message_id(facts.original.message_id)) {
    header += header_field("In-Reply-To", fmt::format("<{}>", facts.original.message_id));
    header += header_field("References", fmt::format("<{}>", facts.original.message_id));
  }
  header += header_field("Auto-Submitted", "auto-replied");  // RFC 3834 §5
  header += header_field("MIME-Version", "1.0");
  header += header_field(
      "Content-Type", fmt::format("multipart/report; report-type=delivery-status; boundary=\"{}\"",
                                  multipart.boundary));
  if (!is_ascii(multipart.body)) header += header_field("Content-Transfer-Encoding", "8bit");
  header += "\r\n";
  message.body = multipart.body;
  return message;
}

}  // namespace goniec
