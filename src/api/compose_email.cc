// An OutgoingEmail as RFC 5322 text (outgoing.h). Pure.
// Each level of multipart (RFC 2046 §5.1) is made only where it is needed: who reads mail by a
// program of thirty years ago is spared what he does not have to take apart.
#include <algorithm>
#include <array>

#include "api/outgoing.h"
#include "api/submit.h"
#include "base/text.h"
#include "mail/compose.h"

namespace goniec {
namespace {

struct KnownEnding {
  std::string_view ending, type;
};
constexpr auto known_endings = std::to_array<KnownEnding>({
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"csv", "text/csv"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"ics", "text/calendar"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"json", "application/json"},
    {"md", "text/markdown"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"svg", "image/svg+xml"},
    {"txt", "text/plain"},
    {"vcf", "text/vcard"},
    {"webp", "image/webp"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", "application/xml"},
    {"zip", "application/zip"},
});

MimePiece body_piece(std::string_view type, std::string_view utf8) {
  MimePiece piece;
  piece.body = normalise_lines(utf8);
  piece.fields.emplace_back("Content-Type", fmt::format("{}; charset=utf-8", type));
  piece.encoding = best_encoding(piece.body);
  return piece;
}

MimePiece joined(std::string_view type, const std::vector<MimePiece>& pieces,
                 std::string_view seed) {
  auto multipart = compose_multipart(pieces, fmt::format("{}_{}", seed, type));
  MimePiece piece;
  piece.fields.emplace_back("Content-Type",
                            fmt::format("multipart/{}; boundary=\"{}\"", type, multipart.boundary));
  piece.body = std::move(multipart.body);
  return piece;
}

// RFC 2046 §5.2.1: message/rfc822 may not be encoded; then it is octets.
std::string type_for(const OutgoingAttachment& attachment) {
  std::string type = attachment.content_type.empty() ? std::string(content_type_of(attachment.name))
                                                     : attachment.content_type;
  const auto plain = to_lower(std::string_view(type).substr(0, type.find('/')));
  return plain == "message" || plain == "multipart" ? "application/octet-stream" : type;
}

MimePiece attachment_piece(const OutgoingAttachment& attachment) {
  MimePiece piece;
  std::string type = type_for(attachment);
  if (!attachment.name.empty() && type.find("name=") == std::string::npos)
    type += mime_parameter("name", attachment.name);
  piece.fields.emplace_back("Content-Type", std::move(type));
  std::string disposition = attachment.is_inline ? "inline" : "attachment";
  if (!attachment.name.empty()) disposition += mime_parameter("filename", attachment.name);
  piece.fields.emplace_back("Content-Disposition", std::move(disposition));
  if (!attachment.content_id.empty())
    piece.fields.emplace_back("Content-ID", fmt::format("<{}>", attachment.content_id));
  piece.body = attachment.octets;
  piece.encoding = TransferEncoding::base64;
  return piece;
}

// The body: text, HTML with what it shows, and what is attached, each level only where needed.
MimePiece content_of(const OutgoingEmail& email, std::string_view seed) {
  std::vector<MimePiece> attached, shown;
  for (const auto& attachment : email.attachments) {
    const bool beside_html = attachment.is_inline && email.html;
    (beside_html ? shown : attached).push_back(attachment_piece(attachment));
  }
  std::optional<MimePiece> content;
  if (email.html) {
    content = body_piece("text/html", *email.html);
    if (!shown.empty()) {
      shown.insert(shown.begin(), std::move(*content));
      content = joined("related", shown, seed);
    }
  }
  if (email.text) {
    auto text = body_piece("text/plain", *email.text);
    content = content ? joined("alternative", {std::move(text), std::move(*content)}, seed)
                      : std::move(text);
  }
  if (!content) content = body_piece("text/plain", "");
  if (attached.empty()) return std::move(*content);
  attached.insert(attached.begin(), std::move(*content));
  return joined("mixed", attached, seed);
}

}  // namespace

std::string_view content_type_of(std::string_view file_name) {
  const auto dot = file_name.rfind('.');
  const auto ending =
      dot == std::string_view::npos ? std::string() : to_lower(file_name.substr(dot + 1));
  for (const auto& each : known_endings)
    if (each.ending == ending) return each.type;
  return "application/octet-stream";
}

std::string compose_email(const OutgoingEmail& email, std::string_view seed) {
  if (!email.raw.empty()) return normalise_lines(email.raw);
  std::string out = address_field("From", {email.from});
  if (!email.to.empty()) out += address_field("To", email.to);
  if (!email.cc.empty()) out += address_field("Cc", email.cc);
  // RFC 5322 §3.6: a destination field is not required; some receivers dislike that there is none.
  if (email.to.empty() && email.cc.empty()) out += "To: undisclosed-recipients:;\r\n";
  if (!email.reply_to.empty()) out += address_field("Reply-To", email.reply_to);
  out += text_field("Subject", email.subject);
  for (const auto& [name, value] : email.headers) out += text_field(name, value);
  out += "MIME-Version: 1.0\r\n";
  const MimePiece content = content_of(email, seed);
  for (const auto& [name, value] : content.fields) out += header_field(name, value);
  if (content.encoding != TransferEncoding::seven_bit)
    out += header_field("Content-Transfer-Encoding", name_of(content.encoding));
  out += "\r\n";
  out += encode_transfer(content.encoding, content.body);
  return out;
}

}  // namespace goniec
