// ARC chains: see arc.h. A header is read into sets once; what breaks the structure of the chain is
// a reason that every judgement gives.
#include "trust/arc.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "trust/dkim.h"

namespace goniec {
namespace {

struct RawSet {
  const HeaderField* results = nullptr;
  const HeaderField* message = nullptr;
  const HeaderField* seal = nullptr;
  SignatureTags message_tags, seal_tags;
  std::string results_text;
  std::size_t body = 0;
};

struct Chain {
  std::vector<RawSet> sets;  // by instance - 1
  std::string broken;        // why, when the structure is
  bool any = false;
};

void note(Chain& chain, std::string reason) {
  if (chain.broken.empty()) chain.broken = std::move(reason);
}

RawSet* set_of(Chain& chain, unsigned instance, const ArcLimits& limits) {
  if (instance == 0 || instance > limits.instances) {
    note(chain, "an instance is not between 1 and " + std::to_string(limits.instances));
    return nullptr;
  }
  if (chain.sets.size() < instance) chain.sets.resize(instance);
  return &chain.sets[instance - 1];
}

void place(Chain& chain, const HeaderField*& slot, const HeaderField& field) {
  if (slot)
    note(chain, "there are two " + std::string(field.name) + " of one instance");
  else
    slot = &field;
}

// RFC 8617 §4.1.1: "i=" number ";" and the payload of Authentication-Results.
unsigned results_instance(std::string_view value, std::string& rest) {
  const auto end = value.find(';');
  if (end == std::string_view::npos) return 0;
  const std::string head = without_white_space(value.substr(0, end));
  if (!head.starts_with("i=") || head.size() > 4) return 0;
  rest = unfold(value.substr(end + 1));
  return static_cast<unsigned>(parse_unsigned(std::string_view(head).substr(2)).value_or(0));
}

void add_results(Chain& chain, const HeaderField& field, const ArcLimits& limits) {
  std::string rest;
  if (RawSet* set = set_of(chain, results_instance(field.value, rest), limits)) {
    place(chain, set->results, field);
    set->results_text = std::move(rest);
  }
}

void add_message(Chain& chain, const HeaderField& field, const ArcLimits& limits) {
  SignatureTags tags = read_signature(field, SignatureKind::arc_message, limits.signature);
  if (RawSet* set = set_of(chain, tags.instance, limits)) {
    place(chain, set->message, field);
    set->message_tags = std::move(tags);
  }
}

void add_seal(Chain& chain, const HeaderField& field, const ArcLimits& limits) {
  SignatureTags tags = read_signature(field, SignatureKind::arc_seal, limits.signature);
  if (RawSet* set = set_of(chain, tags.instance, limits)) {
    place(chain, set->seal, field);
    set->seal_tags = std::move(tags);
  }
}

// RFC 8617 §5.2, step 3: whole sets, and each cv= what it must be.
void check_structure(Chain& chain) {
  for (std::size_t at = 0; at < chain.sets.size(); ++at) {
    const RawSet& set = chain.sets[at];
    const std::string instance = " of instance " + std::to_string(at + 1);
    if (!set.results) note(chain, "ARC-Authentication-Results" + instance + " is missing");
    if (!set.message) note(chain, "ARC-Message-Signature" + instance + " is missing");
    if (!set.seal) note(chain, "ARC-Seal" + instance + " is missing");
    if (set.seal_tags.problem)
      note(chain, "ARC-Seal" + instance + ": " + set.seal_tags.problem->reason);
    const std::string_view wanted = at == 0 ? "none" : "pass";
    if (set.seal && set.seal_tags.chain != wanted)
      note(chain, "cv=" + instance + " is not " + std::string(wanted));
  }
}

Chain read_chain(const HeaderBlock& block, const ArcLimits& limits) {
  Chain chain;
  for (const HeaderField& field : block.fields) {
    const std::string name = to_lower(field.name);
    if (!name.starts_with("arc-")) continue;
    const bool results = name == "arc-authentication-results";
    const bool message = name == "arc-message-signature";
    if (!results && !message && name != "arc-seal") continue;
    chain.any = true;
    if (results)
      add_results(chain, field, limits);
    else if (message)
      add_message(chain, field, limits);
    else
      add_seal(chain, field, limits);
  }
  check_structure(chain);
  return chain;
}

// What a seal covers before itself (§5.1.1): the sets in order, relaxed.
void add_whole_set(Sha256Stream& hash, const RawSet& set) {
  for (const HeaderField* field : {set.results, set.message, set.seal})
    hash.add(canonical_field(Canonical::relaxed, *field));
}

}  // namespace

std::string_view name_of(ArcStatus status) {
  switch (status) {
    case ArcStatus::none:
      return "none";
    case ArcStatus::pass:
      return "pass";
    case ArcStatus::fail:
      return "fail";
  }
  return "fail";
}

struct ArcVerifier::State {
  std::string header;
  HeaderBlock block;
  FieldIndex index{HeaderBlock{}};
  Chain chain;
  BodyHashes bodies;
  std::size_t oldest_tried = 0;  // place of the oldest message signature that is verified
  bool ended = false;

