// From typed values to the Config struct, and what must fit together (config.h).
#include "config/config.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/text.h"
#include "config/values.h"

namespace goniec {

namespace {

class ConfigBuilder {
 public:
  ConfigBuilder(AllValues values, const std::string& file, ProblemList& problems)
      : values_(std::move(values)), problems_(problems) {
    config_.file = file;
    folder_ = std::filesystem::path(file).parent_path();
  }

  Config build() {
    read_top();
    read_listeners();
    read_trust();
    read_wire();
    read_routes();
    read_limits();
    read_local();
    read_reports();
    check_tls();
    return std::move(config_);
  }

 private:
  const TableValues& table(std::string_view name) const {
    return values_.tables.find(name)->second;
  }

  std::string path_of(const TableValues& in, std::string_view name) const {
    return in.has(name) ? resolved(in.get<std::string>(name)) : std::string();
  }
  std::string resolved(const std::string& path) const {
    if (path.starts_with('/')) return path;
    return (folder_ / path).lexically_normal().string();
  }

  void read_top() {
    const auto& top = table("");
    if (top.has("hostname")) {
      config_.hostname = top.get<Domain>("hostname");
    } else if (!top.given("hostname")) {
      problems_.add(
          0, "hostname is missing; fix: hostname = \"mail.example.pl\" at the top of the file");
    }
    if (top.has("admin")) config_.admin = top.get<std::string>("admin");
    config_.user = top.get<std::string>("user");
    config_.user_given = top.given("user");
    config_.shards = top.get<std::uint64_t>("shards");
    config_.storage.path = path_of(table("storage"), "path");
    config_.storage.journal = table("storage").get<std::uint64_t>("journal");
  }

  void read_listeners() {
    const auto& list = values_.arrays.find("listener")->second;
    for (const auto& in : list) read_listener(in);
    if (list.empty() && problems_.empty()) {
      problems_.add(0,
                    "there is no listener; fix: [[listener]] with kind = \"mx\" and address = "
                    "\"0.0.0.0:25\"");
    }
    std::vector<const ListenerOption*> seen;
    for (const auto& listener : config_.listeners) {
      for (const auto* other : seen) {
        if (listener.address.port == 0 || other->address != listener.address) continue;
        problems_.add(listener.line, fmt::format("{} is the address of the listener at line {} too",
                                                 listener.address.text(), other->line));
      }
      seen.push_back(&listener);
    }
  }

  void read_listener(const TableValues& in) {
    ListenerOption listener;
    listener.line = in.line;
    if (!in.has("kind")) {
      if (!in.given("kind"))
        problems_.add(in.line,
                      "kind is missing; fix: kind = \"mx\" (or submission, submissions, lmtp …)");
      return;
    }
    listener.kind = *listener_kind_of(in.get<std::string>("kind"));
    using enum ListenerKind;
    if (listener.kind == imap || listener.kind == imaps) {
      problems_.add(in.line_of("kind"),
                    fmt::format("kind = \"{}\" is not in this version; fix: remove this listener",
                                name_of(listener.kind)));
    }
    if (in.has("address")) {
      auto address = parse_endpoint(in.get<std::string>("address"), std::nullopt);
      if (address) {
        listener.address = *address;
      } else {
        problems_.add(in.line_of("address"),
                      fmt::format("listener.address = \"{}\": {}", in.get<std::string>("address"),
                                  address.error().message));
      }
    } else if (listener.kind == admin) {
      listener.address = {*IpAddress::parse("127.0.0.1"), 8025};
    } else if (!in.given("address")) {
      problems_.add(in.line, "address is missing; fix: address = \"0.0.0.0:PORT\"");
    }
    listener.trust = in.get<std::vector<IpNetwork>>("trust");
    listener.proxy_from = in.get<std::vector<IpNetwork>>("proxy_from");
    for (const auto& network : listener.trust) {
      if (network.prefix == 0 && listener.kind != http && listener.kind != admin) {
        problems_.add(
            in.line_of("trust"),
            "trust of the whole internet makes an open relay; fix: list your own networks");
      }
    }
    config_.listeners.push_back(std::move(listener));
  }

