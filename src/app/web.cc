// What http and https listeners answer, and the certificates that they and the mail listeners show:
// the tokens of ACME http-01 (RFC 8555 §8.3) out of a folder, our MTA-STS policy (RFC 8461 §3.3)
// for the local domains, what links in mail lead to (api/public_pages), /metrics and /health for
// who is in the listener's `trust` (on the admin listener for everybody), and the API for who shows
// a key. A proxy in `trust` names its client (api/forwarded). Everything else is 404. A token is
// letters, digits, - and _ (RFC 8555 §8.3), so that no path leaves the folder.
//
// What has no key has a body of 64 KiB at most; with one it may be as large as a message in base64.
#include <algorithm>

#include "api/assets.h"
#include "api/forwarded.h"
#include "api/routes.h"
#include "app/node_parts.h"
#include "app/observations.h"
#include "base/json.h"
#include "base/text.h"
#include "trust/dns_advice.h"

namespace goniec {
namespace {

constexpr std::string_view challenge_path = "/.well-known/acme-challenge/";
constexpr std::string_view policy_path = "/.well-known/mta-sts.txt";
constexpr std::size_t token_octets = 128, file_octets = 4096;
constexpr std::uint64_t stranger_body_octets = 64 * 1024;

HttpReply plain_reply(unsigned status, std::string body) {
  HttpReply reply;
  reply.status = status;
  reply.content_type = "text/plain";
  reply.headers = {{"X-Content-Type-Options", "nosniff"}};
  reply.body = std::move(body);
  return reply;
}

HttpReply not_found() {
  return plain_reply(404, "not found\n");
}

HttpReply challenge_of(Disk& disk, const std::string& folder, std::string_view token) {
  const bool good = !token.empty() && token.size() <= token_octets &&
                    std::all_of(token.begin(), token.end(), [](char c) {
                      return is_alpha(c) || is_digit(c) || c == '-' || c == '_';
                    });
  if (!good) return not_found();
  auto file = disk.open(folder + "/" + std::string(token), OpenMode::read);
  if (!file) return not_found();
  std::string text(file_octets, '\0');
  const auto got = (*file)->read_at(0, text);
  if (!got) return not_found();
  text.resize(*got);
  return plain_reply(200, std::move(text));
}

std::string_view header_of(const HttpCall& call, std::string_view wanted) {
  for (const auto& [name, value] : call.headers)
    if (name == wanted) return value;
  return {};
}

std::string host_of(const HttpCall& call) {
  const auto value = header_of(call, "host");
  return to_lower(value.substr(0, value.rfind(':')));
}

std::string path_of(const HttpCall& call) {
  return call.target.substr(0, call.target.find('?'));
}

// No script but its own, nothing from elsewhere, in nobody's frame.
constexpr std::string_view dashboard_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'";

HttpReply dashboard_reply(const HttpCall& call, const std::string& path) {
  const Asset* asset = asset_of(decode_percent(path, false));
  if (!asset) return not_found();
  HttpReply reply;
  reply.content_type = asset->content_type;
  reply.headers = {
      {"ETag", std::string(asset->etag)},
      {"Cache-Control", asset->immutable ? "public, max-age=31536000, immutable" : "no-cache"},
      {"Content-Security-Policy", std::string(dashboard_policy)},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"}};
  if (header_of(call, "if-none-match") == asset->etag) {
    reply.status = 304;
    return reply;
  }
  if (header_of(call, "accept-encoding").find("gzip") == std::string_view::npos)
    return plain_reply(406, "the dashboard is sent to browsers that take gzip\n");
  reply.headers.emplace_back("Content-Encoding", "gzip");
  reply.headers.emplace_back("Vary", "Accept-Encoding");
  reply.body = asset->gzip;
  return reply;
}

// The call but its body: what decides who answers it.
ApiCall head_of(const HttpCall& call) {
  ApiCall head;
  head.method = call.method;
  head.path = path_of(call);
  head.headers = call.headers;
  head.remote = call.remote;
  return head;
}

bool is_for_the_api(const HttpCall& call) {
  return is_api_call(head_of(call));
}

}  // namespace

void Node::State::start_certificates(LoadedCertificates loaded) {
  const auto files = [this] {
    std::lock_guard lock(mutex);
    return certificate_files(settings());
  };
  const auto swap = [this](std::shared_ptr<const TlsContext> context,
                           const std::vector<CertificateInUse>& in_use) {
    use_certificates(std::move(context));
    std::lock_guard lock(mutex);
    certificates_in_use = in_use;
  };
  certificates = std::make_unique<Certificates>(*shards.front()->world, disk, CertificatesOptions{},
                                                files, swap, metrics, log);
  certificates->set(std::move(loaded));
  certificates->start();
}

void Node::State::make_reports() {
  ReportingOptions options;
  options.settings = [this] {
    std::lock_guard lock(mutex);
    return ReportingSettings{settings().reports.address, settings().reports.keep};
  };
  report_intake =
      std::make_unique<ReportIntake>(*shards.front()->world, *queue, *committer, *readers,
                                     *directory, std::move(options), metrics, log);
  ReportSendingOptions sending;
  sending.settings = [this] { return report_sending_settings(); };
  sending.only_public = [this] { return !settings().delivery.private_targets; };
  report_sending =
      std::make_unique<ReportSending>(*shards.front()->world, *queue, *committer, *readers,
                                      *directory, intake, std::move(sending), metrics, log);
  tls_session_heard = [this](const TlsSession& session) {
    report_sending->collect(observation_of(session), session.at);
  };
  message_judged = [this](const JudgedMessage& message) {
    if (!report_sending->wants()) return;
    for (auto& each : observations_of(message))
      report_sending->collect(std::move(each), clock.now());
  };
}

void Node::State::start_reports() {
  report_intake->start();
  report_sending->start();
}

ReportSendingSettings Node::State::report_sending_settings() const {
  std::lock_guard lock(mutex);
  const Config& now = settings();
  ReportSendingSettings out;
  out.send = now.reports.send;
  out.from = now.reports.address.empty() ? now.admin : now.reports.address;
  if (out.from.empty()) out.from = directory->admin().text();
  out.reporter = {now.hostname.ascii(), out.from, now.hostname.ascii()};
  return out;
}

std::string Node::State::certificates_json() const {
  const Instant now = clock.now();
  std::lock_guard lock(mutex);
  JsonWriter json;
  json.array();
  for (const CertificateInUse& each : certificates_in_use) {
    json.object().key("file").text(each.file).key("names").array();
    for (const std::string& name : each.facts.names) json.text(name);
    json.end().key("not_after").text(to_rfc3339(each.facts.not_after));
    json.key("days")
        .number(std::chrono::floor<std::chrono::days>(each.facts.not_after - now).count())
        .end();
  }
  json.end();
  return std::move(json).take();
}

HttpServer::Door Node::State::web_door(const ListenerOption& option, HttpServer::Secure secure) {
  HttpServer::Door door;
  door.handler = [this, trust = option.trust,
                  admin = option.kind == ListenerKind::admin](HttpCall call) {
    const bool is_known = take_forwarded(call, trust) != ForwardedClient::unknown;
    const bool trusted =
        admin || (is_known && std::any_of(trust.begin(), trust.end(), [&](const auto& network) {
                    return network.contains(call.remote.address);
                  }));
    return answer_web(std::move(call), trusted);
  };
  door.screen = [this, trust = option.trust](const HttpCall& call) {
    HttpCall by_client = call;
    take_forwarded(by_client, trust);
    return screen_web(by_client);
  };
  door.secure = std::move(secure);
  door.proxy_from = option.proxy_from;
  door.proxies = option.trust;
  return door;
}

HttpScreening Node::State::screen_web(const HttpCall& call) {
  HttpScreening screening;
  screening.body_octets = stranger_body_octets;
  if (call.method == "GET" || call.method == "HEAD") return screening;
  if (!is_for_the_api(call)) return screening;
  auto screened = screen_call(*api, head_of(call));
  if (screened.refusal) screening.refusal = http_reply_of(*std::move(screened.refusal));
  screening.known = screened.known;
  std::lock_guard lock(mutex);
  if (screened.known) screening.body_octets = web_body_octets(settings());
  return screening;
}

Task<HttpReply> Node::State::answer_web(HttpCall call, bool trusted) {
  const std::string path = path_of(call);
  if (is_public_page(path)) co_return co_await public_pages->answer(std::move(call));
  if (is_for_the_api(call)) co_return co_await answer_http(ApiDoor::web, std::move(call));
  if (call.method != "GET" && call.method != "HEAD") co_return plain_reply(405, "GET only\n");
  std::unique_lock lock(mutex);
  const std::string folder = settings().web.challenges;
  const MtaStsServing mode = settings().mta_sts;
  const std::string hostname = settings().hostname.ascii();
  lock.unlock();
  if (path.starts_with(challenge_path))
    co_return challenge_of(disk, folder, std::string_view(path).substr(challenge_path.size()));
  const std::string host = host_of(call);
  constexpr std::string_view prefix = "mta-sts.";
  if (path == policy_path && mode != MtaStsServing::off && host.starts_with(prefix)) {
    const auto domain = Domain::parse(std::string_view(host).substr(prefix.size()));
    if (!domain || !directory->is_local_domain(*domain)) co_return not_found();
    co_return plain_reply(
        200,
        mta_sts_policy_text({hostname}, mode == MtaStsServing::enforce ? "enforce" : "testing"));
  }
  if (trusted && (path == "/metrics" || path == "/health"))
    co_return co_await answer_http(ApiDoor::observe, std::move(call));
  co_return dashboard_reply(call, path);
}

Task<Result<std::unique_ptr<Stream>>> Node::State::secure_visitor(std::unique_ptr<Stream> plain,
                                                                  Moment deadline) {
  std::shared_ptr<const TlsContext> context;
  {
    std::lock_guard lock(mutex);
    context = server_tls;
  }
  if (!context) co_return fail(ErrorKind::config, "there is no certificate");
  auto secured = co_await start_tls_server(std::move(plain), std::move(context),
                                           TlsOptions{.protocol = "http/1.1"}, deadline);
  if (!secured) co_return std::unexpected(secured.error());
  co_return std::unique_ptr<Stream>(std::move(*secured));
}

}  // namespace goniec
