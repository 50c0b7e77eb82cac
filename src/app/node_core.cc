// See node_core.h.
// Making in the order of the arrows; ending: who takes work first, who carries it after, what
// remembers last.
#include "app/node_core.h"

namespace goniec {

Result<LoadedCertificates> NodeCore::load_tls() {
  LoadedCertificates loaded = TRY(load_certificates(doors.disk, certificate_files(settings())));
  std::shared_ptr<const TlsContext> server = loaded.context;
  TlsClientTrust trust;
  trust.roots = TlsTrust::system;
  trust.given_pem = TRY(load_roots());
  auto client = TRY(TlsContext::client(trust));
  std::lock_guard lock(mutex);
  server_tls = server;
  certificates_in_use = loaded.in_use;
  pop3_now = std::make_shared<const Pop3Options>(pop3_options(settings(), server));
  inbound_now = std::make_shared<const InboundOptions>(inbound_for(settings(), std::move(server)));
  if (!client_tls) client_tls = std::move(client);
  return loaded;
}

void NodeCore::use_certificates(std::shared_ptr<const TlsContext> context) {
  std::lock_guard lock(mutex);
  server_tls = context;
  auto inbound = std::make_shared<InboundOptions>(*inbound_now);
  inbound->tls = context;
  inbound_now = std::move(inbound);
  auto pop3 = std::make_shared<Pop3Options>(*pop3_now);
  pop3->tls = std::move(context);
  pop3_now = std::move(pop3);
}

InboundOptions NodeCore::inbound_for(const Config& of, std::shared_ptr<const TlsContext> tls) {
  InboundOptions options = inbound_options(of, std::move(tls));
  options.intake.signing = {&signing_keys, offload_door};
  options.intake.forwarding = &forwarding;
  options.intake.idempotency = &idempotency;
  options.intake.streams = stream_doors(of);
  return options;
}

StreamDoors NodeCore::stream_doors(const Config& of) {
  return {&streams, &suppressions, &links, of.web.url, of.sandbox.domain};
}

namespace {

// Where systems keep the roots they trust, as one file.
constexpr const char* system_roots[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
constexpr std::uint64_t roots_limit = 16 << 20;

Result<std::string> read_text(Disk& disk, const std::string& path) {
  auto file = TRY(disk.open(path, OpenMode::read));
  const std::uint64_t octets = TRY(file->size());
  if (octets > roots_limit) return fail(ErrorKind::config, path + " is too big");
  std::string text(octets, '\0');
  text.resize(TRY(file->read_at(0, text)));
  return text;
}

}  // namespace

Result<std::string> NodeCore::load_roots() {
  std::string given, all;
  if (!settings().delivery.roots.empty()) {
    given = TRY(read_text(doors.disk, settings().delivery.roots));
    TRY(TrustRoots::of_pem(given));
  }
  for (const char* path : system_roots) {
    const auto exists = doors.disk.exists(path);
    if (!exists || !*exists) continue;
    all = TRY(read_text(doors.disk, path));
    break;
  }
  if (auto made = TrustRoots::of_pem(all + "\n" + given)) roots = *std::move(made);
  return given;
}

std::shared_ptr<const OutboundTls> NodeCore::make_outbound_tls() {
  auto tls = std::make_shared<OutboundTls>();
  tls->context = client_tls;
  tls->roots = roots;
  tls->on_session = [this](const TlsSession& session) {
    const bool good = session.fault == TlsFault::none;
    metrics
        .counter("goniec_tls_sessions_total",
                 "Sessions with other servers, by the policy of the recipient's domain",
                 {{"policy", session.policy_type},
                  {"result", good ? "ok" : std::string(name_of(session.fault))}})
        .add();
    if (tls_session_heard) tls_session_heard(session);
  };
  return tls;
}

Result<void> NodeCore::make_parts(std::size_t reader_threads, Loop* driver) {
  committer = std::make_unique<Committer>(*store, committer_limits(), metrics, log, driver);
  readers = std::make_unique<ReaderPool>(*store, reader_threads);
  auto reader = TRY(store->reader());
  directory = TRY(Directory::open(directory_options(settings()), *committer, *reader));
  logins = std::make_unique<Logins>(*directory, login_limits(settings()), metrics, doors.random);
  mailboxes = std::make_unique<Mailboxes>(*directory, *committer, *readers);
  admission = std::make_unique<Admission>(admission_limits(settings()), metrics);
  queue = std::make_unique<Queue>(queue_options(settings(), bounces), *committer, *readers, metrics,
                                  log);
  TRY(signing_keys.open(*committer, *reader));
  TRY(templates.open(*committer, *reader));
  TRY(streams.open(*committer, *reader));
  TRY(suppressions.open(*committer, *readers, *reader));
  TRY(api_keys.open(*committer, *reader));
  logins->use_keys(api_keys);
  idempotency.open(*readers);
  TRY(forwarding.open(*directory, *committer, *reader, metrics));
  TRY(links.open(*committer, *reader));
  intake = intake_options(settings());
  intake.forwarding = &forwarding;
  intake.idempotency = &idempotency;
  intake.streams = stream_doors(settings());
  intake.signing = {&signing_keys, offload_door};
  notices = std::make_unique<Notices>(*queue, *directory, intake, metrics, log);
  queue->set_notice_maker(*notices);
  mta_sts = std::make_unique<MtaStsCache>(mta_sts_options(settings()), doors.disk);
  outbound_tls = make_outbound_tls();
  return {};
}

DispatcherOptions NodeCore::dispatch_options(const Config& of) const {
  DispatcherOptions options = dispatcher_options(of);
  if (of.retention.transcripts > Duration{}) options.keep_transcript = keep_transcript;
  return options;
}

void NodeCore::make_shard(ShardParts& parts, World world) {
  parts.world.emplace(world);
  Loop& loop = world.loop;
  parts.hosts = std::make_unique<Hosts>(hosts_options(settings()), *parts.world, mta_sts.get());
  parts.local = std::make_unique<LocalDelivery>(*directory, *readers, *queue, loop);
  parts.dispatcher =
      std::make_unique<Dispatcher>(dispatch_options(settings()), *parts.hosts, *queue, *parts.local,
                                   outbound_tls, *parts.world, metrics, log);
  parts.probe = std::make_unique<RecipientProbe>(dispatcher_options(settings()), *parts.hosts,
                                                 verified_recipients, outbound_tls, *parts.world);
  queue->add_shard(loop, *parts.dispatcher);
  parts.inbound.emplace(InboundParts{
      .world = *parts.world,
      .queue = *queue,
      .directory = *directory,
      .logins = *logins,
      .admission = *admission,
      .metrics = metrics,
      .log = log,
      .options = [this] { return inbound_options_now(); },
      .store_health = [this] { return store->health(); },
      .is_over_quota =
          [this, &loop](Address mailbox, std::uint64_t octets) {
            return is_over_quota(loop, std::move(mailbox), octets);
          },
      .verify_recipient =
          [&parts](Address recipient) { return parts.probe->ask(std::move(recipient)); },
      .judged =
          [this](const JudgedMessage& message) {
            if (message_judged) message_judged(message);
          },
  });
  parts.acceptor = std::make_unique<Acceptor>(*parts.inbound);
  parts.pop3.emplace(Pop3Parts{
      .world = *parts.world,
      .mailboxes = *mailboxes,
      .logins = *logins,
      .metrics = metrics,
      .log = log,
      .options = [this] { return pop3_options_now(); },
      .admit = [this](const IpAddress& address) { return admit_reader(address); },
  });
  parts.pop3_acceptor = std::make_unique<Pop3Acceptor>(*parts.pop3);
  HttpServerOptions web;
  web.body_octets = std::max<std::uint64_t>(web.body_octets, web_body_octets(settings()));
  web.visit = [this](const Endpoint& remote) { return admit_visitor(remote.address); };
  parts.web = std::make_unique<HttpServer>(loop, std::move(web));
}

Pop3Admission NodeCore::admit_reader(const IpAddress& address) {
  Admission::Answer answer = admission->admit(address, store->health().sealed);
  if (answer.refusal) return Pop3Admission{nullptr, answer.refusal->lines.at(0)};
  return Pop3Admission{std::make_shared<Admission::Ticket>(std::move(answer.ticket)), {}};
}

namespace {

// A connection of the web: a place among all, and the memory of its bodies among the messages being
// received. A body becomes JSON, parts and a message before it is let go: it counts for them all.
class Visitor final : public HttpVisit {
 public:
  Visitor(Admission& admission, Admission::Ticket ticket)
      : admission_(admission), ticket_(std::move(ticket)) {}
  bool cover(std::size_t body_octets) override {
    constexpr std::size_t copies = 4, free_octets = 16 * 1024;  // as a session's own buffers
    if (body_octets == 0) charge_ = {};
    if (body_octets <= free_octets) return true;
    if (!charge_) charge_ = admission_.take_draft(copies * body_octets);
    return charge_ && charge_.cover(copies * body_octets);
  }
  void welcome() override { ticket_.logged_in(); }

