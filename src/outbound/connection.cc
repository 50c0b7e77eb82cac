// See connection.h.
#include "outbound/connection.h"

#include <cstdio>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t read_octets = 4096;
constexpr Duration farewell = std::chrono::milliseconds(500);  // for a reply to QUIT, at an end
constexpr std::size_t gather_octets = 32 * 1024;  // held back for what follows; then written

bool is_unix(const Route& route) {
  return route.transport == Transport::lmtp_unix;
}

// The first line of a password file. Read at each connection: a changed file needs no reload.
Result<Secret> read_password(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (!file) return fail_errno("password_file " + path, errno);
  char line[1024] = {};
  const bool got = std::fgets(line, sizeof line, file) != nullptr;
  std::fclose(file);
  if (!got) return fail(ErrorKind::config, "password_file " + path + " is empty");
  std::string_view text(line);
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return Secret(std::string(text));
}

}  // namespace

OutgoingConnection::OutgoingConnection(World& world,
                                       std::shared_ptr<const DispatcherOptions> options,
                                       const Route& route, HostAddress host,
                                       std::shared_ptr<const OutboundTls> tls, TlsRequirement need,
                                       OpenConnections& all)
    : world_(world),
      options_(std::move(options)),
      route_(route),
      host_(std::move(host)),
      tls_(std::move(tls)),
      need_(std::move(need)),
      all_(all) {
  all_.all_.insert(this);
}

OutgoingConnection::~OutgoingConnection() {
  all_.all_.erase(this);
}

// ---------------------------------------------------------------- giving up
void OpenConnections::give_up() {
  given_up_ = true;
  const std::set<OutgoingConnection*> open = all_;  // one that ends takes itself out
  for (OutgoingConnection* each : open)
    if (all_.contains(each)) each->give_up();
}

// A connect that nobody waits for any longer ends by itself, at its deadline at the latest.
struct OutgoingConnection::Dial {
  Signal over;
  std::optional<Result<std::unique_ptr<Stream>>> result;
};

void OutgoingConnection::give_up() {
  if (carries_content_) return;
  if (waits_in_ == smtp::Phase::quit)
    return stream_->set_deadline(world_.loop.clock().moment() + farewell);
  if (dial_) {
    was_given_up_ = true;
    dial_->result = fail(ErrorKind::closed, "given up");
    dial_->over.notify_all();
  } else if (in_handshake_) {
    was_given_up_ = true;
    in_handshake_->close();
  } else if (waits_in_) {
    was_given_up_ = true;
    stream_->close();
  }
}

Task<Result<std::unique_ptr<Stream>>> OutgoingConnection::connect(Moment deadline) {
  struct Dialing {
    static Task<void> run(Network& network, std::string path, Endpoint to, Moment until,
                          std::shared_ptr<Dial> dial) {
      auto connected = path.empty() ? co_await network.connect(to, std::nullopt, until)
                                    : co_await network.connect_unix(path, until);
      if (dial->result) co_return;
      dial->result = std::move(connected);
      dial->over.notify_all();
    }
  };
  auto dial = std::make_shared<Dial>();
  dial_ = dial;
  spawn(Dialing::run(world_.network, is_unix(route_) ? route_.host : "", host_.endpoint, deadline,
                     dial));
  while (!dial->result) co_await dial->over.wait();
  dial_.reset();
  co_return std::move(*dial->result);
}

std::string OutgoingConnection::site() const {
  if (is_unix(route_)) return route_.host;
  return fmt::format("{}[{}]:{}", host_.host, host_.endpoint.address.text(), host_.endpoint.port);
}

Duration OutgoingConnection::timeout_of(smtp::Phase phase) const {
  switch (phase) {
    case smtp::Phase::greeting:
      return options_->greeting;
    case smtp::Phase::data:
      return options_->data;
    case smtp::Phase::body:
      return options_->body;
    case smtp::Phase::dot:
      return options_->dot;
    case smtp::Phase::quit:
      return all_.given_up() ? farewell : std::chrono::seconds(5);
    case smtp::Phase::helo:
    case smtp::Phase::starttls:
    case smtp::Phase::auth:
    case smtp::Phase::mail:
    case smtp::Phase::rcpt:
    case smtp::Phase::reset:
      return options_->command;
  }
  return options_->command;
}

