// DMARC: is the domain that a reader sees in From the one that vouches for the message, and what
// does its owner ask for when it is not? (RFC 9989). A judgement over Findings (proto/inquiry.h).
//
// The author's domain comes from From (author_domains); policy and organisational domain come from
// the DNS tree walk (§4.10), of at most 8 questions a domain. No public suffix list, no pct. A
// pass needs SPF or DKIM that passed for a domain aligned with the author's, strictly (the same
// name) or relaxed (the same organisational domain). DNS that fails for now, where the answer would
// matter, is temperror and never a policy; so is a fail with an aligned check that could not end.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/header.h"
#include "proto/inquiry.h"
#include "trust/dmarc_record.h"

namespace goniec {

struct DmarcLimits {
  std::size_t walk = 8;        // §4.10: questions a tree walk
  std::size_t signatures = 8;  // passing signatures that are looked at
  std::size_t authors = 4;     // domains in From; with more there is no answer
};

enum class DmarcResult { none, pass, fail, temp_error, perm_error };
std::string_view name_of(DmarcResult result);  // RFC 7489 §11.2 by way of RFC 8601: "temperror"

// What one method said of one domain.
struct AuthenticatedDomain {
  enum class State { pass, fail, temporary } state = State::fail;
  std::string domain;  // any case, A-labels
};

struct DmarcQuery {
  std::string author;  // the domain in From, A-labels
  std::optional<AuthenticatedDomain> spf;
  std::vector<AuthenticatedDomain> dkim;
};

struct DmarcVerdict {
  DmarcResult result = DmarcResult::none;
  std::string author;                 // lower case
  std::string organisational_domain;  // of the author; "" when it was not needed
  std::string record_domain;          // where the record stands; "" none
  std::optional<DmarcRecord> record;
  std::optional<DmarcPolicy> policy;            // to apply to a fail: the tag's, one lower with t=y
  std::optional<DmarcPolicy> published;         // the tag's own
  std::string policy_tag;                       // "p", "sp", "np"
  bool spf_aligned = false;                     // SPF passed and is aligned
  std::vector<std::string> aligned_signatures;  // domains of signatures that passed and are aligned
  std::string problem;                          // for people
};

std::optional<DmarcVerdict> check_dmarc(Findings& findings, const DmarcQuery& query,
                                        const DmarcLimits& limits = {});

// The domains of the author, from the From fields of a header (RFC 5322 §3.6.2).
struct AuthorDomains {
  enum class State {
    found,     // one From field, read in whole: `domains` has at least one
    missing,   // no From field
    several,   // more than one From field
    malformed  // nothing readable, or something beside what could be read, or no domain name
  } state = State::missing;
  std::vector<std::string> domains;  // A-labels, lower case, each once, in order
};
AuthorDomains author_domains(const HeaderBlock& header);

// The organisational domain of any domain by its tree walk (§4.10.2), for reports and tests.
struct OrganisationalDomain {
  bool known = false;  // false: DNS gave no answer for now
  std::string domain;
};
std::optional<OrganisationalDomain> organisational_domain_of(Findings& findings,
                                                             std::string_view domain,
                                                             const DmarcLimits& limits = {});

}  // namespace goniec
