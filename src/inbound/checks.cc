// See checks.h. Each judgement is a task of its own that owns what it works on, so that a message
// given up leaves nothing behind but a task that ends.
#include "inbound/checks.h"

#include <algorithm>

#include "base/text.h"
#include "mail/trace.h"
#include "net/ask.h"

namespace goniec {
namespace {

struct Stopwatch {
  Instant at{};
  Moment began{};
  Duration took{};
};

struct IprevRun {
  Findings findings;
  std::optional<IprevVerdict> verdict;
  Stopwatch time;
};

struct SpfRun {
  SpfQuery query;
  Duration longest = Duration::max() / 4;
  Findings findings;
  std::optional<SpfVerdict> verdict;
  Stopwatch time;
};

// Signatures of DKIM, and of ARC where there are any.
struct SignatureRun {
  explicit SignatureRun(std::string header) : dkim(std::move(header)) {}
  DkimVerifier dkim;
  std::optional<ArcVerifier> arc;
  Findings findings;
  std::vector<DkimResult> results;
  ArcResult chain;
  Stopwatch time;

  std::vector<DnsQuestion> questions() const {
    auto questions = dkim.questions();
    if (!arc) return questions;
    const auto more = arc->questions();
    questions.insert(questions.end(), more.begin(), more.end());
    return questions;
  }
};

// The questions of DMARC, asked before anybody knows what passed.
struct AuthorRun {
  std::vector<std::string> domains;
  Findings findings;
  bool too_many = false, none = false;
  Stopwatch time;
};

std::string spf_detail(const SpfVerdict& spf) {
  std::string detail = fmt::format("{}{}", spf.by_helo ? "helo " : "", spf.domain);
  if (!spf.mechanism.empty()) detail += " by " + spf.mechanism;
  if (!spf.problem.empty()) detail += ": " + spf.problem;
  return detail;
}

std::string dmarc_detail(const DmarcVerdict& dmarc) {
  std::string detail = dmarc.author;
  if (dmarc.policy)
    detail += fmt::format(" {}={} at {}", dmarc.policy_tag, name_of(*dmarc.published),
                          dmarc.record_domain);
  if (dmarc.policy && dmarc.policy != dmarc.published) detail += " in test";
  if (dmarc.spf_aligned) detail += ", aligned SPF";
  for (const std::string& domain : dmarc.aligned_signatures) detail += ", aligned DKIM " + domain;
  if (!dmarc.problem.empty()) detail += ": " + dmarc.problem;
  return detail;
}

constexpr Duration helo_time = std::chrono::seconds(2);
constexpr std::size_t told_signatures = 10;  // in Authentication-Results and the event

std::string dkim_detail(const DkimResult& dkim) {
  std::string detail = fmt::format("{} {} {}", dkim.domain.ascii(), dkim.selector, dkim.algorithm);
  if (dkim.key_bits > 0) detail += fmt::format(" {} bits", dkim.key_bits);
  if (dkim.uncovered_octets > 0)
    detail += fmt::format(", l= leaves {} octets uncovered", dkim.uncovered_octets);
  if (!dkim.reason.empty()) detail += ": " + dkim.reason;
  return detail;
}

// For the reply of a refusal: what the first signatures came to.
std::string dkim_summary(const std::vector<DkimResult>& results) {
  std::string text;
  for (std::size_t at = 0; at < results.size() && at < 2; ++at) {
    const DkimResult& each = results[at];
    text += fmt::format("{}{} for {}", at > 0 ? ", " : "", name_of(each.status),
                        each.domain.empty() ? "no domain" : each.domain.ascii());
    if (!each.reason.empty()) text += fmt::format(" ({})", printable(each.reason, 60));
  }
  return text.empty() ? "no signature" : text;
}

// A pass that leaves the end of the body to anybody (l=) vouches for nobody: RFC 6376 §8.2.
AuthenticatedDomain authenticated(const DkimResult& dkim) {
  AuthenticatedDomain domain{AuthenticatedDomain::State::fail, dkim.domain.ascii()};
  if (dkim.status == DkimStatus::pass && dkim.uncovered_octets == 0)
    domain.state = AuthenticatedDomain::State::pass;
  if (dkim.status == DkimStatus::temperror) domain.state = AuthenticatedDomain::State::temporary;
  return domain;
}

// RFC 8601 §2.7.1, RFC 6008.
AuthenticationResult dkim_result(const DkimResult& dkim) {
  AuthenticationResult result{"dkim", std::string(name_of(dkim.status)), dkim.reason, "", {}};
  if (result.comment.empty() && dkim.key_bits > 0)
    result.comment = fmt::format("{}-bit key", dkim.key_bits);
  if (dkim.uncovered_octets > 0) result.comment += ", l= leaves octets uncovered";
  if (!dkim.domain.empty()) result.properties.push_back({"header.d", dkim.domain.ascii()});
  if (!dkim.selector.empty()) result.properties.push_back({"header.s", dkim.selector});
  if (!dkim.algorithm.empty()) result.properties.push_back({"header.a", dkim.algorithm});
  if (!dkim.signature.empty()) result.properties.push_back({"header.b", dkim.signature});
  return result;
}

std::string arc_detail(const ArcResult& chain) {
  std::string detail;
  if (!chain.sets.empty())
    detail = fmt::format("i={} sealed by {}", chain.sets.back().instance,
                         chain.sets.back().domain.ascii());
  if (!chain.reason.empty()) detail += chain.reason;
  return detail;
}

AuthenticationResult arc_result(const ArcResult& chain) {  // RFC 8617 §10.1
  AuthenticationResult result{"arc", std::string(name_of(chain.status)), arc_detail(chain), "", {}};
  if (chain.status == ArcStatus::pass)
    result.properties.push_back({"header.oldest-pass", std::to_string(chain.oldest_pass)});
  return result;
}

// RFC 8601 §2.7.3.
AuthenticationResult iprev_result(const IprevVerdict& iprev, const IpAddress& client) {
  return {"iprev",
          std::string(name_of(iprev.result)),
          iprev.name,
          "",
          {{"policy.iprev", client.text()}}};
}

// RFC 8601 §2.7.2: the local part stands there as MAIL FROM had it.
AuthenticationResult spf_result(const SpfVerdict& spf, const Address& sender) {
  AuthenticationResult result{"spf", std::string(name_of(spf.result)), spf.mechanism, "", {}};
  if (spf.mechanism.empty()) result.comment = spf.problem;
  if (spf.by_helo) {
    result.properties.push_back({"smtp.helo", spf.domain});
  } else {
    result.properties.push_back({"smtp.mailfrom", sender.text()});
  }
  return result;
}

AuthenticationResult dmarc_result(const DmarcVerdict& dmarc, std::string_view disposition) {
  AuthenticationResult result{"dmarc", std::string(name_of(dmarc.result)), "", "", {}};
  if (dmarc.policy)
    result.comment = fmt::format("{}={} dis={}", dmarc.policy_tag, name_of(*dmarc.policy),
                                 dmarc.result == DmarcResult::fail ? disposition : "none");
  if (!dmarc.policy) result.comment = dmarc.problem;
  if (!dmarc.author.empty()) result.properties.push_back({"header.from", dmarc.author});
  return result;
}

}  // namespace

struct Checks::State {
  CheckParts parts;
  std::shared_ptr<const CheckOptions> options;
  IpAddress client;
  Address sender;
  std::shared_ptr<IprevRun> iprev;
  std::shared_ptr<SpfRun> spf;
  std::shared_ptr<SpfRun> helo;       // beside MAIL FROM; null: the null sender, or no domain name
  std::shared_ptr<AuthorRun> author;  // null: no header yet
  std::shared_ptr<SignatureRun> signed_by;  // with it
  std::size_t under_way = 0;
  Signal landed;

