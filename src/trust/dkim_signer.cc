// Making DKIM signatures: see dkim_signer.h.
#include "trust/dkim_signer.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t line_columns = 76;

std::size_t last_column(std::string_view text) {
  const auto line = text.rfind('\n');
  return line == std::string_view::npos ? text.size() : text.size() - line - 1;
}

// The field without CRLF in its canonical form, as it ends here: with an empty b=.
std::string canonical_end(Canonical form, std::string_view field) {
  const auto colon = field.find(':');
  const std::string whole = std::string(field) + "\r\n";
  const std::string_view view(whole);
  std::string text = canonical_field(
      form, {view.substr(0, colon), view.substr(colon + 1, field.size() - colon - 1), view});
  text.resize(text.size() - 2);
  return text;
}

}  // namespace

const std::vector<std::string>& oversigned_fields() {
  static const std::vector<std::string> names = {"from",
                                                 "to",
                                                 "cc",
                                                 "subject",
                                                 "date",
                                                 "message-id",
                                                 "reply-to",
                                                 "mime-version",
                                                 "content-type",
                                                 "sender",
                                                 "content-transfer-encoding",
                                                 "list-unsubscribe",
                                                 "list-unsubscribe-post"};
  return names;
}

const std::vector<std::string>& covered_fields() {
  static const std::vector<std::string> names = {
      "in-reply-to",        "references",          "list-id",
      "list-help",          "list-subscribe",      "list-post",
      "list-owner",         "list-archive",        "resent-from",
      "resent-to",          "resent-cc",           "resent-date",
      "resent-message-id",  "resent-sender",       "feedback-id",
      "auto-submitted",     "content-disposition", "content-id",
      "content-description"};
  return names;
}

std::vector<std::string> names_to_sign(const FieldIndex& index) {
  std::vector<std::string> names;
  for (const std::string& name : oversigned_fields())
    names.insert(names.end(), index.count(name) + 1, name);
  for (const std::string& name : covered_fields())
    names.insert(names.end(), index.count(name), name);
  return names;
}

SignatureField::SignatureField(std::string_view name) : text_(name) {
  text_ += ':';
  column_ = text_.size();
}

// A piece that begins with a blank, or follows ':' of a list, may go to a line of its own.
void SignatureField::put(std::string_view piece) {
  const bool blank = piece.starts_with(' ');
  if (column_ + piece.size() > line_columns && column_ > 8) {
    text_ += blank ? "\r\n" : "\r\n ";
    column_ = blank ? 0 : 1;
  }
  text_ += piece;
  column_ += piece.size();
}

void SignatureField::add(std::string_view tag, std::string_view value) {
  if (any_) text_ += ';', ++column_;
  any_ = true;
  put(fmt::format(" {}={}", tag, value));
}

void SignatureField::add_list(std::string_view tag, const std::vector<std::string>& items) {
  for (std::size_t at = 0; at < items.size(); ++at) {
    const std::string_view end = at + 1 < items.size() ? ":" : "";
    if (at == 0)
      add(tag, items[at] + std::string(end));
    else
      put(items[at] + std::string(end));
  }
  if (items.empty()) add(tag, "");
}

void SignatureField::add_signature_place() {
  if (any_) text_ += ';', ++column_;
  any_ = true;
  text_ += "\r\n b=";
  column_ = 3;
}

std::string folded_base64(std::string_view data, std::size_t column) {
  const std::string text = to_base64(data);
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t room = line_columns - std::min(column, line_columns - 1);
    result += text.substr(at, room);
    at += room;
    if (at < text.size()) result += "\r\n ";
    column = 1;
  }
  return result;
}

std::string complete(const PreparedSignature& prepared) {
  const std::string signature = prepared.key->sign(prepared.digest);
  return prepared.field + folded_base64(signature, last_column(prepared.field)) + "\r\n";
}

DkimSigner::DkimSigner(DkimSigning signing)
    : signing_(std::move(signing)), body_(signing_.body_form) {}

void DkimSigner::add_body(std::string_view octets) {
  body_.add(octets);
}

std::vector<PreparedSignature> DkimSigner::prepare(std::string_view header, Instant now) {
  body_.finish();
  auto scanned = scan_header(header, HeaderLimits{});
  if (!scanned) return {};  // intake refuses such a header before
  const FieldIndex index(*scanned);
  const std::vector<std::string> names = names_to_sign(index);
  Sha256Stream fields;
  index.add(fields, names, signing_.header_form, nullptr);
  const std::string body_hash = to_base64(view(body_.digest()));

  std::vector<PreparedSignature> prepared;
  for (const DkimSigningKey& each : signing_.keys) {
    SignatureField field("DKIM-Signature");
    field.add("v", "1");
    field.add("a", std::string(name_of(each.key->algorithm())) + "-sha256");
    field.add("c",
              fmt::format("{}/{}", name_of(signing_.header_form), name_of(signing_.body_form)));
    field.add("d", signing_.domain.ascii());
    field.add("s", each.selector);
    field.add("t", std::to_string(to_microseconds(now) / 1'000'000));
    field.add_list("h", names);
    field.add("bh", body_hash);
    field.add_signature_place();
    Sha256Stream hash(fields);
    hash.add(canonical_end(signing_.header_form, field.text()));
    prepared.push_back(
        {field.text(), hash.finish(), each.key, key_name(each.selector, signing_.domain)});
  }
  return prepared;
}

}  // namespace goniec
