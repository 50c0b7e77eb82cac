// See returned_mail.h. RFC 3464 §2 (fields), RFC 6522 (parts), RFC 3834 §5 (automatic answers).
#include "mail/returned_mail.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "base/text.h"
#include "mail/answer_text.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/words.h"

namespace goniec {
namespace {

using Texts = std::vector<std::string_view>;

constexpr std::size_t passage_octets = 8192;

// Line ends of any kind become LF.
std::string with_line_feeds(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\r') {
      out += text[at];
    } else if (at + 1 == text.size() || text[at + 1] != '\n') {
      out += '\n';
    }
  }
  return out;
}

bool has_any(std::string_view lower, std::span<const std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return lower.find(word) != std::string_view::npos;
  });
}

bool has_any(std::string_view lower, std::initializer_list<std::string_view> words) {
  return has_any(lower, std::span(words.begin(), words.size()));
}

std::string_view line_at(std::string_view text, std::size_t begin) {
  return text.substr(begin, std::min(text.find('\n', begin), text.size()) - begin);
}

std::string_view trimmed(std::string_view line) {
  const auto first = line.find_first_not_of(" \t>*|\"'");
  if (first == std::string_view::npos) return {};
  const auto last = line.find_last_not_of(" \t\"'");
  return line.substr(first, last - first + 1);
}

// ------------------------------------------------------------------------------------ addresses
bool is_address_octet(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return octet > 0x20 && octet < 0x7f && c != '<' && c != '>' && c != '(' && c != ')' && c != '[' &&
         c != ']' && c != ',' && c != ';' && c != ':' && c != '\\' && c != '"';
}

// "a@b.c" at the front of `text`, its length; 0: there is none.
std::size_t address_at_front(std::string_view text) {
  std::size_t end = 0;
  if (text.starts_with('"')) {
    end = text.find("\"@");
    if (end == std::string_view::npos || end > 64) return 0;
    ++end;
  }
  std::size_t sign = 0;
  while (end < text.size() && is_address_octet(text[end])) {
    if (text[end] == '@') sign = end;
    ++end;
  }
  while (end > sign && (text[end - 1] == '.' || text[end - 1] == '\'')) --end;
  return sign > 0 && end > sign + 1 && end <= 320 ? end : 0;
}

// The first address anywhere in `text`.
std::string first_address(std::string_view text) {
  for (std::size_t sign = text.find('@'); sign != std::string_view::npos;
       sign = text.find('@', sign + 1)) {
    std::size_t begin = sign;
    while (begin > 0 && is_address_octet(text[begin - 1]) && text[begin - 1] != '@') --begin;
    if (const auto length = address_at_front(text.substr(begin)); length > 0)
      return std::string(text.substr(begin, length));
  }
  return {};
}

// The recipient that a line opens the passage of; "" none. "<a@b>: why", "a@b on DATE",
// ">>> RCPT To:<a@b>", "a@b...User unknown".
std::string opens_passage(std::string_view line) {
  const auto lower = to_lower(line);
  if (const auto at = lower.find("rcpt to"); at != std::string::npos)
    return first_address(std::string_view(line).substr(at));
  if (has_any(lower, {"mail from", "from:", "sender:", "reply-to:", "cc:", "message-id", "x-"}))
    return {};
  auto text = trimmed(line);
  // "550 <a@b>... User unknown", as sendmail repeats an answer.
  if (text.size() > 5 && is_digit(text[0]) && is_digit(text[2]) && text.substr(3, 2) == " <" &&
      text.find(">...") != std::string_view::npos)
    text.remove_prefix(4);
  for (const std::string_view label :
       {"recipient:", "recipients:", "final recipient:", "intended recipient:", "address:"}) {
    if (starts_with_ignoring_case(text, label)) text = trimmed(text.substr(label.size()));
  }
  if (text.starts_with('<')) text.remove_prefix(1);
  const auto length = address_at_front(text);
  if (length == 0) return {};
  return std::string(text.substr(0, length));
}

// The first line of what was said to one server, in a transcript.
bool begins_exchange(std::string_view line) {
  const bool host = line.size() > 4 && is_digit(line[0]) && is_digit(line[1]) &&
                    is_digit(line[2]) && line[3] == ' ' &&
                    line.find(" (smtp)...") != std::string_view::npos;
  return host || starts_with_ignoring_case(line, "while talking to") ||
         starts_with_ignoring_case(line, "... while talking to");
}