  static DmarcMode dmarc_mode(std::string_view text) {
    return text == "off"       ? DmarcMode::off
           : text == "observe" ? DmarcMode::observe
                               : DmarcMode::apply;
  }
  static SpfMode spf_mode(std::string_view text) {
    return text == "reject" ? SpfMode::reject : SpfMode::observe;
  }
  static PrivateMode private_mode(std::string_view text) {
    return text == "apply"  ? PrivateMode::apply
           : text == "skip" ? PrivateMode::skip
                            : PrivateMode::observe;
  }

  void read_trust() {
    const auto& trust = table("trust");
    auto& out = config_.trust;
    out.check = trust.get<bool>("check");
    out.dmarc = dmarc_mode(trust.get<std::string>("dmarc"));
    out.spf = spf_mode(trust.get<std::string>("spf"));
    out.private_callers = private_mode(trust.get<std::string>("private"));
    out.defer_temporary = trust.get<std::string>("temporary") == "defer";
    out.junk_folder = trust.get<std::string>("junk") == "folder";
    out.check_time = trust.get<Duration>("check_time");
    out.arc_sealers = trust.get<std::vector<std::string>>("arc_sealers");
    for (const auto& in : values_.arrays.find("override")->second) {
      OverrideOption each;
      each.line = in.line;
      if (in.has("domains")) each.domains = in.get<std::vector<std::string>>("domains");
      if (in.has("dmarc")) each.dmarc = dmarc_mode(in.get<std::string>("dmarc"));
      if (in.has("spf")) each.spf = spf_mode(in.get<std::string>("spf"));
      if (each.domains.empty() && (!in.given("domains") || in.has("domains")))
        problems_.add(in.line_of("domains"),
                      "an override needs domains; fix: domains = [\"example.pl\"]");
      if (!in.given("dmarc") && !in.given("spf"))
        problems_.add(in.line, "an override changes nothing; fix: dmarc = \"observe\"");
      out.overrides.push_back(std::move(each));
    }
  }

  void read_wire() {
    const auto& tls = table("tls");
    config_.tls = {path_of(tls, "certificate"), path_of(tls, "key"), tls.line};
    if (tls.has("certificate") != tls.has("key")) {
      problems_.add(tls.line, "certificate and key go together; fix: give both in [tls]");
    }
    if (config_.tls.given()) config_.certificates.push_back(config_.tls);
    for (const auto& in : values_.arrays.find("certificate")->second) {
      config_.certificates.push_back({path_of(in, "certificate"), path_of(in, "key"), in.line});
      if (!in.has("certificate") || !in.has("key")) {
        problems_.add(in.line,
                      "certificate and key go together; fix: give both in [[certificate]]");
      }
    }
    const auto& resolver = table("resolver");
    config_.resolver.servers = resolver.get<std::vector<Endpoint>>("servers");
    const auto& dnssec = resolver.get<std::string>("dnssec");
    config_.resolver.dnssec = dnssec == "require" ? DnssecMode::require
                              : dnssec == "off"   ? DnssecMode::off
                                                  : DnssecMode::automatic;
    config_.resolver.trust_anchor = path_of(resolver, "trust_anchor");
    const auto& delivery = table("delivery");
    config_.delivery.mx_port = static_cast<std::uint16_t>(delivery.get<std::uint64_t>("mx_port"));
    config_.delivery.private_targets = delivery.get<bool>("private_targets");
    config_.delivery.connections_per_site = delivery.get<std::uint64_t>("connections_per_site");
    config_.delivery.dane = delivery.get<std::string>("dane") == "auto";
    config_.delivery.mta_sts = delivery.get<std::string>("mta_sts") == "auto";
    config_.delivery.mta_sts_port =
        static_cast<std::uint16_t>(delivery.get<std::uint64_t>("mta_sts_port"));
    config_.delivery.roots = path_of(delivery, "roots");
  }

