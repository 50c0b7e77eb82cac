// Tags, keys and header hash of a signature: see signature.h. Reading goes on behind a problem, so
// that a result can name domain and selector of a signature that is no good.
#include "trust/signature.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace goniec {
namespace {

void note(SignatureTags& tags, std::string reason, DkimStatus status = DkimStatus::permerror) {
  if (!tags.problem) tags.problem = SignatureProblem{status, std::move(reason)};
}

// A decimal number of at most 76 digits; one that is too large is the largest.
std::optional<std::uint64_t> number_of(std::string_view text) {
  if (text.empty() || text.size() > 76 || !std::ranges::all_of(text, is_digit)) return {};
  return parse_unsigned(text).value_or(std::numeric_limits<std::uint64_t>::max());
}

// RFC 6376 §2.11, the DKIM-Quoted-Printable of i=: "=2C" is one octet.
std::string quoted_printable(std::string_view value) {
  std::string result;
  for (std::size_t at = 0; at < value.size(); ++at) {
    const auto octet = value[at] == '=' ? from_hex(value.substr(at + 1, 2)) : std::nullopt;
    if (octet && octet->size() == 1) {
      result += *octet;
      at += 2;
    } else {
      result += value[at];
    }
  }
  return result;
}

bool is_selector(std::string_view text, std::size_t most) {
  if (text.empty() || text.size() > most || text.starts_with('.') || text.ends_with('.'))
    return false;
  for (std::string_view label : split(text, '.')) {
    if (label.empty() || label.size() > 63) return false;
    if (!std::ranges::all_of(label, [](char c) {
          return is_alpha(c) || is_digit(c) || c == '-' || c == '_' ||
                 static_cast<unsigned char>(c) >= 0x80;
        }))
      return false;
  }
  return true;
}

bool is_same_or_below(const Domain& domain, const Domain& parent) {
  return domain == parent || domain.ascii().ends_with("." + parent.ascii());
}

void read_algorithm(SignatureTags& tags, const TagList& list) {
  const auto value = list.value("a");
  if (!value) return note(tags, "the tag a= is missing");
  // Compared with its case (RFC 6376 §3.2).
  tags.algorithm_text = printable(*value, 40);
  if (tags.algorithm_text == "ed25519-sha256")
    tags.algorithm = KeyAlgorithm::ed25519;
  else if (tags.algorithm_text == "rsa-sha1")
    note(tags, "rsa-sha1 is not used any more (RFC 8301)");
  else if (tags.algorithm_text != "rsa-sha256")
    note(tags, "the algorithm is not known: " + tags.algorithm_text);
}

void read_forms(SignatureTags& tags, const TagList& list) {
  const auto value = list.value("c");
  if (!value) return;
  const auto parts = split_tag_value(*value, '/');
  const auto form = [](std::string_view text) -> std::optional<Canonical> {
    if (text == "simple") return Canonical::simple;
    if (text == "relaxed") return Canonical::relaxed;
    return std::nullopt;
  };
  const auto header = form(parts[0]);
  const auto body = parts.size() > 1 ? form(parts[1]) : Canonical::simple;
  if (!header || !body || parts.size() > 2)
    return note(tags, "the canonical form is not known: " + printable(*value, 40));
  tags.header_form = *header;
  tags.body_form = *body;
}

void read_key_place(SignatureTags& tags, const TagList& list, const SignatureLimits& limits) {
  const auto domain = list.value("d");
  const auto selector = list.value("s");
  if (domain) {
    auto parsed = Domain::parse(*domain);
    if (parsed && !parsed->is_literal())
      tags.domain = std::move(*parsed);
    else
      note(tags, "d= is no domain: " + printable(*domain, 80));
  } else {
    note(tags, "the tag d= is missing");
  }
  if (!selector) return note(tags, "the tag s= is missing");
  if (!is_selector(*selector, limits.selector_octets))
    return note(tags, "s= is no selector: " + printable(*selector, 80));
  tags.selector = to_lower(*selector);
}

enum class NamesNeeded { yes, no };

void read_names(SignatureTags& tags, const TagList& list, const SignatureLimits& limits,
                NamesNeeded needed) {
  const auto value = list.value("h");
  // An ARC-Message-Signature may cover nothing; it says little then.
  if (!value || (value->empty() && needed == NamesNeeded::yes))
    return note(tags, "the tag h= is missing");
  for (std::string_view name : split_tag_value(*value)) {
    if (tags.names.size() == limits.names)
      return note(tags, "h= has more than " + std::to_string(limits.names) + " names");
    tags.names.push_back(to_lower(name));
  }
}

void read_identity(SignatureTags& tags, const TagList& list) {
  tags.identity = "@" + tags.domain.ascii();
  tags.identity_domain = tags.domain;
  const auto value = list.value("i");
  if (!value || tags.domain.empty()) return;
  const std::string identity = quoted_printable(without_white_space(*value));
  const auto at = identity.rfind('@');
  auto domain = Domain::parse(at == std::string::npos ? identity : identity.substr(at + 1));
  if (at == std::string::npos || !domain || !is_same_or_below(*domain, tags.domain))
    return note(tags, "i= is not in the domain of d=: " + printable(*value, 80));
  tags.identity = printable(identity, 320);
  tags.identity_domain = std::move(*domain);
}

void read_times(SignatureTags& tags, const TagList& list) {
  const auto read = [&](std::string_view name) -> std::optional<std::int64_t> {
    const auto value = list.value(name);
    if (!value) return std::nullopt;
    const auto number = number_of(*value);
    if (!number) {
      note(tags, std::string(name) + "= is no time: " + printable(*value, 40));
      return std::nullopt;
    }
    return static_cast<std::int64_t>(
        std::min<std::uint64_t>(*number, std::numeric_limits<std::int64_t>::max()));
  };
  tags.made_at = read("t");
  tags.expires_at = read("x");
  if (tags.made_at && tags.expires_at && *tags.expires_at <= *tags.made_at)
    note(tags, "x= is not later than t=");
}

void read_body_tags(SignatureTags& tags, const TagList& list) {
  const auto hash = list.value("bh");
  if (!hash) return note(tags, "the tag bh= is missing");
  const auto decoded = base64_of_tag(*hash);
  if (!decoded || decoded->size() != Sha256{}.size())
    return note(tags, "bh= is no SHA-256 in base64");
  tags.body_hash = *decoded;
  if (const auto length = list.value("l")) {
    tags.length = number_of(*length);
    if (!tags.length) note(tags, "l= is no number: " + printable(*length, 40));
  }
}

void read_query(SignatureTags& tags, const TagList& list) {
  const auto value = list.value("q");
  if (!value) return;
  for (std::string_view method : split_tag_value(*value)) {
    if (equal_ignoring_case(method, "dns/txt") || equal_ignoring_case(method, "dns")) return;
  }
  note(tags, "no query method of q= is known: " + printable(*value, 40));
}

void read_instance(SignatureTags& tags, const TagList& list) {
  const auto value = list.value("i");
  const auto number = value ? number_of(*value) : std::nullopt;
  if (!number || *number == 0 || *number > 1'000'000)
    return note(tags, "the tag i= is missing or no number");
  tags.instance = static_cast<unsigned>(*number);
}

void read_signature_value(SignatureTags& tags, const TagList& list, std::string_view value) {
  const Tag* tag = list.find("b");
  if (!tag) return note(tags, "the tag b= is missing");
  tags.signature_text = without_white_space(tag->value);
  const auto decoded = base64_of_tag(tag->value);
  if (!decoded || decoded->empty()) return note(tags, "b= is no base64");
  tags.signature = *decoded;
  const auto from = static_cast<std::size_t>(tag->raw.data() - value.data());
  tags.unsigned_value = std::string(value.substr(0, from));
  tags.unsigned_value += value.substr(from + tag->raw.size());
}

bool covers_from(const SignatureTags& tags) {
  return std::ranges::find(tags.names, "from") != tags.names.end();
}

void fail_record(KeyRecord& record, std::string reason) {
  if (!record.problem) record.problem = SignatureProblem{DkimStatus::permerror, std::move(reason)};
}

bool lists(const std::optional<std::string_view>& value, std::string_view one,
           std::string_view other) {
  if (!value) return true;
  for (std::string_view item : split_tag_value(*value)) {
    if (equal_ignoring_case(item, one) || (!other.empty() && item == other)) return true;
  }
  return false;
}

}  // namespace