smtp::ClientOptions OutgoingConnection::client_options(ClearText clear) const {
  smtp::ClientOptions client;
  client.hostname = options_->hostname;
  client.lmtp = route_.transport == Transport::lmtp || is_unix(route_);
  const bool logs_in = !route_.user.empty();
  switch (need_.level) {
    case TlsLevel::none:
      client.tls = smtp::ClientTls::none;
      break;
    case TlsLevel::opportunistic:
      client.tls = logs_in ? smtp::ClientTls::required : smtp::ClientTls::opportunistic;
      break;
    case TlsLevel::encrypted:
    case TlsLevel::verified:
      client.tls = smtp::ClientTls::required;
      break;
  }
  if (clear == ClearText::this_once && client.tls == smtp::ClientTls::opportunistic)
    client.tls = smtp::ClientTls::none;
  if (route_.transport == Transport::smtps) client.tls = smtp::ClientTls::active;
  // A relay on this machine or in a private network may have a certificate that nobody vouches for.
  const bool near = host_.endpoint.address.is_private();
  client.login_in_clear = near && route_.tls == RouteTls::none;
  client.login_unverified = near;
  client.client_nonce =
      fmt::format("{:016x}{:016x}", world_.loop.random().next(), world_.loop.random().next());
  return client;
}

Task<Result<void>> OutgoingConnection::start_tls() {
  TlsOptions tls;
  // RFC 7672 §8.1: by DANE the name is the TLSA base domain; by MTA-STS the MX host (RFC 8461 §4).
  tls.server_name = need_.proof == TlsProof::dane ? need_.dane.base : host_.host;
  const bool is_verified_here = need_.level == TlsLevel::verified;
  const bool must_verify =
      !is_verified_here && !route_.user.empty() && !host_.endpoint.address.is_private();
  tls.verify = must_verify ? TlsVerify::pkix : TlsVerify::none;
  // What must be proved is shown again each time: a resumed session shows yesterday's certificate,
  // or that of a handshake in which nobody looked at it.
  if (!is_verified_here && !must_verify) tls.session_key = host_.host + "/" + host_.endpoint.text();
  in_handshake_ = stream_.get();
  auto secured = co_await start_tls_client(std::move(stream_), tls_->context, std::move(tls),
                                           world_.loop.clock().moment() + options_->tls);
  in_handshake_ = nullptr;
  if (!secured) {
    handshake_failed_ = true;
    handshake_error_ = secured.error().message;
    if (writes_down())
      transcript_.note(world_.loop.clock().moment(), "TLS failed: " + handshake_error_);
    co_return std::unexpected(secured.error());
  }
  CO_TRY(judge(**secured));
  stream_ = std::move(*secured);
  co_return Result<void>{};
}

// Before anything is said over it.
Result<void> OutgoingConnection::judge(TlsStream& secured) {
  TlsSeen seen{TlsSeen::Kind::up, {}, {}};
  if (need_.level == TlsLevel::verified || need_.report_only) seen.chain = secured.peer_chain();
  TlsJudgement judged = judge_tls(need_, seen, tls_->roots.get(), world_.loop.clock().now());
  tell(judged.fault, judged.why, true);
  if (judged.refused) {
    refusal_ = std::move(judged.refused);
    if (writes_down()) transcript_.note(world_.loop.clock().moment(), refusal_->why);
    secured.close();
    return fail(ErrorKind::not_permitted, refusal_->why);
  }
  TlsFacts facts = secured.facts();
  if (judged.verified != TlsProof::nothing) facts.verified = name_of(judged.verified);
  session_->tls_started(std::move(facts));
  write_down_tls();
  return {};
}

TlsJudgement OutgoingConnection::judge_without_tls() const {
  TlsSeen seen;
  if (handshake_failed_) {
    seen = {TlsSeen::Kind::broken, handshake_error_, {}};
  } else if (const auto& refused = session_->starttls_refused()) {
    seen = {TlsSeen::Kind::refused, refused->one_line(), {}};
  } else if (session_->extensions().starttls) {
    seen = {TlsSeen::Kind::refused, "no answer that can be read", {}};
  }
  return judge_tls(need_, seen, tls_->roots.get(), world_.loop.clock().now());
}