  std::optional<std::string> check_seals(Findings& findings, bool& asked, bool& temporary) const;
  std::optional<SignatureProblem> check_message(Findings& findings, std::size_t at, Instant now,
                                                bool& asked) const;
  bool ask_all(Findings& findings) const;
};

ArcVerifier::ArcVerifier(std::string header, ArcLimits limits) : state_(new State) {
  State& state = *state_;
  state.header = std::move(header);
  if (auto scanned = scan_header(state.header, HeaderLimits{})) state.block = std::move(*scanned);
  state.chain = read_chain(state.block, limits);
  if (!state.chain.any || !state.chain.broken.empty()) return;
  state.index = FieldIndex(state.block);
  const std::size_t count = state.chain.sets.size();
  state.oldest_tried = count - std::min<std::size_t>(count, limits.messages);
  for (std::size_t at = state.oldest_tried; at < count; ++at) {
    RawSet& set = state.chain.sets[at];
    if (!set.message_tags.problem)
      set.body = state.bodies.want(set.message_tags.body_form, set.message_tags.length);
  }
}
ArcVerifier::~ArcVerifier() = default;
ArcVerifier::ArcVerifier(ArcVerifier&&) noexcept = default;
ArcVerifier& ArcVerifier::operator=(ArcVerifier&&) noexcept = default;

bool ArcVerifier::wants_body() const {
  return !state_->bodies.empty();
}

std::vector<DnsQuestion> ArcVerifier::questions() const {
  Findings findings;
  if (state_->chain.any && state_->chain.broken.empty()) state_->ask_all(findings);
  return findings.take_missing();
}

void ArcVerifier::add_body(std::string_view octets) {
  state_->bodies.add(octets);
}

void ArcVerifier::end_body() {
  CHECK(!state_->ended);
  state_->ended = true;
  state_->bodies.finish();
}

// Every key is asked for at once; false: some are not known yet.
bool ArcVerifier::State::ask_all(Findings& findings) const {
  bool known = true;
  for (std::size_t at = 0; at < chain.sets.size(); ++at) {
    const RawSet& set = chain.sets[at];
    known = findings.find(key_name(set.seal_tags), DnsType::txt) && known;
    if (at >= oldest_tried && !set.message_tags.problem)
      known = findings.find(key_name(set.message_tags), DnsType::txt) && known;
  }
  return known;
}

std::optional<SignatureProblem> ArcVerifier::State::check_message(Findings& findings,
                                                                  std::size_t at, Instant now,
                                                                  bool& asked) const {
  const RawSet& set = chain.sets[at];
  const SignatureTags& tags = set.message_tags;
  if (tags.problem) return tags.problem;
  const auto record = find_key(findings, tags);
  if (!record) {
    asked = true;
    return std::nullopt;
  }
  if (record->problem) return record->problem;
  if (tags.expires_at && to_microseconds(now) / 1'000'000 > *tags.expires_at)
    return SignatureProblem{DkimStatus::permerror, "the signature has expired"};
  if (auto problem = check_body(tags, bodies.at(set.body))) return problem;
  SignatureProblem problem = check_signature(tags, *record, header_hash(index, tags, *set.message));
  if (problem.status == DkimStatus::pass) return std::nullopt;
  return problem;
}

// The first seal that does not verify, in words. The common beginning is hashed once.
std::optional<std::string> ArcVerifier::State::check_seals(Findings& findings, bool& asked,
                                                           bool& temporary) const {
  Sha256Stream before;
  for (std::size_t at = 0; at < chain.sets.size(); ++at) {
    const RawSet& set = chain.sets[at];
    const auto record = find_key(findings, set.seal_tags);
    if (!record) {
      asked = true;
      return std::nullopt;
    }
    Sha256Stream hash(before);
    hash.add(canonical_field(Canonical::relaxed, *set.results));
    hash.add(canonical_field(Canonical::relaxed, *set.message));
    hash.add(canonical_self(set.seal_tags, *set.seal));
    const SignatureProblem problem = check_signature(set.seal_tags, *record, hash.finish());
    if (problem.status != DkimStatus::pass) {
      temporary = problem.status == DkimStatus::temperror;
      return fmt::format("ARC-Seal of instance {}: {}", at + 1, problem.reason);
    }
    add_whole_set(before, set);
  }
  return std::nullopt;
}

std::optional<ArcResult> ArcVerifier::judge(Findings& findings, Instant now) const {
  const State& state = *state_;
  ArcResult result;
  if (!state.chain.any) return result;
  result.status = ArcStatus::fail;
  if (!state.chain.broken.empty()) {
    result.reason = printable(state.chain.broken);
    return result;
  }
  CHECK(state.ended || state.bodies.empty());
  if (!state.ask_all(findings)) return std::nullopt;
  for (const RawSet& set : state.chain.sets)
    result.sets.push_back({static_cast<unsigned>(result.sets.size() + 1), set.seal_tags.domain,
                           set.seal_tags.selector, set.results_text});
  bool asked = false;
  const std::size_t newest = state.chain.sets.size() - 1;
  if (auto problem = state.check_message(findings, newest, now, asked)) {
    result.temporary = problem->status == DkimStatus::temperror;
    result.reason = printable(
        fmt::format("ARC-Message-Signature of instance {}: {}", newest + 1, problem->reason));
    return result;
  }
  if (auto reason = state.check_seals(findings, asked, result.temporary)) {
    result.reason = printable(*reason);
    return result;
  }
  std::size_t oldest = newest;
  while (oldest > state.oldest_tried && !state.check_message(findings, oldest - 1, now, asked))
    --oldest;
  if (asked) return std::nullopt;
  result.status = ArcStatus::pass;
  result.oldest_pass = oldest == 0 ? 0 : static_cast<unsigned>(oldest + 1);
  return result;
}

ArcSealer::ArcSealer(ArcSealing sealing) : sealing_(std::move(sealing)) {}

void ArcSealer::add_body(std::string_view octets) {
  body_.add(octets);
}

namespace {

PreparedSignature prepared_of(const SignatureField& field, const Sha256& digest,
                              const DkimSigningKey& key) {
  return {field.text(), field.place(), digest, key.key, {}};
}

// As DKIM covers them, without the names that only guard against additions: lists add their own.
std::vector<std::string> names_of_message(const FieldIndex& index) {
  std::vector<std::string> names;
  for (const auto* list : {&oversigned_fields(), &covered_fields()}) {
    for (const std::string& name : *list) names.insert(names.end(), index.count(name), name);
  }
  names.insert(names.end(), index.count("dkim-signature"), "dkim-signature");
  return names;
}

}  // namespace

std::string ArcSealer::seal(std::string_view header, ArcStatus received, std::string_view results,
                            Instant now, std::vector<std::string> names) {
  body_.finish();
  const auto scanned = scan_header(header, HeaderLimits{});
  if (!scanned) return {};
  const ArcLimits limits;
  const Chain chain = read_chain(*scanned, limits);
  const std::size_t before = chain.sets.size();
  if (before >= limits.instances) return {};
  // §5.1: a chain that is marked as failed already is not continued.
  if (before > 0 && chain.sets.back().seal_tags.chain == "fail") return {};

  const std::string instance = std::to_string(before + 1);
  const std::string algorithm = std::string(name_of(sealing_.key.key->algorithm())) + "-sha256";
  const std::string seconds = std::to_string(to_microseconds(now) / 1'000'000);
  const std::string results_field =
      fmt::format("ARC-Authentication-Results: i={}; {}\r\n", instance, results);
  const FieldIndex index(*scanned);
  if (names.empty()) names = names_of_message(index);

  // Tags in the order of their names, as the field's test suite has them.
  SignatureField message("ARC-Message-Signature");
  message.add("a", algorithm);
  message.add_place();
  message.add("bh", to_base64(view(body_.digest())));
  message.add("c", "relaxed/relaxed");
  message.add("d", sealing_.domain.ascii());
  message.add_list("h", names);
  message.add("i", instance);
  message.add("s", sealing_.key.selector);
  message.add("t", seconds);
  Sha256Stream message_hash;
  index.add(message_hash, names, Canonical::relaxed, nullptr);
  message_hash.add(message.canonical(Canonical::relaxed));
  // The seal covers this field with its white space: one line is what nobody folds otherwise.
  const std::string message_field =
      complete(prepared_of(message, message_hash.finish(), sealing_.key), SignatureLines::one);

  SignatureField seal("ARC-Seal");
  seal.add("a", algorithm);
  seal.add_place();
  // Fields of a chain that are no whole set are a failed chain, whoever did not look at them.
  const ArcStatus state = before == 0 && !chain.any                   ? ArcStatus::none
                          : received == ArcStatus::pass && before > 0 ? ArcStatus::pass
                                                                      : ArcStatus::fail;
  seal.add("cv", name_of(state));
  seal.add("d", sealing_.domain.ascii());
  seal.add("i", instance);
  seal.add("s", sealing_.key.selector);
  seal.add("t", seconds);
  Sha256Stream seal_hash;
  // §5.1.2: the seal of a failed chain covers its own set alone.
  if (state == ArcStatus::pass)
    for (const RawSet& set : chain.sets) add_whole_set(seal_hash, set);
  const std::string own = results_field + message_field;
  const auto fields = scan_header(own, HeaderLimits{});
  CHECK(fields && fields->fields.size() == 2);
  for (const HeaderField& field : fields->fields)
    seal_hash.add(canonical_field(Canonical::relaxed, field));
  seal_hash.add(seal.canonical(Canonical::relaxed));
  return complete(prepared_of(seal, seal_hash.finish(), sealing_.key)) + message_field +
         results_field;
}

}  // namespace goniec