  Moment moment() const { return parts.loop.clock().moment(); }
  bool only_observed() const { return options->policy.only_observes(client); }
  Duration patience() const {
    if (!only_observed()) return options->check_time;
    if (parts.silence.lasts(moment())) return {};
    return std::min(options->observed_time, options->check_time);
  }
  Moment deadline() const { return moment() + patience(); }
  Stopwatch stopwatch() const { return {parts.loop.clock().now(), moment(), {}}; }

  Task<void> run_iprev(std::shared_ptr<IprevRun> run);
  Task<void> run_spf(std::shared_ptr<SpfRun> run);
  void ask_helo();
  bool tells_helo() const {
    return helo && helo->verdict && helo->verdict->result != SpfResult::none;
  }
  Task<void> run_author(std::shared_ptr<AuthorRun> run);
  Task<void> run_keys(std::shared_ptr<SignatureRun> run);
  Task<void> judge_signatures(Moment until);
  std::string trusted_sealer(const std::vector<DmarcVerdict>& dmarc) const;
  bool is_sender_disproved() const;
  Task<std::vector<DmarcVerdict>> judge_dmarc(Moment until);
  DmarcQuery dmarc_query(const std::string& domain) const;
  // The name of a private client is often known without DNS: iprev is no witness.
  void note_silence(const Findings& findings, Moment until) {
    if (findings.heard_anything())
      parts.silence.answered();
    else if (findings.size() > 0 && patience() > Duration{} && moment() >= until)
      parts.silence.unanswered(moment());
  }
  void end_run(Stopwatch& time) {
    time.took = std::chrono::duration_cast<Duration>(moment() - time.began);
    --under_way;
    landed.notify_all();
  }
  Task<void> wait() {
    while (under_way > 0) co_await landed.wait();
  }
  ArrivalResult told(const std::vector<DmarcVerdict>& dmarc, const ContentVerdict& verdict);
  void add_stages(ArrivalResult& content, const std::vector<DmarcVerdict>& dmarc) const;
  void count(std::string_view check, std::string_view result) const;
};

Task<void> Checks::State::run_iprev(std::shared_ptr<IprevRun> run) {
  const auto judge = [&](Findings& findings) { return check_iprev(findings, client); };
  run->verdict = co_await ask(parts.loop, parts.resolver, run->findings, deadline(), judge);
  end_run(run->time);
}

Task<void> Checks::State::run_spf(std::shared_ptr<SpfRun> run) {
  const Moment until = std::min(deadline(), moment() + run->longest);
  const auto judge = [&](Findings& findings) { return check_spf(findings, run->query); };
  run->verdict = co_await ask(parts.loop, parts.resolver, run->findings, until, judge);
  note_silence(run->findings, until);
  end_run(run->time);
}

// RFC 7208 §2.3: where it is a name of more than one label. Nothing is decided by it, so that it
// holds no message for long.
void Checks::State::ask_helo() {
  helo.reset();
  const std::string& name = spf->query.helo;
  if (spf->query.domain.empty() || name.starts_with('[') || !name.contains('.')) return;
  helo = std::make_shared<SpfRun>();
  helo->time = stopwatch();
  helo->longest = helo_time;
  helo->query = spf->query;
  helo->query.local.clear();
  helo->query.domain.clear();  // then the identity is HELO
  ++under_way;
  spawn(run_spf(helo));
}

// Whatever passes later: these records are needed.
Task<void> Checks::State::run_author(std::shared_ptr<AuthorRun> run) {
  const Moment until = deadline();
  const auto judge = [&](Findings& findings) -> std::optional<bool> {
    bool known = true;
    for (const std::string& domain : run->domains)
      known = check_dmarc(findings, {.author = domain}).has_value() && known;
    return known ? std::optional(true) : std::nullopt;
  };
  (void)co_await ask(parts.loop, parts.resolver, run->findings, until, judge);
  note_silence(run->findings, until);
  end_run(run->time);
}

Task<void> Checks::State::run_keys(std::shared_ptr<SignatureRun> run) {
  const Moment until = deadline();
  const auto judge = [&](Findings& findings) -> std::optional<bool> {
    bool known = true;
    for (const DnsQuestion& question : run->questions())
      known = findings.find(question.name, question.type) != nullptr && known;
    return known ? std::optional(true) : std::nullopt;
  };
  (void)co_await ask(parts.loop, parts.resolver, run->findings, until, judge);
  note_silence(run->findings, until);
  end_run(run->time);
}

Task<void> Checks::State::judge_signatures(Moment until) {
  SignatureRun& run = *signed_by;
  const Instant now = parts.loop.clock().now();
  run.dkim.end_body();
  const auto judge = [&](Findings& findings) { return run.dkim.judge(findings, now); };
  run.results = co_await ask(parts.loop, parts.resolver, run.findings, until, judge);
  if (!run.arc) co_return;
  run.arc->end_body();
  const auto judge_chain = [&](Findings& findings) { return run.arc->judge(findings, now); };
  run.chain = co_await ask(parts.loop, parts.resolver, run.findings, until, judge_chain);
}

// RFC 8617 §7.2.1: the last hop, when it is on the list, its chain holds, and it says that DMARC
// passed for every author for whom it fails here.
std::string Checks::State::trusted_sealer(const std::vector<DmarcVerdict>& dmarc) const {
  const ArcResult& chain = signed_by->chain;
  if (chain.status != ArcStatus::pass || chain.sets.empty()) return {};
  const ArcSet& last = chain.sets.back();
  if (!options->policy.trusts_sealer(last.domain.ascii())) return {};
  for (const DmarcVerdict& each : dmarc) {
    if (each.result == DmarcResult::fail && !says_dmarc_passed(last.results, each.author))
      return {};
  }
  return last.domain.ascii();
}

// RFC 7208 §8.4, §8.5: fail and softfail. A forwarder before us makes SPF fail too; then a
// signature by the sender's domain, or one above or below it, vouches for it.
bool Checks::State::is_sender_disproved() const {
  if (sender.empty() || only_observed() || !spf || !spf->verdict) return false;
  const SpfResult result = spf->verdict->result;
  if (result != SpfResult::fail && result != SpfResult::soft_fail) return false;
  const std::string& name = sender.domain().ascii();
  return std::ranges::none_of(signed_by->results, [&](const DkimResult& each) {
    const std::string& by = each.domain.ascii();
    return authenticated(each).state == AuthenticatedDomain::State::pass &&
           (by == name || name.ends_with("." + by) || by.ends_with("." + name));
  });
}

DmarcQuery Checks::State::dmarc_query(const std::string& domain) const {
  DmarcQuery query{.author = domain};
  if (spf && spf->verdict) {
    auto state = AuthenticatedDomain::State::fail;
    if (spf->verdict->result == SpfResult::pass) state = AuthenticatedDomain::State::pass;
    if (spf->verdict->result == SpfResult::temp_error)
      state = AuthenticatedDomain::State::temporary;
    query.spf = AuthenticatedDomain{state, spf->verdict->domain};
  }
  for (const DkimResult& each : signed_by->results) query.dkim.push_back(authenticated(each));
  return query;
}

Task<std::vector<DmarcVerdict>> Checks::State::judge_dmarc(Moment until) {
  std::vector<DmarcVerdict> verdicts;
  for (const std::string& domain : author->domains) {
    const DmarcQuery query = dmarc_query(domain);
    const auto judge = [&](Findings& findings) { return check_dmarc(findings, query); };
    verdicts.push_back(co_await ask(parts.loop, parts.resolver, author->findings, until, judge));
  }
  co_return verdicts;
}

void Checks::State::count(std::string_view check, std::string_view result) const {
  parts.metrics
      .counter("goniec_trust_results_total", "What checks of strangers' mail found",
               {{"check", std::string(check)}, {"result", std::string(result)}})
      .add();
}

void Checks::State::add_stages(ArrivalResult& content,
                               const std::vector<DmarcVerdict>& dmarc) const {
  const auto add = [&](const Stopwatch& time, std::string rule, std::string detail) {
    content.stages.push_back(StageFact{.stage = "check",
                                       .at = time.at,
                                       .took = time.took,
                                       .rule = std::move(rule),
                                       .reply = printable(detail, 300),
                                       .recipient = {}});
  };
  if (iprev->verdict)
    add(iprev->time, fmt::format("iprev.{}", name_of(iprev->verdict->result)),
        fmt::format("{} {}", client.text(), iprev->verdict->name));
  if (spf && spf->verdict)
    add(spf->time, fmt::format("spf.{}", name_of(spf->verdict->result)), spf_detail(*spf->verdict));
  if (tells_helo())
    add(helo->time, fmt::format("spf_helo.{}", name_of(helo->verdict->result)),
        spf_detail(*helo->verdict));
  const auto& signatures = signed_by->results;
  for (std::size_t at = 0; at < signatures.size() && at < told_signatures; ++at)
    add(signed_by->time, fmt::format("dkim.{}", name_of(signatures[at].status)),
        dkim_detail(signatures[at]));
  if (signed_by->arc)
    add(signed_by->time, fmt::format("arc.{}", name_of(signed_by->chain.status)),
        arc_detail(signed_by->chain));
  for (const DmarcVerdict& each : dmarc)
    add(author->time, fmt::format("dmarc.{}", name_of(each.result)), dmarc_detail(each));
}

ArrivalResult Checks::State::told(const std::vector<DmarcVerdict>& dmarc,
                                  const ContentVerdict& verdict) {
  ArrivalResult content;
  content.rule = verdict.verdict.rule;
  if (verdict.verdict.kind != Verdict::Kind::accept) content.refusal = verdict.verdict.reply;
  const std::string_view disposition = content.refusal ? "reject"
                                       : verdict.junk  ? "quarantine"
                                                       : "none";
  std::vector<AuthenticationResult> results;
  if (iprev->verdict) {
    results.push_back(iprev_result(*iprev->verdict, client));
    count("iprev", name_of(iprev->verdict->result));
  }
  if (spf && spf->verdict) {
    results.push_back(spf_result(*spf->verdict, sender));
    count("spf", name_of(spf->verdict->result));
  }
  if (tells_helo()) {
    results.push_back(spf_result(*helo->verdict, sender));
    count("spf_helo", name_of(helo->verdict->result));
  }
  const auto& signatures = signed_by->results;
  for (std::size_t at = 0; at < signatures.size() && at < told_signatures; ++at) {
    results.push_back(dkim_result(signatures[at]));
    count("dkim", name_of(signatures[at].status));
  }
  if (signatures.empty()) {
    results.push_back({"dkim", "none", "", "", {}});
    count("dkim", "none");
  }
  content.arc = signed_by->chain.status;
  content.arc_unknown = signed_by->chain.temporary;
  content.sender_disproved = is_sender_disproved();
  if (signed_by->arc) {
    results.push_back(arc_result(signed_by->chain));
    count("arc", name_of(content.arc));
  }
  for (const DmarcVerdict& each : dmarc) {
    results.push_back(dmarc_result(each, disposition));
    count("dmarc", name_of(each.result));
  }
  parts.metrics
      .counter("goniec_trust_dispositions_total", "What was done with strangers' mail",
               {{"disposition", std::string(disposition)}, {"rule", content.rule}})
      .add();
  content.fields = authentication_results_field(options->hostname, results);
  content.results = authentication_results_value(options->hostname, results);
  if (verdict.junk && options->junk == JunkWay::folder) content.fields += junk_field(content.rule);
  add_stages(content, dmarc);
  return content;
}

Checks::Checks(CheckParts parts, std::shared_ptr<const CheckOptions> options, IpAddress client)
    : state_(new State{.parts = std::move(parts),
                       .options = std::move(options),
                       .client = client,
                       .sender = {},
                       .iprev = std::make_shared<IprevRun>(),
                       .spf = {},
                       .helo = {},
                       .author = {},
                       .signed_by = {},
                       .under_way = 1,
                       .landed = {}}) {
  state_->iprev->time = state_->stopwatch();
  spawn(state_->run_iprev(state_->iprev));
}

Checks::~Checks() {
  CHECK(state_->under_way == 0);
}

void Checks::begin(std::string helo, Address sender) {
  State& state = *state_;
  state.author.reset();
  state.signed_by.reset();
  state.sender = std::move(sender);
  state.spf = std::make_shared<SpfRun>();
  state.spf->time = state.stopwatch();
  state.spf->query = SpfQuery{.client = state.client,
                              .helo = std::move(helo),
                              .local = state.sender.local(),
                              .domain = state.sender.domain().ascii(),
                              .receiver = state.options->hostname,
                              .now = state.parts.loop.clock().now()};
  ++state.under_way;
  spawn(state.run_spf(state.spf));
  state.ask_helo();
}

void Checks::header(std::string_view block) {
  State& state = *state_;
  state.author = std::make_shared<AuthorRun>();
  state.author->time = state.stopwatch();
  state.signed_by = std::make_shared<SignatureRun>(std::string(block));
  state.signed_by->time = state.stopwatch();
  const auto scanned = scan_header(block, HeaderLimits{});
  if (!scanned) return;  // the Draft refuses it
  if (find_field(*scanned, "ARC-Seal")) state.signed_by->arc.emplace(std::string(block));
  if (!state.signed_by->questions().empty()) {
    ++state.under_way;
    spawn(state.run_keys(state.signed_by));
  }
  auto authors = author_domains(*scanned);
  const std::size_t most = DmarcLimits{}.authors;
  state.author->none = authors.domains.empty();
  state.author->too_many = authors.domains.size() > most;
  if (state.author->too_many) authors.domains.resize(most);
  std::erase_if(authors.domains, [&](const std::string& domain) {
    return state.options->policy.dmarc_for(domain) == DmarcWay::off;
  });
  state.author->domains = std::move(authors.domains);
  if (state.author->domains.empty()) return;
  ++state.under_way;
  spawn(state.run_author(state.author));
}

void Checks::body(std::string_view octets) {
  if (!state_->signed_by) return;
  SignatureRun& run = *state_->signed_by;
  if (run.dkim.wants_body()) run.dkim.add_body(octets);
  if (run.arc && run.arc->wants_body()) run.arc->add_body(octets);
}

Task<ArrivalResult> Checks::finish() {
  State& state = *state_;
  const Moment until = state.deadline();
  if (!state.author) header({});
  co_await state.wait();
  co_await state.judge_signatures(until);
  const auto dmarc = co_await state.judge_dmarc(until);
  static const SpfVerdict unasked;
  const SpfVerdict& spf = state.spf && state.spf->verdict ? *state.spf->verdict : unasked;
  const ContentFacts facts{.client = state.client,
                           .spf = spf,
                           .dmarc = dmarc,
                           .too_many_authors = state.author->too_many,
                           .no_author = state.author->none,
                           .dkim = dkim_summary(state.signed_by->results),
                           .trusted_sealer = state.trusted_sealer(dmarc)};
  const ContentVerdict verdict = judge_content(facts, state.options->policy);
  if (state.parts.judged && !state.only_observed())
    state.parts.judged(
        JudgedMessage{state.client, state.sender, spf, state.signed_by->results, dmarc, verdict});
  co_return state.told(dmarc, verdict);
}

Task<void> Checks::settled() {
  return state_->wait();
}

}  // namespace goniec