// ---------------------------------------------------------------------------------- where it ends
// The returned message, or its header, begins with this line.
bool begins_original(std::string_view line) {
  if (line.starts_with("Received:") || line.starts_with("Return-Path:") ||
      line.starts_with("Return-path:") || line.starts_with("DKIM-Signature:") ||
      line.starts_with("MIME-Version:"))
    return true;
  const auto lower = to_lower(line);
  if (!lower.starts_with('-') && !lower.starts_with('=') && !lower.starts_with('*') &&
      !lower.starts_with(' ') && !lower.starts_with('|') && !lower.starts_with("the ") &&
      !lower.ends_with(':') && !lower.starts_with("original") && !lower.starts_with("below"))
    return false;
  return has_any(lower, {"original message",       "copy of the message", "copy of your message",
                         "unsent message",         "message header",      "headers follow",
                         "header follows",         "message follows",     "header of the",
                         "undelivered message",    "returned message",    "rejected message",
                         "headers of the message", "original email",      "mail follows",
                         "message is attached",    "original mail",       "first part of the",
                         "message text",           "text of your mail"}) &&
         !has_any(lower, {"was received", "reason", "original message to", "could not be",
                          "the original message was"});
}

// ------------------------------------------------------------------------------------ what it says
std::string phase_in(std::string_view lower) {
  struct Phase {
    std::string_view name, words;
  };
  static constexpr auto phases = std::to_array<Phase>({
      {"rcpt", "in reply to rcpt to"},
      {"rcpt", "after rcpt to"},
      {"mail", "in reply to mail from"},
      {"mail", "after mail from"},
      {"dot", "in reply to end of data"},
      {"dot", "after end of data"},
      {"dot", "for text command"},
      {"data", "in reply to data"},
      {"data", "after data"},
      {"connect", "after initial connection"},
      {"connect", "refused to talk to me"},
      {"helo", "in reply to helo"},
      {"helo", "in reply to ehlo"},
      {"helo", "after helo"},
      {"helo", "after ehlo"},
      {"rcpt", "smtp command\nrcpt"},
      {"dot", "smtp command\ndata"},
      {"mail", "smtp command\nmail"},
      {"rcpt", "for rcpt command"},
      {"mail", "for mail from command"},
      {"rcpt", ">>> rcpt to"},
      {"mail", ">>> mail from"},
      {"dot", ">>> data"},
  });
  for (const auto& phase : phases) {
    if (lower.find(phase.words) != std::string_view::npos) return std::string(phase.name);
  }
  return {};
}

// The answer in a passage: from the code on, when one is told, else all of it.
Reply reply_in(std::string_view passage) {
  passage = passage.substr(0, passage_octets);
  Reply reply = read_reply(passage);
  if (reply.code == 0) return reply;
  // What comes behind an empty line is no more of the answer.
  const auto said = answer_in(passage);
  reply.lines = {std::string(said.substr(0, said.find("\n\n")))};
  if (const auto own = read_reply(reply.lines[0]); own.enhanced) reply.enhanced = own.enhanced;
  return reply;
}

// What reports of servers are called, and say.
constexpr std::string_view daemon_names[] = {
    "mailer-daemon", "mailerdaemon",       "postmaster",  "post_master",
    "mail delivery", "mail administrator", "mail-daemon", "maildaemon",
    "mdaemon",       "mail router",        "mail system", "system administrator",
    "mailer daemon", "email delivery",     "<>",          "mail subsystem",
    "bounce",        "no-reply",           "noreply",     "mail gateway",
    "mailmaster"};
constexpr std::string_view report_subjects[] = {"undeliver",
                                                "non-deliver",
                                                "nondeliver",
                                                "not delivered",
                                                "returned mail",
                                                "return receipt",
                                                "failure notice",
                                                "delivery fail",
                                                "delivery status",
                                                "delivery error",
                                                "delivery problem",
                                                "delivery report",
                                                "mail failure",
                                                "mail delivery",
                                                "could not be delivered",
                                                "couldn't be delivered",
                                                "unable to deliver",
                                                "user unknown",
                                                "unknown user",
                                                "failed delivery",
                                                "delivery notification",
                                                "mail error",
                                                "message rejected",
                                                "rejected mail",
                                                "message you sent",
                                                "bounce",
                                                "delivery has failed",
                                                "delayed",
                                                "nie dostarcz",
                                                "niedostarcz",
                                                "unzustellbar",
                                                "non remis",
                                                "wasn't delivered",
                                                "no se ha podido",
                                                "mail could not",
                                                "mail failed",
                                                "returning to sender",
                                                "notification d",
                                                "failed mail",
                                                "mail returned",
                                                "returning message",
                                                "returned to sender",
                                                "email delivery failure",
                                                "failed to deliver",
                                                "blocked",
                                                "message status - undeliverable",
                                                "can't be delivered"};
