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
                                       std::shared_ptr<const TlsContext> tls, OpenConnections& all)
    : world_(world),
      options_(std::move(options)),
      route_(route),
      host_(std::move(host)),
      tls_context_(std::move(tls)),
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
  switch (route_.tls) {
    case RouteTls::none:
      client.tls = smtp::ClientTls::none;
      break;
    case RouteTls::required:
      client.tls = smtp::ClientTls::required;
      break;
    case RouteTls::opportunistic:
      client.tls = logs_in ? smtp::ClientTls::required : smtp::ClientTls::opportunistic;
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
  tls.server_name = host_.host;
  const bool must_verify = !route_.user.empty() && !host_.endpoint.address.is_private();
  tls.verify = must_verify ? TlsVerify::pkix : TlsVerify::none;
  tls.session_key = host_.host + "/" + host_.endpoint.text();
  in_handshake_ = stream_.get();
  auto secured = co_await start_tls_client(std::move(stream_), tls_context_, std::move(tls),
                                           world_.loop.clock().moment() + options_->tls);
  in_handshake_ = nullptr;
  if (!secured) co_return std::unexpected(secured.error());
  session_->tls_started((*secured)->facts());
  stream_ = std::move(*secured);
  co_return Result<void>{};
}

Task<std::optional<Refused>> OutgoingConnection::open(ClearText clear) {
  const Moment began = world_.loop.clock().moment();
  smtp::ClientOptions client = client_options(clear);
  if (!route_.user.empty()) {
    auto password = read_password(route_.password_file);
    if (!password) co_return Refused{Reply(0, {}, password.error().message), "auth", false};
    client.login = smtp::ClientLogin{route_.user, std::move(*password)};
  }
  auto connected = co_await connect(began + options_->connect);
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
                        "tls", false};
  }
  smtp::client::Step step = co_await run();
  opened_in_ = world_.loop.clock().moment() - began;
  if (std::holds_alternative<smtp::client::Ready>(step)) co_return std::nullopt;
  if (auto* failed = std::get_if<smtp::client::Failed>(&step)) {
    const bool tls_failed = handshake_failed_ && tls == smtp::ClientTls::opportunistic;
    co_return Refused{std::move(failed->reply), std::string(name_of(failed->phase)), tls_failed};
  }
  co_return Refused{Reply(0, {4, 4, 2}, site() + " ended the session before it began"), "greeting",
                    false};
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
    if (std::holds_alternative<client::Done>(step)) carries_content_ = false;
    if (auto* send = std::get_if<client::Send>(&step)) {
      gather(std::move(send->bytes));
      continue;
    }
    const bool more_follows = std::holds_alternative<client::NeedBody>(step);
    if (!gathered_.empty() && !(more_follows && gathered_.size() < gather_octets)) {
      stream_->set_deadline(world_.loop.clock().moment() + options_->body);
      auto written = co_await stream_->write(gathered_);
      gathered_.clear();
      if (!written) {
        session_->receive_end(written.error().message);
        if (more_follows || std::holds_alternative<client::NeedInput>(step)) continue;
      }
    }
    if (auto* wait = std::get_if<client::NeedInput>(&step)) {
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
      if (got && *got > 0)
        session_->receive(std::string_view(buffer_.data(), *got));
      else
        session_->receive_end(got ? "the server closed the connection" : got.error().message);
    } else if (std::holds_alternative<client::StartTls>(step)) {
      auto secured = co_await start_tls();
      if (!secured) {
        handshake_failed_ = true;
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

Task<std::unique_ptr<OutgoingConnection>> connect_to_first(
    World& world, std::shared_ptr<const DispatcherOptions> options, ConnectPlan plan,
    std::shared_ptr<const TlsContext> tls, OpenConnections& all, Outcome& failure) {
  bool all_refuse_mail = !plan.hosts.hosts.empty();  // RFC 7504: 521 or 556 from every host
  for (const HostAddress& host : plan.hosts.hosts) {
    if (plan.only_ipv4 && host.endpoint.address.v6) continue;
    for (ClearText clear : {ClearText::as_route_says, ClearText::this_once}) {
      auto connection =
          std::make_unique<OutgoingConnection>(world, options, plan.route, host, tls, all);
      auto refused = co_await connection->open(clear);
      if (!refused) co_return connection;
      failure.reply = refused->reply;
      failure.phase = refused->phase;
      failure.site = connection->site();
      if (refused->reply.code != 521 && refused->reply.code != 556) all_refuse_mail = false;
      if (!refused->tls_failed || all.given_up()) break;
    }
    if (all.given_up()) break;
  }
  failure.state = all_refuse_mail ? RecipientState::failed : RecipientState::queued;
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