void OutgoingConnection::tell(TlsFault fault, std::string why, bool encrypted) const {
  if (!tls_->on_session || route_.transport != Transport::mx) return;
  TlsSession told;
  told.at = world_.loop.clock().now();
  told.domain = route_.domain.ascii();
  told.policy_type = need_.policy_type;
  told.policy = need_.policy_strings;
  told.mx = need_.policy_mx;
  told.policy_fault = need_.policy_fault;
  told.fault = fault;
  told.why = std::move(why);
  told.host = host_.host;
  told.address = host_.endpoint.address;
  if (session_) told.ehlo = session_->greeting();
  if (stream_) told.source = stream_->local().address;
  told.tls = encrypted;
  tls_->on_session(told);
}

std::string OutgoingConnection::tls_required() const {
  const bool asked = need_.by != TlsAsker::nobody || need_.report_only;
  return asked ? need_.text() : std::string();
}

// The session failed between STARTTLS and the end of its handshake, or TLS was not good enough.
Refused OutgoingConnection::refused_for_tls(smtp::client::Failed failed, bool opportunistic) {
  const bool tls_failed = handshake_failed_ && opportunistic;
  if (!refusal_) {
    TlsJudgement judged = judge_without_tls();
    if (failed.reply.code != 0 && !handshake_failed_)
      judged = judge_tls(need_, {TlsSeen::Kind::refused, failed.reply.one_line(), {}}, nullptr, {});
    if (!was_given_up_) tell(judged.fault, judged.why, false);
    refusal_ = std::move(judged.refused);
  }
  if (!refusal_)
    return Refused{std::move(failed.reply), std::string(name_of(failed.phase)), tls_failed};
  // RFC 3463 §3.8: 4.7.4 the peer cannot do it, 4.7.5 it did it wrong, 5.7.30 (RFC 8689 §4.2.1).
  const bool lacks = refusal_->fault == TlsFault::starttls_not_supported;
  const EnhancedCode code{4, 7, static_cast<std::uint16_t>(lacks ? 4 : 5)};
  return Refused{Reply(0, code, fmt::format("{}: {}", site(), refusal_->why)), "tls", false,
                 refusal_->permanent};
}

// Greeted, perhaps in clear: may a message go this way?
std::optional<Refused> OutgoingConnection::judge_open_session() {
  if (!session_->tls()) {
    if (need_.level == TlsLevel::none) return std::nullopt;
    TlsJudgement judged = judge_without_tls();
    tell(judged.fault, judged.why, false);
    if (judged.refused)
      return Refused{Reply(0, {4, 7, 4}, fmt::format("{}: {}", site(), judged.refused->why)), "tls",
                     false, judged.refused->permanent};
  }
  const auto refused = judge_requiretls_offer(need_, host_.host, session_->extensions().requiretls);
  if (!refused) return std::nullopt;
  return Refused{Reply(550, {5, 7, 30}, fmt::format("{}: {}", site(), refused->why)), "tls", false,
                 refused->permanent};
}

Task<std::optional<Refused>> OutgoingConnection::open(ClearText clear) {
  const Moment began = world_.loop.clock().moment();
  transcript_.open(began);
  if (writes_down()) {
    transcript_.note(began, fmt::format("connect to {}{}", site(),
                                        clear == ClearText::this_once ? ", without TLS" : ""));
  }
  smtp::ClientOptions client = client_options(clear);
  if (!route_.user.empty()) {
    auto password = read_password(route_.password_file);
    if (!password) co_return Refused{Reply(0, {}, password.error().message), "auth", false};
    client.login = smtp::ClientLogin{route_.user, std::move(*password)};
  }
  auto connected = co_await connect(began + options_->connect);
  if (!connected && writes_down())
    transcript_.note(world_.loop.clock().moment(), connected.error().message);
  if (!connected)
    co_return Refused{
        Reply(0, {4, 4, 1}, fmt::format("connect to {}: {}", site(), connected.error().message)),
        "connect", false};
  stream_ = std::move(*connected);
  const smtp::ClientTls tls = client.tls;
  session_ = std::make_unique<smtp::ClientSession>(std::move(client));
  if (tls == smtp::ClientTls::active) {
    auto secured = co_await start_tls();
    if (!secured)
      co_return Refused{Reply(0, {4, 7, 5}, "TLS with " + site() + ": " + secured.error().message),
                        "tls", false, refusal_ && refusal_->permanent};
  }
  smtp::client::Step step = co_await run();
  opened_in_ = world_.loop.clock().moment() - began;
  if (std::holds_alternative<smtp::client::Ready>(step)) {
    if (clear == ClearText::this_once) co_return std::nullopt;  // judged before, and told
    auto refused = judge_open_session();
    if (refused) co_await quit();
    co_return refused;
  }
  if (auto* failed = std::get_if<smtp::client::Failed>(&step)) {
    if (failed->phase == smtp::Phase::starttls)
      co_return refused_for_tls(std::move(*failed), tls == smtp::ClientTls::opportunistic);
    co_return Refused{std::move(failed->reply), std::string(name_of(failed->phase))};
  }
  co_return Refused{Reply(0, {4, 4, 2}, site() + " ended the session before it began"), "greeting",
                    false};
}

