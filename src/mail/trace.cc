// Trace fields: see trace.h.
#include "mail/trace.h"

#include <fmt/format.h>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t expected_octets = 256;
constexpr std::size_t line_columns = 78;  // RFC 5322 §2.1.1
constexpr std::string_view junk_mark = "X-Goniec-Junk: ";

// A field made of words that never break inside; the line breaks before a word that would be cut
// off, and always before the words that begin a clause ("by", "for").
class FieldWriter {
 public:
  explicit FieldWriter(std::string_view name) : out_(name) {
    out_ += ':';
    column_ = out_.size();
    out_.reserve(expected_octets);
  }
  FieldWriter& word(std::string_view text) {
    if (column_ + 1 + text.size() > line_columns && !fresh_) return clause(text);
    return put(" ", 1, text);
  }
  FieldWriter& clause(std::string_view text) {
    column_ = 0;
    return put("\r\n\t", 8, text);
  }
  std::string take() && { return std::move(out_) + "\r\n"; }

 private:
  FieldWriter& put(std::string_view before, std::size_t columns, std::string_view text) {
    out_.append(before).append(text);
    column_ += columns + text.size();
    fresh_ = false;
    return *this;
  }
  std::string out_;
  std::size_t column_ = 0;
  bool fresh_ = true;  // a line with nothing but the name is never left behind
};

// What a peer calls itself, safe anywhere in a Received field: nothing that opens a comment, ends
// the field or starts a clause.
std::string safe_name(std::string_view peer_text) {
  std::string safe;
  for (char c : printable(peer_text, 255)) {
    const bool plain =
        is_alpha(c) || is_digit(c) || std::string_view("-._:[]").find(c) != std::string_view::npos;
    safe += plain ? c : '?';
  }
  return safe.empty() ? "unknown" : safe;
}

// RFC 3848, RFC 6531 §4.3.
std::string protocol_of(const ReceivedFacts& facts) {
  const auto& transaction = facts.transaction;
  const bool lmtp = facts.caller.listener == ListenerKind::lmtp;
  if (!lmtp && !transaction.extended) return "SMTP";
  std::string protocol = transaction.sender.smtputf8 ? "UTF8" : "";
  protocol += lmtp ? "LMTP" : transaction.sender.smtputf8 ? "SMTP" : "ESMTP";
  if (facts.caller.tls) protocol += 'S';
  if (transaction.login) protocol += 'A';
  return protocol;
}

std::string literal(const IpAddress& address) {
  return address.v6 ? fmt::format("([IPv6:{}])", address.text())
                    : fmt::format("([{}])", address.text());
}

}  // namespace

std::string received_field(const ReceivedFacts& facts) {
  FieldWriter field("Received");
  field.word("from")
      .word(safe_name(facts.transaction.helo))
      .word(literal(facts.caller.remote.address));
  field.clause("by").word(facts.hostname).word("with").word(protocol_of(facts));
  std::string last = facts.id.text();  // the semicolon stands right behind it
  field.word("id");
  const auto& recipients = facts.transaction.recipients;
  if (recipients.size() == 1) {  // RFC 5321 §4.4: with more, `for` would tell of hidden recipients
    const auto& address = recipients[0].address;
    if (!address.empty() && (facts.transaction.sender.smtputf8 || !address.needs_smtputf8())) {
      field.word(last).clause("for");
      last = fmt::format("<{}>", address.text());
    }
  }
  if (facts.caller.tls) {  // RFC 8314 §4.3
    field.word(last).clause("tls");
    last = safe_name(facts.caller.tls->cipher);
  }
  return std::move(field.word(last + ";").word(to_rfc5322(facts.at))).take();
}

std::string received_field_local(std::string_view hostname, unsigned uid, MessageId id,
                                 Instant at) {
  FieldWriter field("Received");
  field.word("by").word(hostname).word(fmt::format("(Goniec, from userid {})", uid));
  field.clause("id").word(id.text() + ";").word(to_rfc5322(at));
  return std::move(field).take();
}

std::string received_field_api(std::string_view hostname, MessageId id, Instant at) {
  FieldWriter field("Received");
  field.word("by").word(hostname).word("(Goniec, by HTTP)");
  field.clause("id").word(id.text() + ";").word(to_rfc5322(at));
  return std::move(field).take();
}

std::string return_path_field(const Address& sender) {
  return fmt::format("Return-Path: <{}>\r\n", sender.text());
}

std::string junk_field(std::string_view rule) {
  return fmt::format("{}{}\r\n", junk_mark, safe_name(rule));
}

bool is_marked_junk(std::string_view prepend) {
  const auto at = prepend.find(junk_mark);
  return at != std::string_view::npos && (at == 0 || prepend[at - 1] == '\n');
}

std::string delivered_to_field(const Address& recipient) {
  return fmt::format("Delivered-To: {}\r\n", recipient.text());
}

}  // namespace goniec
