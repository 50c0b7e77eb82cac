// Messages of Postmark's API as ours, and what refuses them in its words (postmark.h). Pure.
// Promises: what is refused names the member by Postmark's name for it, and the address as it was
// given. Refuses: members of another type than Postmark's (402), more than 50 recipients.
#include <algorithm>
#include <array>
#include <optional>

#include "api/postmark.h"
#include "base/digest.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr PostmarkLimits limits;

std::unexpected<PostmarkError> refuse(int code, std::string message) {
  return std::unexpected(PostmarkError{422, code, std::move(message)});
}

// A member that is to be text, if it is there.
PostmarkResult<std::string> text_of(const JsonValue& json, std::string_view name) {
  const auto value = json.at(name);
  if (!value || value->is_null()) return std::string();
  if (auto text = value->text()) return *text;
  return refuse(402, fmt::format("Received invalid JSON input: '{}' must be a string.", name));
}

PostmarkResult<std::optional<bool>> truth_of(const JsonValue& json, std::string_view name) {
  const auto value = json.at(name);
  if (!value || value->is_null()) return std::optional<bool>();
  if (const auto truth = value->boolean()) return truth;
  return refuse(402, fmt::format("Received invalid JSON input: '{}' must be a boolean.", name));
}

PostmarkError wrong_address(std::string_view field, std::string_view given) {
  const auto text = trim(given);
  const auto open = text.rfind('<');
  auto bare = open == std::string_view::npos ? text : text.substr(open + 1);
  if (open != std::string_view::npos && bare.ends_with('>')) bare.remove_suffix(1);
  const auto at = bare.rfind('@');
  if (at != std::string_view::npos && at > 0 && !Domain::parse(bare.substr(at + 1))) {
    return {422, 300,
            fmt::format("Error parsing '{}': Illegal email domain '{}' in address '{}'.", field,
                        printable(bare.substr(at + 1)), printable(bare))};
  }
  return {422, 300, fmt::format("Invalid '{}' address: '{}'.", field, printable(text))};
}

// "a@b, \"C, D\" <c@d>": at the commas that stand between addresses.
std::vector<std::string_view> split_list(std::string_view list) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] == '\\' && quoted) {
      ++i;
    } else if (list[i] == '"') {
      quoted = !quoted;
    } else if (list[i] == ',' && !quoted) {
      parts.push_back(list.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  parts.push_back(list.substr(std::min(begin, list.size())));
  return parts;
}

PostmarkResult<std::vector<HeaderMailbox>> mailboxes_of(const JsonValue& json,
                                                        std::string_view field) {
  const auto list = TRY(text_of(json, field));
  std::vector<HeaderMailbox> mailboxes;
  for (const auto part : split_list(list)) {
    if (trim(part).empty()) continue;
    auto mailbox = parse_mailbox(part);
    if (!mailbox) return std::unexpected(wrong_address(field, part));
    mailboxes.push_back(std::move(*mailbox));
  }
  return mailboxes;
}

// Endings that Postmark takes from nobody; a program that moved here never sent them.
bool is_forbidden(std::string_view name) {
  constexpr std::string_view endings[] = {"vbs", "exe", "bin", "bat", "chm", "com", "cpl", "crt",
                                          "hlp", "hta", "inf", "ins", "isp", "jse", "lnk", "mdb",
                                          "pcd", "pif", "reg", "scr", "sct", "shs", "vbe", "vba",
                                          "wsf", "wsh", "wsl", "msc", "msi", "msp", "mst"};
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  return std::ranges::find(endings, to_lower(name.substr(dot + 1))) != std::end(endings);
}

PostmarkResult<std::vector<OutgoingAttachment>> attachments_of(const JsonValue& json) {
  std::vector<OutgoingAttachment> attachments;
  const auto list = json.at("Attachments");
  for (const auto& each : list ? list->items() : std::vector<JsonValue>()) {
    OutgoingAttachment one;
    one.name = TRY(text_of(each, "Name"));
    one.content_type = TRY(text_of(each, "ContentType"));
    one.content_id = TRY(text_of(each, "ContentID"));
    if (one.content_id.starts_with("cid:")) one.content_id.erase(0, 4);
    one.is_inline = !one.content_id.empty();
    if (is_forbidden(one.name)) {
      return refuse(411, fmt::format("Forbidden attachment type: '{}'.", printable(one.name)));
    }
    // Some clients break the lines of their base64.
    auto content = TRY(text_of(each, "Content"));
    std::erase_if(content, [](char c) { return c == '\r' || c == '\n' || c == ' '; });
    auto octets = from_base64(content);
    if (!octets) {
      return refuse(
          300, fmt::format("Invalid attachment content: '{}' is not base64.", printable(one.name)));
    }
    one.octets = std::move(*octets);
    attachments.push_back(std::move(one));
  }
  return attachments;
}

PostmarkResult<> options_of(const JsonValue& json, OutgoingEmail& email) {
  const auto tag = TRY(text_of(json, "Tag"));
  if (!tag.empty()) email.options.tags.emplace_back("tag", tag);
  const auto metadata = json.at("Metadata");
  for (const auto& key : metadata ? metadata->keys() : std::vector<std::string>()) {
    const auto value = metadata->at(key);
    email.options.metadata.emplace_back(key, value->text().value_or(value->dump()));
  }
  email.options.stream = stream_from_postmark(TRY(text_of(json, "MessageStream")));
  email.options.track_opens = TRY(truth_of(json, "TrackOpens"));
  const auto links = TRY(text_of(json, "TrackLinks"));
  if (!links.empty()) email.options.track_clicks = links != "None";
  const auto headers = json.at("Headers");
  for (const auto& each : headers ? headers->items() : std::vector<JsonValue>()) {
    email.headers.emplace_back(TRY(text_of(each, "Name")), TRY(text_of(each, "Value")));
  }
  return {};
}

}  // namespace