// Content is told by its octets; an answer is what follows a question of the login.
void OutgoingConnection::write_down(std::string_view bytes, std::optional<smtp::Phase> waits_in) {
  if (!writes_down()) return;
  if (carries_content_) return transcript_.said_content(bytes.size());
  transcript_.said(world_.loop.clock().moment(), bytes, waits_in == smtp::Phase::auth);
}

void OutgoingConnection::write_down_tls() {
  const auto facts = session_->tls();
  if (!writes_down() || !facts) return;
  transcript_.note(
      world_.loop.clock().moment(),
      fmt::format("{} {}, {}", facts->version, facts->cipher,
                  facts->verified.empty() ? "not verified" : "verified by " + facts->verified));
}

// Header and first chunk of a body, or commands that may go together, are one write.
void OutgoingConnection::gather(std::string bytes) {
  if (gathered_.empty()) {
    gathered_ = std::move(bytes);
  } else {
    gathered_ += bytes;
  }
}

Task<smtp::client::Step> OutgoingConnection::run() {
  namespace client = smtp::client;
  for (;;) {
    client::Step step = session_->next();
    if (std::holds_alternative<client::NeedBody>(step)) carries_content_ = true;
    if (auto* send = std::get_if<client::Send>(&step)) {
      gather(std::move(send->bytes));
      continue;
    }
    const bool more_follows = std::holds_alternative<client::NeedBody>(step);
    const auto* wait = std::get_if<client::NeedInput>(&step);
    if (!gathered_.empty() && !(more_follows && gathered_.size() < gather_octets)) {
      stream_->set_deadline(world_.loop.clock().moment() + options_->body);
      write_down(gathered_, wait ? std::optional(wait->phase) : std::nullopt);
      auto written = co_await stream_->write(gathered_);
      gathered_.clear();
      if (!written) {
        session_->receive_end(written.error().message);
        if (more_follows || std::holds_alternative<client::NeedInput>(step)) continue;
      }
    }
    if (std::holds_alternative<client::Done>(step)) carries_content_ = false;
    if (wait) {
      if (all_.given_up() && !carries_content_ && wait->phase != smtp::Phase::quit) {
        was_given_up_ = true;
        session_->receive_end("given up");
        continue;
      }
      stream_->set_deadline(world_.loop.clock().moment() + timeout_of(wait->phase));
      buffer_.resize(read_octets);
      waits_in_ = wait->phase;
      auto got = co_await stream_->read(buffer_);
      waits_in_.reset();
      if (got && *got > 0) {
        const std::string_view bytes(buffer_.data(), *got);
        if (writes_down())
          transcript_.heard(world_.loop.clock().moment(), bytes, wait->phase == smtp::Phase::auth);
        session_->receive(bytes);
      } else {
        const std::string why = got ? "the server closed the connection" : got.error().message;
        if (writes_down()) transcript_.note(world_.loop.clock().moment(), why);
        session_->receive_end(why);
      }
    } else if (std::holds_alternative<client::StartTls>(step)) {
      auto secured = co_await start_tls();
      if (!secured) {
        session_->tls_failed(secured.error().message);
        if (!stream_) {  // the handshake took the stream with it
          client::Step failed = session_->next();
          if (std::holds_alternative<client::Failed>(failed)) co_return failed;
          co_return client::Failed{
              Reply(0, {4, 7, 5}, "TLS with " + site() + ": " + secured.error().message),
              smtp::Phase::starttls};
        }
      }
    } else {
      co_return step;
    }
  }
}

