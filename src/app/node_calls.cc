// What the API needs of app, and the HTTP doors to it (node_parts.h).
#include <pwd.h>
#include <unistd.h>

#include "api/routes.h"
#include "app/config_page.h"
#include "app/dns_facts.h"
#include "app/node_parts.h"
#include "base/json.h"
#include "base/text.h"
#include "net/ask.h"
#include "trust/passwords.h"

namespace goniec {
namespace {

constexpr std::uint32_t scram_iterations = 100000;

Result<PasswordRecord> make_password_record(std::string password, bool scram) {
  PasswordRecord record;
  record.hash = TRY(hash_password(password));
  if (scram)
    record.scram = derive_scram_keys(TRY(saslprep(password)), random_secret(16), scram_iterations);
  return record;
}

std::optional<std::string> name_of_user(unsigned uid) {
  const passwd* user = ::getpwuid(uid);
  return user ? std::optional<std::string>(user->pw_name) : std::nullopt;
}

std::string_view tls_name(RouteTls tls) {
  switch (tls) {
    case RouteTls::opportunistic:
      return "opportunistic";
    case RouteTls::required:
      return "required";
    case RouteTls::none:
      return "none";
  }
  return "opportunistic";
}

std::string_view kind_name(RecipientKind kind) {
  switch (kind) {
    case RecipientKind::mailbox:
      return "mailbox";
    case RecipientKind::alias:
      return "alias";
    case RecipientKind::relay:
      return "relay domain";
    case RecipientKind::verify:
      return "relay domain (verify)";
    case RecipientKind::remote:
      return "remote";
    case RecipientKind::unknown:
      return "unknown user";
  }
  return "remote";
}

void write_requirement(JsonWriter& json, const TlsRequirement& need) {
  json.key("tls").text(need.text());
  if (need.proof != TlsProof::dane) return;
  json.key("tlsa").array();
  for (const DnsTlsa& record : need.dane.records) json.text(text_of(record));
  json.end();
}

std::string mta_sts_text(const HostTls& tls) {
  if (!tls.mta_sts) return tls.mta_sts_why.empty() ? "not asked" : "none: " + tls.mta_sts_why;
  const MtaStsKnown& known = *tls.mta_sts;
  return fmt::format("{}, id {}, until {}; {}", name_of(known.policy.mode), known.id,
                     to_rfc3339(known.fetched_at + std::chrono::seconds(known.policy.max_age)),
                     tls.mta_sts_why);
}

}  // namespace

Task<std::string> Node::State::explain_route(Address address) {
  NodeShard& shard = *shards.front();
  const Resolved resolved = directory->resolve(address);
  JsonWriter json;
  json.object().key("address").text(address.text()).key("recipient").text(kind_name(resolved.kind));
  if (!resolved.rule.empty()) json.key("directory_rule").text(resolved.rule);
  if (resolved.kind == RecipientKind::mailbox) json.key("mailbox").text(resolved.mailbox.text());
  if (resolved.kind == RecipientKind::alias) {
    json.key("targets").array();
    for (const Address& target : resolved.targets) json.text(target.text());
    json.end();
  }
  const bool routed = resolved.kind == RecipientKind::relay ||
                      resolved.kind == RecipientKind::verify ||
                      resolved.kind == RecipientKind::remote;
  if (routed) {
    RouteTable table;
    {
      std::lock_guard lock(mutex);
      table = route_table(settings());
    }
    const Route route = table.route(address.domain());
    json.key("rule")
        .text(route.rule)
        .key("transport")
        .text(name_of(route.transport))
        .key("tls")
        .text(tls_name(route.tls));
    if (!route.user.empty()) json.key("login").text(route.user);
    if (route.transport != Transport::sink && route.transport != Transport::lmtp_unix) {
      HostList list = co_await shard.hosts->find(route);
      json.key("source").text(list.source).key("dnssec").boolean(list.authenticated);
      json.key("hosts").array();
      for (const HostAddress& host : list.hosts) {
        json.object().key("host").text(host.host).key("address").text(host.endpoint.text());
        json.key("preference").number(static_cast<int>(host.preference));
        write_requirement(json, requirement_of(route, list, host.host, {}));
        json.end();
      }
      json.end();
      if (list.tls) json.key("mta_sts").text(mta_sts_text(*list.tls));
      json.key("notes").array();
      for (const std::string& note : list.notes) json.text(note);
      json.end();
      if (list.failure) json.key("failure").text(list.failure->reply.one_line());
    } else if (route.transport == Transport::lmtp_unix) {
      json.key("source").text(route.host);
    }
  }
  json.end();
  co_return std::move(json).take();
}

Task<Result<DnsAdvice>> Node::State::advise_on_dns(Domain domain) {
  constexpr Duration patience = std::chrono::seconds(10);
  World& world = *shards.front()->world;
  DnsAdviceFacts facts;
  {
    std::lock_guard lock(mutex);
    facts = dns_facts(settings(), domain);
    add_certificate(facts, certificates_in_use);
  }
  facts.now = clock.now();
  for (const SigningKey& key : signing_keys.all())
    if (key.domain == domain && key.state != SigningKeyState::retired)
      facts.keys.push_back({key.selector, key.record()});
  Findings findings;
  auto judge = [&facts](Findings& known) { return advise_dns(known, facts); };
  co_return co_await ask(world.loop, world.resolver, findings,
                         world.loop.clock().moment() + patience, judge);
}

std::unique_ptr<ApiContext> Node::State::make_api() {
  NodeShard& shard = *shards.front();
  std::unique_ptr<ApiContext> made(new ApiContext{
      .world = *shard.world,
      .queue = *queue,
      .directory = *directory,
      .committer = *committer,
      .readers = *readers,
      .metrics = metrics,
      .log = log,
      .signing_keys = signing_keys,
      .forwarding = forwarding,
      .templates = templates,
      .api_keys = api_keys,
      .logins = *logins,
      .idempotency = idempotency,
      .webhooks = webhooks,
      .hook_log = *hook_log,
      .sessions = sessions,
      .streams = streams,
      .suppressions = suppressions,
      .links = links,
      .version = GONIEC_VERSION,
      .pid = ::getpid(),
      .own_uid = ::getuid(),
      .started_at = clock.now(),
      .look_at_webhook = [this](const std::string& id) { hooks->look(id); },
      .test_webhook =
          [this](std::shared_ptr<const Webhook> webhook) { return test_hook(std::move(webhook)); },
      .web_url = [this] { return web_url(); },
      .smtp_ports_json = [this] { return smtp_ports_json(); },
      .intake = [this] { return inbound_options_now()->intake; },
      .message_octets = [this] { return inbound_options_now()->limits.message_octets; },
      .listeners_json = [this] { return listeners_json(); },
      .certificates_json = [this] { return certificates_json(); },
      .send_reports = [this] { return report_sending->send_now(); },
      .reload = [this] { return reload(); },
      .reload_aliases =
          [this] {
            std::unique_lock lock(mutex);
            auto files = settings().local.aliases;
            lock.unlock();
            return directory->reload_alias_files(std::move(files));
          },
      .look_for_keys = [this] { return key_watch->look(); },
      .dns_advice = [this](Domain domain) { return advise_on_dns(std::move(domain)); },
      .explain_route = [this](Address address) { return explain_route(std::move(address)); },
      .make_password = [](std::string password,
                          bool scram) { return make_password_record(std::move(password), scram); },
      .user_name = [](unsigned uid) { return name_of_user(uid); },
      .is_trusted_user =
          [this](unsigned uid) {
            std::lock_guard lock(mutex);
            const auto name = name_of_user(uid);
            for (const std::string& trusted : settings().local.trusted_users)
              if (trusted == std::to_string(uid) || (name && trusted == *name)) return true;
            return false;
          },
      .bounces = [this] { return bounces_now(); },
      .live_tails = &live_tails,
      .search = search.get(),
      .rebuild_search = [this] { projector->rebuild(); },
      .erase_rows = [this](std::string address, std::string by,
                           bool dry_run) -> Task<Result<std::uint64_t>> {
        return erase_rows(std::move(address), std::move(by), dry_run);
      },
  });
  tell_of_itself(*made);
  return made;
}

// What the dashboard asks of the server's own state.
void Node::State::tell_of_itself(ApiContext& context) {
  context.search_threads = search_threads.get();
  context.transcripts = transcripts.get();
  context.queue_history = [this] {
    return depth_watch ? depth_watch->samples() : std::vector<DepthSample>{};
  };
  context.settings_json = [this] {
    std::lock_guard lock(mutex);
    return settings_json(config);
  };
  context.retention_json = [this] {
    std::lock_guard lock(mutex);
    return retention_json(config);
  };
  context.storage_octets = [path = settings().storage.path] { return storage_octets(path); };
  context.config_file_json = [this] {
    std::unique_lock lock(mutex);
    const auto in_force = config.settings;
    const auto file = settings().file;
    lock.unlock();
    return config_file_json(file, in_force);
  };
}

ApiCall api_call_of(HttpCall call) {
  ApiCall api_call;
  api_call.method = std::move(call.method);
  const std::size_t mark = call.target.find('?');
  api_call.path = call.target.substr(0, mark);
  if (mark != std::string::npos)
    api_call.query = parse_query(std::string_view(call.target).substr(mark + 1));
  api_call.headers = std::move(call.headers);
  api_call.body = std::move(call.body);
  api_call.peer = call.peer;
  api_call.remote = call.remote;
  api_call.secure = call.secure;
  return api_call;
}

HttpReply http_reply_of(ApiReply reply) {
  HttpReply answer;
  answer.status = reply.status;
  answer.content_type = std::move(reply.content_type);
  answer.headers = std::move(reply.headers);
  answer.headers.emplace_back("Cache-Control", "no-store");
  answer.headers.emplace_back("X-Content-Type-Options", "nosniff");
  answer.body = std::move(reply.body);
  answer.stream = std::move(reply.stream);
  return answer;
}

Task<HttpReply> Node::State::answer_http(ApiDoor door, HttpCall call) {
  co_return http_reply_of(co_await answer_call(*api, door, api_call_of(std::move(call))));
}

HttpHandler Node::State::handler(ApiDoor door) {
  return [this, door](HttpCall call) { return answer_http(door, std::move(call)); };
}

}  // namespace goniec