  void read_routes() {
    unsigned number = 0;
    for (const auto& in : values_.arrays.find("route")->second) {
      RouteOption route;
      route.line = in.line;
      route.name = fmt::format("route {} ({}:{})", ++number,
                               std::filesystem::path(config_.file).filename().string(), in.line);
      if (in.has("domains")) route.domains = in.get<std::vector<std::string>>("domains");
      if (route.domains.empty() && (!in.given("domains") || in.has("domains"))) {
        problems_.add(in.line_of("domains"),
                      "a route needs domains; fix: domains = [\"*\"] for all");
      }
      if (in.has("relay")) {
        auto relay = in.get<RelayTarget>("relay");
        route.relay = relay.kind;
        route.host = std::move(relay.host);
        route.port = relay.port;
      } else if (!in.given("relay")) {
        problems_.add(in.line,
                      "a route needs relay; fix: relay = \"smtp://HOST:25\", \"mx\" or \"sink\"");
      }
      read_route_tls(in, route);
      read_route_login(in, route);
      config_.routes.push_back(std::move(route));
    }
  }

  void read_route_tls(const TableValues& in, RouteOption& route) {
    using enum RelayKind;
    const bool implied = route.relay == smtps || route.relay == submission;
    route.tls = implied ? RelayTls::required : RelayTls::opportunistic;
    if (!in.has("tls")) return;
    const auto& text = in.get<std::string>("tls");
    route.tls = text == "required" ? RelayTls::required
                : text == "none"   ? RelayTls::none
                                   : RelayTls::opportunistic;
    const auto line = in.line_of("tls");
    if (route.relay == smtps && route.tls != RelayTls::required) {
      problems_.add(line, "smtps:// is TLS from the first octet; fix: remove tls, or use smtp://");
    }
    if (route.relay == sink || route.relay == lmtp_unix) {
      problems_.add(line, "tls means nothing here: nothing goes over a network; fix: remove tls");
    }
  }

  void read_route_login(const TableValues& in, RouteOption& route) {
    if (in.has("user")) route.user = in.get<std::string>("user");
    route.password_file = path_of(in, "password_file");
    if (route.user.empty() && route.password_file.empty()) return;
    if (route.user.empty() || route.password_file.empty()) {
      problems_.add(in.line,
                    fmt::format("user and password_file go together; fix: add {}",
                                route.user.empty() ? "user = \"…\"" : "password_file = \"FILE\""));
    }
    using enum RelayKind;
    if (route.relay == mx || route.relay == sink || route.relay == lmtp_unix) {
      problems_.add(in.line_of("user"),
                    "a login needs a relay with a host: smtp://, smtps:// or submission://");
    }
    const auto address = IpAddress::parse(route.host);
    if (route.tls == RelayTls::none && !(address && address->is_loopback())) {
      problems_.add(in.line_of("tls"),
                    "the password would go over the wire in the clear; fix: tls = \"required\"");
    }
  }

  void read_limits() {
    const auto& retry = table("retry");
    config_.retry.schedule = retry.get<std::vector<Duration>>("schedule");
    config_.retry.expire = retry.get<Duration>("expire");
    config_.retry.delay_notice = retry.get<Duration>("delay_notice");
    if (config_.retry.schedule.empty()) {
      problems_.add(retry.line_of("schedule"),
                    "retry.schedule needs at least one step; fix: schedule = [\"5m\"]");
    }
    const auto& limits = table("limits");
    auto& out = config_.limits;
    out.message_size = limits.get<std::uint64_t>("message_size");
    out.recipients = limits.get<std::uint64_t>("recipients");
    out.idle = limits.get<Duration>("idle");
    out.session = limits.get<Duration>("session");
    out.connections_per_address = limits.get<std::uint64_t>("connections_per_address");
    out.messages_per_account_hour = limits.get<std::uint64_t>("messages_per_account_hour");
    out.bare_lf =
        limits.get<std::string>("bare_lf") == "normalise" ? BareLf::normalise : BareLf::reject;
    out.bare_lf_from = limits.get<std::vector<IpNetwork>>("bare_lf_from");
  }