constexpr std::string_view report_sentences[] = {"could not be delivered",
                                                 "couldn't be delivered",
                                                 "not be delivered",
                                                 "undeliver",
                                                 "delivery failed",
                                                 "delivery to the following",
                                                 "user unknown",
                                                 "permanent error",
                                                 "permanent fatal",
                                                 "failed permanently",
                                                 "not delivered",
                                                 "unable to deliver",
                                                 "did not reach",
                                                 "delivery failure",
                                                 "returned to you",
                                                 "was rejected",
                                                 "wasn't able to deliver",
                                                 "has been rejected",
                                                 "rejected by",
                                                 "was not able to deliver",
                                                 "delivery error",
                                                 "delivery problem",
                                                 "bounced",
                                                 "could not deliver",
                                                 "couldn't deliver",
                                                 "transcript of session",
                                                 "error message",
                                                 "address not found",
                                                 "address couldn't be found"};

// ------------------------------------------------------------------------------------- the reader
class Reader {
 public:
  explicit Reader(std::string_view mail, int depth = 0)
      : text_(with_line_feeds(mail.substr(0, returned_mail_octets))), depth_(depth) {}

  ReturnedMail read() {
    find_parts();
    // A report that somebody passed on in a mail of his own.
    if (status_.empty() && !complaint_ && depth_ == 0 &&
        to_lower(found_.returned_header).find("report-type=delivery-status") != std::string::npos)
      return Reader(attached_, 1).read();
    read_fields();
    read_text();
    judge_kind();
    return std::move(found_);
  }

 private:
  std::string header_field(std::string_view name) const {
    const auto* field = find_field(header_, name);
    return field == nullptr ? std::string() : unfold(field->value);
  }

  void find_parts() {
    if (auto header = scan_header(text_, {})) header_ = std::move(*header);
    const auto mail = std::string_view(text_);
    std::size_t below = MimePart::none;  // in a returned message nothing is looked at
    const auto structure = scan_mime(mail);
    for (std::size_t at = 0; at < structure.parts.size(); ++at) {
      const auto& part = structure.parts[at];
      if (below != MimePart::none && part.depth > structure.parts[below].depth) continue;
      below = MimePart::none;
      const auto body = mail.substr(part.body_begin, part.body_end - part.body_begin);
      if (part.is_multipart()) {
        // A mail whose boundaries were lost.
        if (at == 0 && structure.parts.size() == 1) people_ += std::string(body) + "\n";
        continue;
      }
      if (part.type == "message/rfc822" || part.type == "message/global" ||
          part.type.ends_with("rfc822-headers") || part.type == "message/global-headers") {
        if (at > 0) below = at;
        take_original(decode_transfer(part.encoding, body));
      } else if (part.type == "message/delivery-status" ||
                 part.type == "message/global-delivery-status") {
        status_ += decode_transfer(part.encoding, body) + "\n\n";
      } else if (part.type == "message/feedback-report") {
        complaint_ = true;
      } else if (part.type == "text/html") {
        if (people_.empty()) people_ = without_tags(decode_transfer(part.encoding, body));
      } else if (part.type.starts_with("text/") || part.type.starts_with("multipart/") || at == 0) {
        people_ += decode_transfer(part.encoding, body) + "\n";
      }
    }
    // What says of itself to be quoted-printable only by its signs.
    if (people_.find("=3D") != std::string::npos && people_.find("=\n") != std::string::npos)
      people_ = decode_quoted_printable(people_);
    people_ = with_line_feeds(people_);
    status_ = with_line_feeds(status_);
    // Fields that stand in the text, where boundaries were lost.
    for (const std::string_view name :
         {"\nReporting-MTA:", "\nOriginal-Recipient:", "\nFinal-Recipient:"}) {
      const auto at = people_.find(name);
      if (!status_.empty() || at == std::string::npos) continue;
      status_ = people_.substr(at + 1) + "\n\n";
      people_.resize(at + 1);
    }
  }