std::string_view name_of(DkimStatus status) {
  switch (status) {
    case DkimStatus::none:
      return "none";
    case DkimStatus::pass:
      return "pass";
    case DkimStatus::fail:
      return "fail";
    case DkimStatus::policy:
      return "policy";
    case DkimStatus::neutral:
      return "neutral";
    case DkimStatus::temperror:
      return "temperror";
    case DkimStatus::permerror:
      return "permerror";
  }
  return "permerror";
}

std::optional<std::string> base64_of_tag(std::string_view value) {
  std::string text = without_white_space(value);
  while (text.ends_with('=')) text.pop_back();
  if (text.size() % 4 == 1) return {};
  text.append((4 - text.size() % 4) % 4, '=');
  return from_base64(text);
}

SignatureTags read_signature(const HeaderField& field, SignatureKind kind,
                             const SignatureLimits& limits) {
  SignatureTags tags;
  const TagList list = read_tags(field.value, limits.tags);
  if (!list.problem.empty()) note(tags, "the tag list " + list.problem);
  if (kind == SignatureKind::dkim) {
    const auto version = list.value("v");
    const bool old = !version && limits.missing_version == MissingVersion::allow;
    if (version != "1" && !old)
      note(tags, version ? "v= is not 1: " + printable(*version, 20) : "the tag v= is missing");
  } else {
    read_instance(tags, list);
  }
  read_algorithm(tags, list);
  read_key_place(tags, list, limits);
  read_times(tags, list);
  read_signature_value(tags, list, field.value);
  if (kind == SignatureKind::arc_seal) {
    // RFC 8617 §4.1.3: a seal covers a fixed set; h= makes the chain fail.
    if (list.find("h")) note(tags, "the seal has h=");
    tags.chain = to_lower(list.value("cv").value_or(""));
    tags.header_form = Canonical::relaxed;
    return tags;
  }
  // Without c= an ARC-Message-Signature is read as relaxed, as its sealers and their suite have it.
  if (kind == SignatureKind::arc_message) tags.header_form = tags.body_form = Canonical::relaxed;
  read_forms(tags, list);
  read_names(tags, list, limits, kind == SignatureKind::dkim ? NamesNeeded::yes : NamesNeeded::no);
  read_body_tags(tags, list);
  read_query(tags, list);
  if (kind == SignatureKind::dkim) {
    read_identity(tags, list);
    // RFC 6376 §5.4: From is always covered.
    if (!tags.names.empty() && !covers_from(tags)) note(tags, "h= does not cover From");
  }
  return tags;
}

