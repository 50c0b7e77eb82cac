// See sandbox_rules.h. Texts are those that real servers use, so that the rules of bounces read
// them as they read theirs.
#include "inbound/sandbox_rules.h"

#include "base/text.h"
#include "mail/compose.h"
#include "mail/date.h"
#include "mail/header.h"

namespace goniec {
namespace {

std::string magic_of(const Address& recipient) {
  const std::string_view local = recipient.local();
  return to_lower(local.substr(0, local.find('+')));
}

// The header of what was received, with its empty line.
std::string header_of(std::string_view message) {
  const std::size_t end = message.find("\r\n\r\n");
  return std::string(message.substr(0, end == std::string_view::npos ? end : end + 4));
}

std::string head(const SandboxSequelFacts& facts, std::string_view from, std::string_view subject) {
  return header_field("From", fmt::format("{} <{}@{}>", from, facts.recipient.local(),
                                          facts.recipient.domain().ascii())) +
         header_field("To", facts.sender.text()) + header_field("Subject", subject) +
         header_field("Date", to_rfc5322(facts.at)) +
         header_field("Message-ID", fmt::format("<{}@sandbox.{}>", facts.seed, facts.hostname)) +
         "MIME-Version: 1.0\r\n";
}

std::string report(const SandboxSequelFacts& facts, std::string_view head, std::string_view type,
                   std::vector<MimePiece> pieces) {
  const Multipart made = compose_multipart(pieces, facts.seed);
  return std::string(head) +
         fmt::format("Content-Type: multipart/report; report-type={};\r\n boundary=\"{}\"\r\n\r\n",
                     type, made.boundary) +
         made.body;
}

MimePiece piece(std::string_view type, std::string body) {
  MimePiece made;
  made.fields = {{"Content-Type", std::string(type)}};
  made.encoding = is_ascii(body) ? TransferEncoding::seven_bit : TransferEncoding::eight_bit;
  made.body = std::move(body);
  return made;
}

}  // namespace

bool SandboxRules::was_greylisted(const Address& sender, const Address& recipient) {
  if (greylisted_.size() >= limits_.remembered) greylisted_.clear();
  return greylisted_[sender.text() + " " + recipient.text()]++ > 0;
}

bool SandboxRules::is_over_rate(Instant now) {
  if (now - rate_began_ >= limits_.rate_time) {
    rate_began_ = now;
    rate_count_ = 0;
  }
  return ++rate_count_ > limits_.rate;
}

SandboxAnswer SandboxRules::answer(const Address& sender, const Address& recipient, Instant now) {
  SandboxAnswer answer;
  if (recipient.domain() != domain_) return answer;
  const std::string magic = magic_of(recipient);
  const std::string shown = recipient.text();
  if (magic == "hard") {
    answer.at_rcpt =
        Reply(550, {5, 1, 1},
              fmt::format("<{}>: Recipient address rejected: User unknown in sandbox", shown));
  } else if (magic == "soft") {
    answer.at_rcpt = Reply(452, {4, 2, 2}, "Mailbox is full for now, please try later");
  } else if (magic == "greylist" && !was_greylisted(sender, recipient)) {
    answer.at_rcpt = Reply(451, {4, 7, 1}, fmt::format("<{}>: Greylisted, try again soon", shown));
  } else if (magic == "mailboxfull") {
    answer.at_rcpt = Reply(550, {5, 2, 2}, fmt::format("<{}>: Mailbox full, over quota", shown));
  } else if (magic == "blocked") {
    answer.at_rcpt = Reply(554, {5, 7, 1},
                           "Service unavailable; Client host [192.0.2.1] blocked using "
                           "zen.blocklist.example");
  } else if ((magic == "ratelimit" || magic == "rate") && is_over_rate(now)) {
    answer.at_rcpt = Reply(
        421, {4, 7, 28}, "Unusual rate of mail from your address: it is temporarily rate limited");
  } else if (magic == "spam") {
    answer.at_end = Reply(550, {5, 7, 1}, "Message rejected as spam by content filtering");
  } else if (magic == "toobig") {
    answer.at_end = Reply(552, {5, 3, 4}, "Message size exceeds fixed limit");
  } else if (magic == "slow") {
    answer.wait = limits_.slow;
  } else if (magic == "latebounce") {
    answer.sequel = SandboxSequel::late_bounce;
  } else if (magic == "complaint") {
    answer.sequel = SandboxSequel::complaint;
  } else if (magic == "ooo" || magic == "autoreply") {
    answer.sequel = SandboxSequel::auto_reply;
  }
  return answer;
}

std::string sandbox_notification(const SandboxSequelFacts& facts) {
  const std::string recipient = facts.recipient.text();
  return report(
      facts, head(facts, "Mail Delivery System", "Undelivered Mail Returned to Sender"),
      "delivery-status",
      {text_piece(
           fmt::format("The mail could not be delivered to {}: user unknown.\r\n", recipient)),
       piece("message/delivery-status",
             fmt::format("Reporting-MTA: dns; sandbox.{0}\r\n\r\nFinal-Recipient: rfc822; {1}\r\n"
                         "Action: failed\r\nStatus: 5.1.1\r\n"
                         "Diagnostic-Code: smtp; 550 5.1.1 <{1}>: User unknown\r\n",
                         facts.hostname, recipient)),
       piece("text/rfc822-headers", header_of(facts.original))});
}

std::string sandbox_complaint(const SandboxSequelFacts& facts) {
  return report(
      facts, head(facts, "Feedback Loop", "Complaint about mail from you"), "feedback-report",
      {text_piece("This is a mail abuse report of the sandbox.\r\n"),
       piece("message/feedback-report",
             fmt::format("Feedback-Type: abuse\r\nUser-Agent: Goniec-Sandbox/1\r\nVersion: 1\r\n"
                         "Original-Mail-From: <{}>\r\nOriginal-Rcpt-To: <{}>\r\n"
                         "Arrival-Date: {}\r\n",
                         facts.sender.text(), facts.recipient.text(), to_rfc5322(facts.at))),
       piece("message/rfc822", header_of(facts.original))});
}

std::string sandbox_auto_reply(const SandboxSequelFacts& facts) {
  const std::string original = header_of(facts.original);
  std::string references;
  if (const auto scanned = scan_header(original, HeaderLimits{}))
    if (const HeaderField* id = find_field(*scanned, "Message-ID")) references = unfold(id->value);
  return head(facts, "Out of office", "Automatic reply: I am away") +
         "Auto-Submitted: auto-replied\r\nPrecedence: bulk\r\n" +
         (references.empty() ? std::string() : header_field("In-Reply-To", references)) +
         "Content-Type: text/plain; charset=us-ascii\r\n\r\nI am out of the office until "
         "Monday.\r\n";
}

}  // namespace goniec
