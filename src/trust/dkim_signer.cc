// Making DKIM signatures: see dkim_signer.h.
#include "trust/dkim_signer.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t line_columns = 73;

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

void SignatureField::new_line() {
  text_ += "\r\n";
  column_ = 0;
}

// A piece that begins with a blank, or follows ':' of a list, may go to a line of its own.
void SignatureField::put(std::string_view piece) {
  if (column_ + piece.size() > line_columns && column_ > 1) {
    new_line();
    if (!piece.starts_with(' ')) text_ += ' ', ++column_;
  }
  text_ += piece;
  column_ += piece.size();
}

void SignatureField::add(std::string_view tag, std::string_view value) {
  if (any_) text_ += ';', ++column_;
  // What follows the place of the signature begins a line, for that will be long.
  if (place_ == text_.size() - 1) new_line();
  any_ = true;
  put(fmt::format(" {}={}", tag, value));
}

void SignatureField::add_list(std::string_view tag, const std::vector<std::string>& items) {
  std::string whole;
  for (const std::string& item : items) whole += (whole.empty() ? "" : ":") + item;
  if (items.empty() || tag.size() + 3 + whole.size() <= line_columns) return add(tag, whole);
  for (std::size_t at = 0; at < items.size(); ++at) {
    const std::string piece = items[at] + (at + 1 < items.size() ? ":" : "");
    at == 0 ? add(tag, piece) : put(piece);
  }
}

void SignatureField::add_place() {
  if (any_) text_ += ';', ++column_;
  any_ = true;
  new_line();
  text_ += " b=";
  column_ = 3;
  place_ = text_.size();
}

std::string SignatureField::canonical(Canonical form) const {
  const auto colon = text_.find(':');
  const std::string whole = text_ + "\r\n";
  const std::string_view view(whole);
  std::string text = canonical_field(
      form, {view.substr(0, colon), view.substr(colon + 1, text_.size() - colon - 1), view});
  text.resize(text.size() - 2);
  return text;
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

std::string complete(const PreparedSignature& prepared, SignatureLines lines) {
  std::string field = prepared.field;
  const std::string signature = prepared.key->sign(prepared.digest);
  field.insert(prepared.place, lines == SignatureLines::folded ? folded_base64(signature, 3)
                                                               : to_base64(signature));
  return field + "\r\n";
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
    field.add_place();
    Sha256Stream hash(fields);
    hash.add(field.canonical(signing_.header_form));
    prepared.push_back({field.text(), field.place(), hash.finish(), each.key,
                        key_name(each.selector, signing_.domain)});
  }
  return prepared;
}

}  // namespace goniec