PostmarkResult<OutgoingEmail> postmark_email_of(const JsonValue& json, PostmarkContent content) {
  if (!json.is_object()) return refuse(402, "Received invalid JSON input: an object is wanted.");
  OutgoingEmail email;
  const auto from = TRY(mailboxes_of(json, "From"));
  if (from.size() != 1) {
    const auto given = TRY(text_of(json, "From"));
    return refuse(300, fmt::format("Invalid 'From' address: '{}'.", printable(given)));
  }
  email.from = from.front();
  email.to = TRY(mailboxes_of(json, "To"));
  email.cc = TRY(mailboxes_of(json, "Cc"));
  email.bcc = TRY(mailboxes_of(json, "Bcc"));
  email.reply_to = TRY(mailboxes_of(json, "ReplyTo"));
  const auto count = email.to.size() + email.cc.size() + email.bcc.size();
  if (count == 0) return refuse(300, "Zero recipients specified");
  if (count > limits.recipients) {
    return refuse(300, fmt::format("Too many recipients: {} given, at most {} are possible.", count,
                                   limits.recipients));
  }
  email.attachments = TRY(attachments_of(json));
  TRY(options_of(json, email));
  if (content == PostmarkContent::of_template) return email;
  email.subject = TRY(text_of(json, "Subject"));
  const auto html = TRY(text_of(json, "HtmlBody"));
  const auto text = TRY(text_of(json, "TextBody"));
  if (!html.empty()) email.html = html;
  if (!text.empty()) email.text = text;
  if (html.empty() && text.empty())
    return refuse(300, "Provide either email TextBody or HtmlBody or both.");
  return email;
}

// ---------------------------------------------------------------- refusals
namespace {

// "to[1]" -> "To" and that mailbox.
struct BlamedField {
  std::string_view name;
  std::string address;
};

std::optional<BlamedField> blamed_recipient(const std::string& field, const OutgoingEmail& email) {
  struct List {
    std::string_view ours, theirs;
    const std::vector<HeaderMailbox>& mailboxes;
  };
  const List lists[] = {{"to[", "To", email.to},
                        {"cc[", "Cc", email.cc},
                        {"bcc[", "Bcc", email.bcc},
                        {"reply_to[", "ReplyTo", email.reply_to}};
  for (const auto& list : lists) {
    if (!field.starts_with(list.ours) || !field.ends_with(']')) continue;
    const auto digits =
        std::string_view(field).substr(list.ours.size(), field.size() - list.ours.size() - 1);
    const auto index = parse_unsigned(digits);
    if (index && *index < list.mailboxes.size())
      return BlamedField{list.theirs, list.mailboxes[*index].address.text()};
  }
  return std::nullopt;
}

}  // namespace

PostmarkError postmark_error_of(const ApiError& error, const OutgoingEmail& email) {
  if (error.status == 429) return {429, 429, "Rate limit exceeded: " + error.message};
  if (error.status >= 500) return {503, 100, "Maintenance: " + error.message};
  if (error.status == 413) return {413, 300, error.message};
  if (error.field == "from" && error.status == 403) {
    return {422, 400,
            fmt::format("The 'From' address you supplied ({}) is not a Sender Signature on your "
                        "account. Please add and confirm this address in order to be able to use "
                        "it in the 'From' field of your messages.",
                        email.from.address.text())};
  }
  if (error.field == "from") {
    return {422, 300, fmt::format("Invalid 'From' address: '{}'.", email.from.address.text())};
  }
  if (error.field == "stream") {
    return {422, 1235,
            fmt::format("The 'MessageStream' provided ('{}') does not exist on this server.",
                        stream_to_postmark(email.options.stream))};
  }
  if (const auto blamed = blamed_recipient(error.field, email)) {
    return {422, 300, fmt::format("Invalid '{}' address: '{}'.", blamed->name, blamed->address)};
  }
  return {422, 300, error.message};
}

std::string inactive_recipients_text(const std::vector<std::string>& addresses, bool all) {
  std::string list;
  for (const auto& each : addresses) list += (list.empty() ? "" : ", ") + each;
  constexpr std::string_view why =
      "Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a "
      "manual suppression.";
  if (!all) {
    return fmt::format("Message OK, but will not deliver to these inactive addresses: {}. {}", list,
                       why);
  }
  return fmt::format(
      "You tried to send to recipient(s) that have been marked as inactive. Found inactive "
      "addresses: {}. {}",
      list, why);
}

}  // namespace goniec