KeyRecord read_key_record(std::string_view text, KeyAlgorithm wanted) {
  KeyRecord record;
  const TagList list = read_tags(text);
  if (!list.problem.empty()) fail_record(record, "the key record: its tag list " + list.problem);
  const Tag* version = list.find("v");
  if (version && (version != &list.tags.front() || version->value != "DKIM1"))
    fail_record(record, "the key record is not of version DKIM1");
  const auto kind = to_lower(list.value("k").value_or("rsa"));
  if (kind != name_of(wanted))
    fail_record(record, "the key record is for " + printable(kind, 40) + ", the signature for " +
                            std::string(name_of(wanted)));
  if (!lists(list.value("h"), "sha256", ""))
    fail_record(record, "the key record does not allow sha256");
  if (!lists(list.value("s"), "email", "*")) fail_record(record, "the key record is not for mail");
  if (const auto flags = list.value("t")) {
    for (std::string_view flag : split_tag_value(*flags)) {
      if (equal_ignoring_case(flag, "y")) record.testing = true;
      if (equal_ignoring_case(flag, "s")) record.same_domain_only = true;
    }
  }
  const auto key = list.value("p");
  if (!key) fail_record(record, "the key record has no p=");
  if (key && key->empty()) fail_record(record, "the key was revoked: p= is empty");
  if (record.problem) return record;
  const auto data = base64_of_tag(*key);
  // RSA from 512 bits on is read, so that a signature which is wrong anyway is called that.
  auto parsed = data ? PublicKey::from_data(wanted, *data, KeyLimits{.valid_bits = 512})
                     : fail(ErrorKind::bad_data, "p= is no base64");
  if (!parsed)
    fail_record(record, "the key record: " + parsed.error().message);
  else
    record.key = std::move(*parsed);
  return record;
}