  static std::string without_tags(std::string_view html) {
    std::string out;
    bool in_tag = false;
    for (std::size_t at = 0; at < html.size(); ++at) {
      if (html[at] == '<') {
        in_tag = true;
        const auto tag = to_lower(html.substr(at, 4));
        if (tag.starts_with("<br") || tag.starts_with("<p") || tag.starts_with("</p") ||
            tag.starts_with("<tr") || tag.starts_with("<di") || tag.starts_with("</t"))
          out += '\n';
      } else if (html[at] == '>' && in_tag) {
        in_tag = false;
      } else if (!in_tag) {
        out += html[at];
      }
    }
    for (const auto& [entity, plain] : {std::pair<std::string_view, std::string_view>{"&lt;", "<"},
                                        {"&gt;", ">"},
                                        {"&quot;", "\""},
                                        {"&nbsp;", " "},
                                        {"&#39;", "'"},
                                        {"&amp;", "&"}}) {
      std::string next;
      std::size_t from = 0;
      for (std::size_t at = out.find(entity); at != std::string::npos;
           at = out.find(entity, from)) {
        next.append(out, from, at - from).append(plain);
        from = at + entity.size();
      }
      next.append(out, from);
      out = std::move(next);
    }
    return out;
  }

  void take_original(std::string_view octets) {
    if (!found_.returned_header.empty()) return;
    attached_ = octets;
    const auto first = octets.find_first_not_of("\r\n");
    if (first == std::string_view::npos) return;
    octets.remove_prefix(first);
    const auto block = scan_header(octets, {});
    if (!block) return;
    found_.returned_header = octets.substr(0, block->body_offset);
    if (const auto* field = find_field(*block, "Message-ID"))
      found_.message_id = message_id_of(unfold(field->value));
  }

  // RFC 3464 §2.1: fields of the message, then a group of fields a recipient.
  void read_fields() {
    std::string_view left = status_;
    while (!left.empty() && found_.recipients.size() < returned_recipients) {
      const auto first = left.find_first_not_of("\n");
      if (first == std::string_view::npos) break;
      left.remove_prefix(first);
      const auto end = std::min(left.find("\n\n"), left.size());
      read_group(std::string(left.substr(0, end)) + "\n");
      left.remove_prefix(end);
    }
    for (const auto& each : found_.recipients) fields_told_ = fields_told_ || !each.action.empty();
  }

  static std::string without_type(std::string_view value) {
    const auto semicolon = value.find(';');
    return std::string(
        trim(semicolon == std::string_view::npos ? value : value.substr(semicolon + 1)));
  }

  void read_group(const std::string& group) {
    const auto block = scan_header(group, {});
    if (!block) return;
    ReturnedRecipient one;
    EnhancedCode status;
    std::string original, final, comment;
    for (const auto& field : block->fields) {
      const auto name = to_lower(field.name);
      const auto value = unfold(field.value);
      if (name == "final-recipient") {
        final = without_type(value);
      } else if (name == "original-recipient") {
        original = without_type(value);
        one.original = first_address(original);
      } else if (name == "reporting-mta" && found_.reporter.empty()) {
        found_.reporter = without_type(value);
      } else if (name == "action") {
        one.action = to_lower(trim(std::string_view(value).substr(0, value.find_first_of(" (;"))));
      } else if (name == "status") {
        std::string_view left = value;
        status = EnhancedCode::parse_prefix(left);
        comment = left;
      } else if (name == "remote-mta") {
        one.host = without_type(value);
      } else if (name == "diagnostic-code") {
        diagnosis_type_ = to_lower(value.substr(0, value.find(';')));
        one.reply = reply_in(without_type(value));
        one.phase = phase_in(to_lower(value));
      }
    }
    if (final.empty() && original.empty() && one.action.empty()) return;
    one.address = first_address(final);
    if (one.address.empty()) one.address = first_address(original);
    if (one.address.empty()) one.address = final;
    if (one.reply.lines.empty()) one.reply.lines.push_back(comment);
    if (!one.reply.enhanced) one.reply.enhanced = status;
    found_.recipients.push_back(std::move(one));
  }

  // ---------------------------------------------------------------------------- text for people
  struct Passage {
    std::string address, text;
  };

