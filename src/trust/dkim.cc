// Verifying DKIM signatures: see dkim.h. The order of the checks is that of RFC 6376 §6.1: the
// tags, the key, the hashes; the strength of the key comes last, so that a false signature by a
// weak key is called false.
#include "trust/dkim.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

struct Candidate {
  const HeaderField* field = nullptr;
  SignatureTags tags;
  std::size_t body = 0;
};

DkimResult describe(const SignatureTags& tags) {
  DkimResult result;
  result.domain = tags.domain;
  result.selector = printable(tags.selector);
  result.identity = tags.identity;
  result.algorithm = tags.algorithm_text;
  return result;
}

void set(DkimResult& result, SignatureProblem problem) {
  result.status = problem.status;
  result.reason = std::move(problem.reason);
}

// RFC 6008: at least 8 characters of b=, more while they do not tell signatures apart. Base64 only,
// and what is shorter stays as it is.
std::string beginning_of(const std::vector<Candidate>& all, std::size_t place) {
  const std::string& text = all[place].tags.signature_text;
  std::size_t length = 8;
  for (std::size_t other = 0; other < all.size(); ++other) {
    const std::string& second = all[other].tags.signature_text;
    if (other == place || second == text) continue;
    const auto differ = std::ranges::mismatch(text, second);
    length = std::max(length, static_cast<std::size_t>(differ.in1 - text.begin()) + 1);
  }
  std::string result = text.substr(0, std::min(length, std::size_t{40}));
  std::erase_if(result, [](char c) {
    return !is_alpha(c) && !is_digit(c) && c != '+' && c != '/' && c != '=';
  });
  return result;
}

}  // namespace

std::size_t BodyHashes::want(Canonical form, std::optional<std::uint64_t> length) {
  for (std::size_t place = 0; place < wanted_.size(); ++place) {
    if (wanted_[place].form == form && wanted_[place].length == length) return place;
  }
  wanted_.push_back({form, length, length ? BodyHasher(form, *length) : BodyHasher(form)});
  return wanted_.size() - 1;
}

void BodyHashes::add(std::string_view octets) {
  for (Wanted& each : wanted_) each.hasher.add(octets);
}

void BodyHashes::finish() {
  for (Wanted& each : wanted_) each.hasher.finish();
}

std::optional<SignatureProblem> check_body(const SignatureTags& tags, const BodyHasher& body) {
  // RFC 6376 §3.5: l= must not be larger than the canonical body.
  if (tags.length && *tags.length > body.octets())
    return SignatureProblem{DkimStatus::permerror, "l= is larger than the body"};
  if (!equal_in_constant_time(view(body.digest()), tags.body_hash))
    return SignatureProblem{DkimStatus::fail, "the body was changed: its hash is not bh="};
  return std::nullopt;
}

struct DkimVerifier::State {
  std::string header;
  HeaderBlock block;
  FieldIndex index{HeaderBlock{}};
  std::vector<Candidate> candidates;  // the first limits.verified
  std::vector<DkimResult> beyond;     // results of the rest
  BodyHashes bodies;
  bool ended = false;
};

DkimVerifier::DkimVerifier(std::string header, DkimLimits limits) : state_(new State) {
  State& state = *state_;
  state.header = std::move(header);
  // A header beyond the limits of intake never comes here; its signatures would not be looked at.
  if (auto scanned = scan_header(state.header, HeaderLimits{})) state.block = std::move(*scanned);
  for (const HeaderField& field : state.block.fields) {
    if (!equal_ignoring_case(field.name, "DKIM-Signature")) continue;
    if (state.candidates.size() < limits.verified) {
      Candidate& each = state.candidates.emplace_back();
      each.field = &field;
      each.tags = read_signature(field, SignatureKind::dkim, limits.signature);
      if (!each.tags.problem) each.body = state.bodies.want(each.tags.body_form, each.tags.length);
      continue;
    }
    DkimResult result;
    set(result, {DkimStatus::policy, "not verified: only the first " +
                                         std::to_string(limits.verified) + " signatures are"});
    state.beyond.push_back(std::move(result));
  }
  if (!state.candidates.empty()) state.index = FieldIndex(state.block);
}
DkimVerifier::~DkimVerifier() = default;
DkimVerifier::DkimVerifier(DkimVerifier&&) noexcept = default;
DkimVerifier& DkimVerifier::operator=(DkimVerifier&&) noexcept = default;

bool DkimVerifier::wants_body() const {
  return !state_->bodies.empty();
}

std::vector<DnsQuestion> DkimVerifier::questions() const {
  std::vector<DnsQuestion> questions;
  for (const Candidate& each : state_->candidates) {
    if (!each.tags.problem) questions.push_back({key_name(each.tags), DnsType::txt});
  }
  std::ranges::sort(questions);
  const auto same = std::ranges::unique(questions);
  questions.erase(same.begin(), same.end());
  return questions;
}

void DkimVerifier::add_body(std::string_view octets) {
  state_->bodies.add(octets);
}

void DkimVerifier::end_body() {
  CHECK(!state_->ended);
  state_->ended = true;
  state_->bodies.finish();
}

namespace {

// One signature whose key is known.
void verify_one(const FieldIndex& index, const BodyHashes& bodies, const Candidate& candidate,
                const KeyRecord& record, Instant now, DkimResult& result) {
  const SignatureTags& tags = candidate.tags;
  result.testing = record.testing;
  if (record.key) result.key_bits = record.key->bits();
  if (record.problem) return set(result, *record.problem);
  if (record.same_domain_only && tags.identity_domain != tags.domain)
    return set(result,
               {DkimStatus::permerror, "the key is for its domain alone (t=s), i= is below"});
  const std::int64_t seconds = to_microseconds(now) / 1'000'000;
  if (tags.expires_at && seconds > *tags.expires_at)
    return set(result, {DkimStatus::permerror, "the signature has expired"});
  const BodyHasher& body = bodies.at(candidate.body);
  if (auto problem = check_body(tags, body)) return set(result, std::move(*problem));
  set(result, check_signature(tags, record, header_hash(index, tags, *candidate.field)));
  if (result.status != DkimStatus::pass || !tags.length) return;
  result.uncovered_octets = body.octets() - *tags.length;
  if (result.uncovered_octets > 0)
    result.reason = std::to_string(result.uncovered_octets) + " octets of the body are not covered";
}

}  // namespace

std::optional<std::vector<DkimResult>> DkimVerifier::judge(Findings& findings, Instant now) const {
  const State& state = *state_;
  CHECK(state.ended || state.bodies.empty());
  std::vector<std::optional<KeyRecord>> records(state.candidates.size());
  bool complete = true;
  for (std::size_t place = 0; place < records.size(); ++place) {
    const SignatureTags& tags = state.candidates[place].tags;
    if (tags.problem) continue;
    records[place] = find_key(findings, tags);
    complete = complete && records[place];
  }
  if (!complete) return std::nullopt;
  std::vector<DkimResult> results;
  for (std::size_t place = 0; place < records.size(); ++place) {
    const Candidate& candidate = state.candidates[place];
    DkimResult& result = results.emplace_back(describe(candidate.tags));
    result.signature = beginning_of(state.candidates, place);
    if (candidate.tags.problem)
      set(result, *candidate.tags.problem);
    else
      verify_one(state.index, state.bodies, candidate, *records[place], now, result);
  }
  results.insert(results.end(), state.beyond.begin(), state.beyond.end());
  return results;
}

}  // namespace goniec
