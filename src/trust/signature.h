// What DKIM-Signature (RFC 6376 §3.5), ARC-Message-Signature and ARC-Seal (RFC 8617 §4.1) share:
// their tags, which header fields they cover, their key in DNS, and the check itself.
//
// A judgement stays inside limits, whatever a stranger writes: names of h= are looked up in an
// index that is built once a message, and each field is hashed at most once a signature, so that
// the work is linear in header and h=; keys have bounded sizes (keys.h).
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "mail/address.h"
#include "mail/header.h"
#include "proto/inquiry.h"
#include "trust/canonical.h"
#include "trust/keys.h"
#include "trust/tags.h"

namespace goniec {

// RFC 6376 §3.5: v= is required. The drafts of 2005 had none; old corpora are read with `allow`.
enum class MissingVersion { refuse, allow };

struct SignatureLimits {
  TagLimits tags;
  MissingVersion missing_version = MissingVersion::refuse;
  std::size_t selector_octets = 190;  // with "._domainkey." and a domain at most 255
  std::size_t names = 1000;           // in h=
};

// RFC 8601 §2.7.1, in its words.
enum class DkimStatus { none, pass, fail, policy, neutral, temperror, permerror };
std::string_view name_of(DkimStatus status);

enum class SignatureKind { dkim, arc_message, arc_seal };

// Why a signature is no good; the status says which kind of no.
struct SignatureProblem {
  DkimStatus status = DkimStatus::permerror;
  std::string reason;
};

struct SignatureTags {
  std::optional<SignatureProblem> problem;  // the rest as far as it could be read
  std::string algorithm_text;               // a=
  KeyAlgorithm algorithm = KeyAlgorithm::rsa;
  Canonical header_form = Canonical::simple, body_form = Canonical::simple;
  Domain domain;                                    // d=
  std::string selector;                             // s=, lower case
  std::string identity;                             // i=, decoded; "@domain" when there is none
  Domain identity_domain;                           // of it
  std::vector<std::string> names;                   // h=, lower case, in order
  std::string signature;                            // b=, decoded
  std::string signature_text;                       // b=, without white space
  std::string body_hash;                            // bh=, decoded
  std::optional<std::uint64_t> length;              // l=; too large a number is the largest
  std::optional<std::int64_t> made_at, expires_at;  // t=, x=: seconds of 1970
  unsigned instance = 0;                            // i= of ARC
  std::string chain;                                // cv= of an ARC-Seal, lower case
  std::string unsigned_value;                       // the field's value with b= made empty
};
SignatureTags read_signature(const HeaderField& field, SignatureKind kind,
                             const SignatureLimits& limits = {});

// RFC 6376 §3.6.1. bad: the record is none for mail, with the reason.
struct KeyRecord {
  std::optional<SignatureProblem> problem;
  std::optional<PublicKey> key;
  bool testing = false;           // t=y
  bool same_domain_only = false;  // t=s
};
KeyRecord read_key_record(std::string_view text, KeyAlgorithm wanted);
// "selector._domainkey.domain" of RFC 6376 §3.6.2.1.
std::string key_name(const SignatureTags& tags);
std::string key_name(std::string_view selector, const Domain& domain);
// The record in DNS; nullopt: asked.
std::optional<KeyRecord> find_key(Findings& findings, const SignatureTags& tags);
// What is to be published for a key: "v=DKIM1; k=rsa; p=…".
std::string key_record_text(KeyAlgorithm algorithm, std::string_view public_data);

// The fields of a header by name, from the last to the first (RFC 6376 §5.4.2).
class FieldIndex {
 public:
  explicit FieldIndex(const HeaderBlock& header);
  // The fields that `names` takes, in its order, each once; `self` is not taken. A name that has no
  // field left adds nothing (RFC 6376 §5.4).
  void add(Sha256Stream& hash, const std::vector<std::string>& names, Canonical form,
           const HeaderField* self) const;
  std::size_t count(std::string_view name) const;  // in lower case

 private:
  std::map<std::string, std::vector<const HeaderField*>, std::less<>> fields_;
};

// The header hash of RFC 6376 §3.7: the fields of h=, then the signature's own without its b=.
Sha256 header_hash(const FieldIndex& index, const SignatureTags& tags, const HeaderField& self);
// The signature's own field as it is hashed: b= empty, no CRLF.
std::string canonical_self(const SignatureTags& tags, const HeaderField& self);

// pass, or what is wrong: the signature over `digest` by the record's key.
SignatureProblem check_signature(const SignatureTags& tags, const KeyRecord& record,
                                 const Sha256& digest);

// Base64 as RFC 6376 §3.5 has it: white space between, padding not needed. nullopt: none.
std::optional<std::string> base64_of_tag(std::string_view value);

}  // namespace goniec