  // Linear: a mail has few recipients, and one that has many ends at `returned_recipients`.
  std::vector<Passage> passages(std::string_view text) {
    std::vector<Passage> list;
    std::string current;  // empty: before the first
    const auto own = to_lower(first_address(header_field("To")));
    std::string above;    // the last line with something in it
    std::string pending;  // of a transcript: what was said before the address is named
    for (std::size_t at = 0; at < text.size();) {
      const auto line = line_at(text, at);
      const auto address = opens_passage(line);
      // "A message sent by" in the line above: it is the sender.
      if (!address.empty() && to_lower(address) != own && !above.ends_with(" by") &&
          !above.ends_with(" from"))
        current = address;
      else if (begins_exchange(line))
        current.clear();
      const bool in_transcript = current.empty() && (!pending.empty() || begins_exchange(line));
      if (in_transcript) pending.append(line).append("\n");
      if (!trimmed(line).empty()) above = to_lower(trimmed(line));
      auto found = std::ranges::find_if(
          list, [&](const auto& each) { return equal_ignoring_case(each.address, current); });
      if (!current.empty() && found == list.end() && list.size() < returned_recipients) {
        list.push_back({current, {}});
        found = list.end() - 1;
      }
      if (found != list.end() && !pending.empty()) {
        if (found->text.size() < passage_octets) found->text += pending;
        pending.clear();
      }
      if (found != list.end() && found->text.size() < passage_octets) {
        found->text.append(line).append("\n");
      } else if (current.empty()) {
        before_.append(line).append("\n");
      }
      at += line.size() + 1;
    }
    return list;
  }

  std::string_view until_original() {
    const std::string_view text = people_;
    bool begun = false;
    for (std::size_t at = 0; at < text.size();) {
      const auto line = line_at(text, at);
      if (begun && begins_original(line)) {
        const auto next = std::min(at + line.size() + 1, text.size());
        take_original(line.starts_with('-') || line.find(':') == std::string_view::npos
                          ? text.substr(next)
                          : text.substr(at));
        return text.substr(0, at);
      }
      begun = begun || !trimmed(line).empty();
      at += line.size() + 1;
    }
    return text;
  }

  void read_text() {
    const auto text = until_original();
    text_for_people_ = std::string(text);
    auto list = passages(text);
    if (found_.recipients.empty()) {
      for (auto& each : list) add_from_text(each.address, each.text);
      if (found_.recipients.empty()) add_from_text(header_recipient(), text);
      return;
    }
    for (auto& one : found_.recipients) {
      const auto own = std::ranges::find_if(
          list, [&](const auto& each) { return equal_ignoring_case(each.address, one.address); });
      if (own != list.end() && one.phase.empty()) one.phase = phase_in(to_lower(own->text));
    }
    // Fields without a diagnosis: what the text says of that address, or of all.
    for (auto& one : found_.recipients) {
      if (!one.reply.lines.empty() && !trim(one.reply.lines[0]).empty()) continue;
      const auto own = std::ranges::find_if(
          list, [&](const auto& each) { return equal_ignoring_case(each.address, one.address); });
      if (own != list.end()) {
        fill(one, own->text);
      } else if (list.empty() || found_.recipients.size() == 1) {
        fill(one, text);
      }
    }
  }

  std::string header_recipient() const {
    for (const std::string_view name : {"X-Failed-Recipients", "X-Failed-Recipient"}) {
      if (auto address = first_address(header_field(name)); !address.empty()) return address;
    }
    if (const auto block = scan_header(found_.returned_header, {})) {
      if (const auto* to = find_field(*block, "To")) return first_address(unfold(to->value));
    }
    return {};
  }

  static void fill(ReturnedRecipient& one, std::string_view text) {
    const auto status = one.reply.enhanced;
    one.around = text.substr(0, passage_octets);
    one.reply = reply_in(text);
    if (!one.reply.enhanced) one.reply.enhanced = status;
    one.phase = phase_in(to_lower(text));
  }

  void add_from_text(const std::string& address, std::string_view text) {
    ReturnedRecipient one;
    one.address = address;
    fill(one, text);
    // An answer that stands before the addresses, or an address and nothing more: what stands
    // before speaks of all.
    if (one.reply.code == 0) {
      const bool answered_before = read_reply(before_).code != 0;
      const bool bare = trimmed(text).size() < address.size() + 8;
      if (answered_before || bare) fill(one, before_ + std::string(text));
    }
    one.around = text_for_people_.substr(0, passage_octets);
    found_.recipients.push_back(std::move(one));
  }