std::string key_name(std::string_view selector, const Domain& domain) {
  // A selector of U-labels is asked for as A-labels (RFC 8616 §4).
  std::string name(selector);
  if (!is_ascii(name)) {
    if (auto labels = Domain::parse(name)) name = labels->ascii();
  }
  return name + "._domainkey." + domain.ascii();
}

std::string key_name(const SignatureTags& tags) {
  return key_name(tags.selector, tags.domain);
}

std::optional<KeyRecord> find_key(Findings& findings, const SignatureTags& tags) {
  const std::string name = key_name(tags);
  const DnsAnswer* answer = findings.find(name, DnsType::txt);
  if (!answer) return std::nullopt;
  KeyRecord record;
  switch (answer->status) {
    case DnsStatus::temporary:
    case DnsStatus::bogus:
      record.problem = SignatureProblem{DkimStatus::temperror,
                                        "the key " + name + " could not be looked up" +
                                            (answer->why.empty() ? "" : ": " + answer->why)};
      return record;
    case DnsStatus::no_data:
    case DnsStatus::no_such_domain:
      fail_record(record, "there is no key at " + name);
      return record;
    case DnsStatus::found:
      break;
  }
  // RFC 6376 §3.6.2.2: one record a selector; of several, the first that is a key of this kind.
  for (const DnsRecord& each : answer->records) {
    if (const auto* text = std::get_if<std::string>(&each)) {
      KeyRecord candidate = read_key_record(*text, tags.algorithm);
      if (!candidate.problem) return candidate;
      if (!record.problem) record = std::move(candidate);
    }
  }
  if (!record.problem && !record.key) fail_record(record, "there is no key at " + name);
  return record;
}

std::string key_record_text(KeyAlgorithm algorithm, std::string_view public_data) {
  return "v=DKIM1; k=" + std::string(name_of(algorithm)) + "; p=" + to_base64(public_data);
}

FieldIndex::FieldIndex(const HeaderBlock& header) {
  for (const HeaderField& field : header.fields) fields_[to_lower(field.name)].push_back(&field);
}

std::size_t FieldIndex::count(std::string_view name) const {
  const auto found = fields_.find(name);
  return found == fields_.end() ? 0 : found->second.size();
}

void FieldIndex::add(Sha256Stream& hash, const std::vector<std::string>& names, Canonical form,
                     const HeaderField* self) const {
  std::map<std::string_view, std::size_t> left;
  for (const std::string& name : names) {
    const auto found = fields_.find(name);
    if (found == fields_.end()) continue;
    auto& next = left.try_emplace(found->first, found->second.size()).first->second;
    if (next > 0 && found->second[next - 1] == self) --next;
    if (next == 0) continue;
    hash.add(canonical_field(form, *found->second[--next]));
  }
}

std::string canonical_self(const SignatureTags& tags, const HeaderField& self) {
  HeaderField empty{self.name, tags.unsigned_value, {}};
  std::string whole;
  if (tags.header_form == Canonical::simple) {
    const std::string_view head(self.whole.data(),
                                static_cast<std::size_t>(self.value.data() - self.whole.data()));
    whole = std::string(head) + tags.unsigned_value;
    empty.whole = whole;
  }
  std::string text = canonical_field(tags.header_form, empty);
  text.resize(text.size() - 2);
  return text;
}

Sha256 header_hash(const FieldIndex& index, const SignatureTags& tags, const HeaderField& self) {
  Sha256Stream hash;
  index.add(hash, tags.names, tags.header_form, &self);
  hash.add(canonical_self(tags, self));
  return hash.finish();
}

SignatureProblem check_signature(const SignatureTags& tags, const KeyRecord& record,
                                 const Sha256& digest) {
  if (record.problem) return *record.problem;
  if (!record.key->verify(digest, tags.signature))
    return {DkimStatus::fail, "the signature does not verify"};
  // RFC 8301 §3.2: never valid, whatever it says.
  if (tags.algorithm == KeyAlgorithm::rsa && record.key->bits() < KeyLimits{}.valid_bits)
    return {DkimStatus::permerror, "the RSA key has " + std::to_string(record.key->bits()) +
                                       " bits, fewer than 1024 (RFC 8301)"};
  return {DkimStatus::pass, {}};
}

}  // namespace goniec