  void read_local() {
    const auto& local = table("local");
    config_.local.aliases = local.get<std::vector<std::string>>("aliases");
    for (auto& file : config_.local.aliases) file = resolved(file);
    config_.local.trusted_users = local.get<std::vector<std::string>>("trusted_users");
    config_.local.socket = path_of(local, "socket");
    check_socket_path(local.line_of("socket"), config_.local.socket);
    check_socket_path(table("storage").line_of("path"), config_.admin_socket());
    const auto& log = table("log");
    config_.log.to = log.get<std::string>("to");
    const auto& style = log.get<std::string>("style");
    config_.log.style = style == "json"   ? LogStyle::json
                        : style == "both" ? LogStyle::both
                                          : LogStyle::postfix;
    if (config_.log.to != "stderr" && config_.log.to != "journal") check_log_path(log);
    const auto& retention = table("retention");
    config_.retention = {
        retention.get<Duration>("events"),      retention.get<Duration>("bodies"),
        retention.get<Duration>("search"),      retention.get<Duration>("statistics"),
        retention.get<Duration>("transcripts"), retention.get<std::uint64_t>("transcripts_size")};
  }

  void read_web_url(const TableValues& web) {
    std::string url = web.has("url") ? web.get<std::string>("url") : std::string();
    while (url.ends_with('/')) url.pop_back();
    const bool good = (url.starts_with("https://") || url.starts_with("http://")) &&
                      url.find_first_of(" \t<>\"'?#,") == std::string::npos && is_ascii(url);
    if (!url.empty() && !good)
      problems_.add(web.line_of("url"),
                    "url is no address of a web server; fix: url = \"https://mail.example.pl\"");
    config_.web.url = url.empty() ? "https://" + config_.hostname.ascii() : url;
  }

  void read_reports() {
    config_.web.challenges = path_of(table("web"), "challenges");
    if (config_.web.challenges.empty())
      config_.web.challenges = config_.storage.path + "/acme-challenge";
    config_.webhooks.private_targets = table("webhooks").get<bool>("private_targets");
    read_web_url(table("web"));
    config_.sandbox = {table("sandbox").get<Domain>("domain"),
                       table("sandbox").get<bool>("everything")};
    const auto& mode = table("mta_sts").get<std::string>("mode");
    config_.mta_sts = mode == "enforce"   ? MtaStsServing::enforce
                      : mode == "testing" ? MtaStsServing::testing
                                          : MtaStsServing::off;
    const auto& forward = table("forward");
    config_.forward = {forward.get<bool>("srs"), forward.get<Duration>("srs_valid"),
                       forward.get<bool>("seal")};
    config_.bounces.rules = path_of(table("bounces"), "rules");
    const auto& reports = table("reports");
    if (reports.has("address")) config_.reports.address = reports.get<std::string>("address");
    config_.reports.send = reports.get<bool>("send");
    config_.reports.keep = reports.get<Duration>("keep");
  }

  void check_log_path(const TableValues& log) {
    auto& to = config_.log.to;
    if (to.find('/') != std::string::npos) {
      to = resolved(to);
      return;
    }
    const auto near = nearest(to, {"stderr", "journal"});
    problems_.add(log.line_of("to"),
                  fmt::format("log.to = \"{}\": must be \"stderr\", \"journal\" or a path{}", to,
                              near ? fmt::format("; did you mean \"{}\"?", *near) : ""));
  }