  // ------------------------------------------------------------------------------ what it is
  void judge_kind() {
    const auto subject = to_lower(header_field("Subject"));
    const auto from = to_lower(header_field("From"));
    const auto automatic = to_lower(header_field("Auto-Submitted"));
    const bool report = !status_.empty() || is_report_text(subject, from);
    const bool answer =
        automatic.starts_with("auto-replied") || !header_field("X-Autoreply").empty() ||
        !header_field("X-Autorespond").empty() ||
        has_any(subject, {"out of office", "out of the office", "autoreply", "auto reply",
                          "auto-reply", "automatic reply", "autoresponse", "vacation",
                          "automatische antwort", "automatyczna odpowied", "poza biurem", "auto:"});
    if (complaint_) {
      found_.kind = ReturnedKind::complaint;
    } else if (!status_.empty()) {
      found_.kind = ReturnedKind::delivery_report;
    } else if (answer && !report) {
      found_.kind = ReturnedKind::auto_reply;
    } else if (report) {
      found_.kind = ReturnedKind::delivery_report;
    }
    if (found_.kind != ReturnedKind::delivery_report) found_.recipients.clear();
    const auto lower = to_lower(subject + "\n" + text_for_people_.substr(0, passage_octets));
    const bool waits = has_any(
        lower, {"delayed", "warning message only", "not yet been delivered", "still being retried",
                "will be retried", "delivery attempts will continue", "no action is required"});
    for (auto& each : found_.recipients) {
      if (each.action.empty()) each.action = waits ? "delayed" : "failed";
    }
  }

  bool is_report_text(std::string_view subject, std::string_view from) const {
    const bool daemon = has_any(from, daemon_names);
    const bool named = has_any(subject, report_subjects);
    const bool from_nobody = trim(header_field("Return-Path")) == "<>";
    const auto lower = to_lower(text_for_people_.substr(0, passage_octets));
    const bool says = has_any(lower, report_sentences);
    return (daemon && (named || says)) || (named && says) || (from_nobody && (named || says));
  }

  std::string text_;
  int depth_ = 0;
  std::string attached_;
  HeaderBlock header_;
  ReturnedMail found_;
  std::string people_, status_, before_, text_for_people_, diagnosis_type_;
  bool complaint_ = false, fields_told_ = false;
};

}  // namespace

std::string_view name_of(ReturnedKind kind) {
  switch (kind) {
    case ReturnedKind::other_mail:
      return "other_mail";
    case ReturnedKind::delivery_report:
      return "delivery_report";
    case ReturnedKind::auto_reply:
      return "auto_reply";
    case ReturnedKind::complaint:
      return "complaint";
  }
  return "other_mail";
}

std::string report_type_of(std::string_view header) {
  const auto scanned = scan_header(header, HeaderLimits{});
  const HeaderField* field = scanned ? find_field(*scanned, "Content-Type") : nullptr;
  if (!field) return {};
  const auto type = parse_parameterized(unfold(field->value));
  if (type.value != "multipart/report") return {};
  const std::string* kind = type.find("report-type");
  return kind ? to_lower(*kind) : std::string();
}

ReturnedMail read_returned_mail(std::string_view mail) {
  return Reader(mail).read();
}

BounceVerdict classify_returned(const BounceRules& rules, const ReturnedRecipient& recipient) {
  const auto sign = recipient.address.rfind('@');
  const std::string_view domain = sign == std::string::npos
                                      ? std::string_view()
                                      : std::string_view(recipient.address).substr(sign + 1);
  const BounceFacts facts{.site = recipient.host,
                          .domain = domain,
                          .phase = recipient.phase,
                          .given_up = recipient.action == "failed"};
  auto verdict = rules.classify(recipient.reply, facts);
  const bool vague = verdict.rule.starts_with("code") || verdict.hint == "bounce.other.server";
  if (verdict.klass != BounceClass::other || recipient.around.empty() || !vague) return verdict;
  // The answer says little by itself: what the report says around it may tell more. An answer with
  // a code is believed but for an address that is named as the cause.
  Reply whole = recipient.reply;
  whole.lines = {recipient.around};
  auto around = rules.classify(whole, facts);
  const bool of_address =
      around.klass == BounceClass::bad_mailbox || around.klass == BounceClass::mailbox_full;
  if (around.klass == BounceClass::other || (recipient.reply.code != 0 && !of_address))
    return verdict;
  return around;
}

}  // namespace goniec