Task<void> OutgoingConnection::quit() {
  if (!session_ || !stream_) co_return;
  session_->quit();
  (void)co_await run();
  stream_->close();
}

namespace {

// A host that the policy forbids before it was spoken to.
void tell_blocked(const World& world, const OutboundTls& tls, const ConnectPlan& plan,
                  const HostAddress& host, const TlsRequirement& need) {
  if (!tls.on_session || plan.route.transport != Transport::mx) return;
  TlsSession told;
  told.at = world.loop.clock().now();
  told.domain = plan.route.domain.ascii();
  told.policy_type = need.policy_type;
  told.policy = need.policy_strings;
  told.mx = need.policy_mx;
  told.policy_fault = need.policy_fault;
  told.fault = need.blocked->fault;
  told.why = need.blocked->why;
  told.host = host.host;
  told.address = host.endpoint.address;
  tls.on_session(told);
}

struct HostFailure {
  Reply reply;
  std::string phase, site, tls_required;
  bool final = false;  // RFC 7504: this host refuses all mail; RFC 8689: it cannot be better
};

HostFailure blocked(const HostAddress& host, const TlsRequirement& need) {
  const TlsRefusal& refusal = *need.blocked;
  const std::string site =
      fmt::format("{}[{}]:{}", host.host, host.endpoint.address.text(), host.endpoint.port);
  Reply reply =
      refusal.permanent ? Reply(550, {5, 7, 30}, refusal.why) : Reply(0, {4, 7, 5}, refusal.why);
  return {std::move(reply), "tls", site, need.text(), refusal.permanent};
}

}  // namespace

Task<std::unique_ptr<OutgoingConnection>> connect_to_first(
    World& world, std::shared_ptr<const DispatcherOptions> options, ConnectPlan plan,
    std::shared_ptr<const OutboundTls> tls, OpenConnections& all, Outcome& failure) {
  bool all_final = !plan.hosts.hosts.empty();
  std::string tried;  // what the hosts before said
  const auto note = [&](HostFailure why) {
    failure.reply = std::move(why.reply);
    failure.phase = std::move(why.phase);
    failure.site = std::move(why.site);
    failure.tls_required = std::move(why.tls_required);
    all_final = all_final && why.final;
  };
  for (const HostAddress& host : plan.hosts.hosts) {
    if (plan.only_ipv4 && host.endpoint.address.v6) continue;
    const TlsRequirement need = requirement_of(plan.route, plan.hosts, host.host, plan.wish);
    if (need.blocked) {
      tell_blocked(world, *tls, plan, host, need);
      tried += fmt::format("0\t*\t{}: {}\n", host.host, need.blocked->why);
      note(blocked(host, need));
      continue;
    }
    for (ClearText clear : {ClearText::as_route_says, ClearText::this_once}) {
      auto connection =
          std::make_unique<OutgoingConnection>(world, options, plan.route, host, tls, need, all);
      auto refused = co_await connection->open(clear);
      if (!refused) {
        if (!tried.empty()) connection->transcript().before(std::move(tried));
        co_return connection;
      }
      tried += connection->transcript().text();
      const bool refuses_mail = refused->reply.code == 521 || refused->reply.code == 556;
      note({refused->reply, refused->phase, connection->site(), connection->tls_required(),
            refuses_mail || refused->permanent});
      if (!refused->tls_failed || !need.may_be_clear() || all.given_up()) break;
    }
    if (all.given_up()) break;
  }
  failure.state = all_final ? RecipientState::failed : RecipientState::queued;
  if (plan.transcript) *plan.transcript = std::move(tried);
  co_return nullptr;
}

HostList unix_hosts(const Route& route) {
  HostList list;
  list.site = "unix:" + route.host;
  list.hosts.push_back(HostAddress{.host = route.host, .endpoint = {}, .preference = 0});
  list.source = route.rule;
  return list;
}

}  // namespace goniec