 private:
  Admission& admission_;
  Admission::Ticket ticket_;
  Admission::Charge charge_;
};

}  // namespace

std::unique_ptr<HttpVisit> NodeCore::admit_visitor(const IpAddress& address) {
  // Also of a store that is out of order the web can tell.
  Admission::Answer answer = admission->admit(address, false);
  if (answer.refusal) return nullptr;
  return std::make_unique<Visitor>(*admission, std::move(answer.ticket));
}

Task<bool> NodeCore::is_over_quota(Loop& loop, Address mailbox, std::uint64_t octets) {
  auto user = directory->user(mailbox);
  if (!user || user->quota_octets == 0) co_return false;
  auto answer = co_await mailboxes->check_quota(loop, std::move(mailbox), octets);
  co_return answer && *answer == QuotaAnswer::full;
}

void NodeCore::start_duties(ShardParts& parts) {
  Loop& loop = parts.world->loop;
  event_log = std::make_unique<EventLog>(loop, *readers, log);
  SweepOptions sweep;
  sweep.keep_events = [this] {
    std::lock_guard lock(mutex);
    return settings().retention.events;
  };
  sweeps = std::make_unique<Sweeps>(loop, *committer, sweep, metrics, log);
  event_log->start();
  sweeps->start();
  key_watch = std::make_unique<KeyWatch>(*parts.world, signing_keys, KeyWatchOptions{}, log);
  key_watch->start();
  api_upkeep = std::make_unique<ApiUpkeep>(loop, *committer, api_keys, idempotency,
                                           ApiUpkeepOptions{}, metrics);
  api_upkeep->start();
  depth_watch = std::make_unique<DepthWatch>(loop, *queue, DepthWatchOptions{});
  depth_watch->start();
}

Task<void> NodeCore::stop(ShardParts& parts, ShardRole role, Moment until) {
  co_await parts.acceptor->stop(until - std::chrono::seconds(1));
  co_await parts.pop3_acceptor->stop(until - std::chrono::seconds(1));
  co_await parts.web->stop();
  queue->stop_leasing();
  co_await parts.dispatcher->stop(until);
  if (role == ShardRole::other) co_return;
  if (key_watch) co_await key_watch->stop();  // the simulation has none
  if (api_upkeep) co_await api_upkeep->stop();
  if (depth_watch) co_await depth_watch->stop();
  co_await sweeps->stop();
  co_await queue->stop(parts.world->loop);
  co_await event_log->stop();
}

}  // namespace goniec