  void check_socket_path(unsigned line, const std::string& path) {
    constexpr std::size_t sun_path_octets = 107;  // unix(7): sun_path with its NUL
    if (path.size() <= sun_path_octets) return;
    problems_.add(
        line,
        fmt::format(
            "the socket {} has a path of {} octets, a unix socket may have {}; fix: a shorter path",
            path, path.size(), sun_path_octets));
  }

  void check_tls() {
    if (table("tls").given("certificate") || table("tls").given("key")) return;
    if (!config_.certificates.empty()) return;
    for (const auto& listener : config_.listeners) {
      using enum ListenerKind;
      if (listener.kind != submission && listener.kind != submissions && listener.kind != pop3 &&
          listener.kind != pop3s && listener.kind != https) {
        continue;
      }
      problems_.add(
          listener.line,
          fmt::format("the {} listener needs a certificate; fix: [tls] with certificate = \"FILE\" "
                      "and key = \"FILE\"",
                      name_of(listener.kind)));
    }
  }

  AllValues values_;
  ProblemList& problems_;
  Config config_;
  std::filesystem::path folder_;
};

std::vector<Setting> settings_of(const AllValues& values) {
  std::vector<Setting> settings;
  std::string_view last_array;
  const auto add = [&settings](const OptionSpec& option, const TableValues& in, std::string key) {
    const auto& item = in.items.find(option.name())->second;
    settings.push_back({std::move(key), item.written, item.line});
  };
  for (const auto& option : schema()) {
    const auto name = option.table();
    if (!is_array_table(name)) {
      add(option, values.tables.find(name)->second, std::string(option.key));
      continue;
    }
    if (name == last_array) continue;  // all options of an item stand together
    last_array = name;
    std::size_t number = 0;
    for (const auto& in : values.arrays.find(name)->second) {
      ++number;
      for (const auto& each : schema()) {
        if (each.table() == name) add(each, in, fmt::format("{}.{}.{}", name, number, each.name()));
      }
    }
  }
  return settings;
}

}  // namespace

std::string ConfigProblem::text() const {
  if (line == 0) return fmt::format("{}: {}", file, what);
  return fmt::format("{}:{}: {}", file, line, what);
}

std::string text_of(const ConfigProblems& problems) {
  std::string out;
  for (const auto& problem : problems) out += problem.text() + "\n";
  return out;
}

std::expected<LoadedConfig, ConfigProblems> parse_config(std::string_view text,
                                                         const std::string& file) {
  ProblemList problems(file);
  if (!is_utf8(text)) {
    problems.add(0, "is not UTF-8, as TOML must be");
    return std::unexpected(problems.take());
  }
  const auto root = parse_toml(text);
  if (!root) {
    problems.add(root.error().line, root.error().what);
    return std::unexpected(problems.take());
  }
  auto values = read_values(*root, problems);
  auto settings = settings_of(values);
  auto config = ConfigBuilder(std::move(values), file, problems).build();
  if (!problems.empty()) return std::unexpected(problems.take());
  return LoadedConfig{std::move(config), std::move(settings)};
}

std::expected<LoadedConfig, ConfigProblems> load_config(const std::string& file) {
  std::error_code ignored;
  const auto absolute = std::filesystem::absolute(file, ignored).lexically_normal().string();
  std::ifstream in(absolute, std::ios::binary);
  if (!in || std::filesystem::is_directory(absolute, ignored)) {
    return std::unexpected(
        ConfigProblems{{file, 0, "cannot be read; fix: goniec --config FILE, or make this one"}});
  }
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  auto loaded = parse_config(text, absolute);
  if (loaded) {
    auto& aliases = loaded->config.local.aliases;
    const auto given =
        std::ranges::find(loaded->settings, "local.aliases", &Setting::key)->line != 0;
    if (!given)
      std::erase_if(aliases,
                    [](const std::string& path) { return !std::filesystem::exists(path); });
  }
  return loaded;
}

}  // namespace goniec
