// The configuration: strict TOML in, plain structs out. The file holds infrastructure (listeners,
// TLS, storage, routes, limits); the store holds objects (domains, users, aliases): each setting in
// one place.
//
// Promises: every error of a file is found at once and says file:line, what is wrong and the fix;
// an unknown key is an error that names the nearest; each option and its default stands once, in
// schema.cc. Relative paths are taken from the folder of the file. Secrets are never inline
// (password_file). parse_config() reads nothing but the text; check_config() looks at the files the
// config names.
#pragma once
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "mail/address.h"
#include "mail/journey.h"

namespace goniec {

inline constexpr std::string_view default_config_file = "/etc/goniec/goniec.toml";

struct ListenerOption {
  ListenerKind kind = ListenerKind::mx;
  Endpoint address;                   // port 0: the system chooses, see listeners.json
  std::vector<IpNetwork> trust;       // may relay here without AUTH
  std::vector<IpNetwork> proxy_from;  // PROXY protocol is required from these
  unsigned line = 0;
};

struct TlsOption {
  std::string certificate, key;  // "" both: no TLS
  unsigned line = 0;
  bool given() const { return !certificate.empty(); }
};

enum class DmarcMode { apply, observe, off };
enum class SpfMode { observe, reject };
enum class PrivateMode { observe, apply, skip };
struct OverrideOption {
  std::vector<std::string> domains;  // as of a route
  std::optional<DmarcMode> dmarc;
  std::optional<SpfMode> spf;
  unsigned line = 0;
};
struct TrustOption {
  bool check = true;
  DmarcMode dmarc = DmarcMode::apply;
  SpfMode spf = SpfMode::observe;
  PrivateMode private_callers = PrivateMode::observe;
  bool defer_temporary = false;
  bool junk_folder = true;
  Duration check_time{};
  std::vector<std::string> arc_sealers;
  std::vector<OverrideOption> overrides;
};

// What http and https listeners serve.
struct WebOption {
  std::string challenges;  // folder of ACME http-01 tokens
  std::string url;         // "https://mail.example.pl", without a slash at its end
};

// The receiver inside, for what must not leave.
struct SandboxOption {
  Domain domain;
  bool everything = false;
};

struct WebhooksOption {
  bool private_targets = false;
};

enum class MtaStsServing { off, testing, enforce };

// Mail that aliases lead to other servers.
struct ForwardOption {
  bool srs = true;
  Duration srs_valid{};
  bool seal = true;
};

struct BouncesOption {
  std::string rules;  // folder; need not exist
};

struct ReportsOption {
  std::string address;  // "": reports are not read
  bool send = false;    // reports about others
  Duration keep{};
};

enum class DnssecMode { automatic, require, off };
struct ResolverOption {
  std::vector<Endpoint> servers;  // empty: the system's
  DnssecMode dnssec = DnssecMode::automatic;
  std::string trust_anchor;  // file; "" = the one built in
};

struct DeliveryOption {
  std::uint16_t mx_port = 25;
  bool private_targets = false;
  std::size_t connections_per_site = 20;
  bool dane = true, mta_sts = true;
  std::uint16_t mta_sts_port = 443;
  std::string roots;  // "": the system's alone
};

enum class RelayKind { mx, smtp, smtps, submission, lmtp, lmtp_unix, sink };
enum class RelayTls { opportunistic, required, none };
struct RouteOption {
  std::vector<std::string>
      domains;  // "example.pl", "*.example.pl" (not the apex), "*"; lower case, A-labels
  RelayKind relay = RelayKind::mx;
  std::string host;  // name or IP; path for lmtp_unix
  std::uint16_t port = 0;
  RelayTls tls = RelayTls::opportunistic;
  std::string user, password_file;
  unsigned line = 0;
  std::string name;  // "route 2 (goniec.toml:41)"
};

struct RetryOption {
  std::vector<Duration> schedule;  // the last step repeats
  Duration expire{};
  Duration delay_notice{};  // zero: none
};

enum class BareLf { reject, normalise };
struct LimitsOption {
  std::uint64_t message_size = 0;
  std::size_t recipients = 0;
  Duration idle{}, session{};
  std::size_t connections_per_address = 0;
  std::uint64_t messages_per_account_hour = 0;  // 0: none
  BareLf bare_lf = BareLf::reject;              // on mx
  std::vector<IpNetwork>
      bare_lf_from;  // normalise only from these; empty: from the listener's `trust`
};

struct LocalOption {
  std::vector<std::string> aliases;        // aliases(5) files; the default one only where it exists
  std::vector<std::string> trusted_users;  // names or uids
  std::string socket;  // "" = /run/goniec/submit.sock, else <storage.path>/submit.sock
};

enum class LogStyle { postfix, json, both };
struct LogOption {
  std::string to;  // "stderr", "journal" or a path
  LogStyle style = LogStyle::postfix;
};

struct RetentionOption {
  Duration events{}, bodies{}, search{}, statistics{}, transcripts{};
  std::uint64_t transcripts_size = 0;  // octets, of all files
};

struct StorageOption {
  std::string path;
  std::uint64_t journal = 0;  // octets, of all its files
};

struct Config {
  std::string file;  // where it was read from
  Domain hostname;
  std::string admin;        // "" = postmaster@<first domain>
  std::string user;         // run as this user when started as root
  bool user_given = false;  // false: `user` is the default, and applies only where it exists
  std::size_t shards = 0;   // 0: one a core
  StorageOption storage;
  std::vector<ListenerOption> listeners;
  TrustOption trust;
  TlsOption tls;                        // [tls]: the default certificate
  std::vector<TlsOption> certificates;  // [tls], then each [[certificate]]
  WebOption web;
  WebhooksOption webhooks;
  SandboxOption sandbox;
  MtaStsServing mta_sts = MtaStsServing::off;
  ReportsOption reports;
  BouncesOption bounces;
  ForwardOption forward;
  ResolverOption resolver;
  DeliveryOption delivery;
  std::vector<RouteOption> routes;
  RetryOption retry;
  LimitsOption limits;
  LocalOption local;
  LogOption log;
  RetentionOption retention;

  std::string admin_socket() const { return storage.path + "/goniec.sock"; }
};

// One thing wrong: "goniec.toml:61: unknown key "conections" in [delivery]; did you mean
// "connections…"?"
struct ConfigProblem {
  std::string file;
  unsigned line = 0;  // 0: concerns the whole file
  std::string what;   // with the fix
  std::string text() const;
};
using ConfigProblems = std::vector<ConfigProblem>;    // in order of lines
std::string text_of(const ConfigProblems& problems);  // one a line

// A setting as it is in force: for `config show` and `config diff`. Array tables are numbered from
// 1: "listener.1.address".
struct Setting {
  std::string key;
  std::string value;  // a TOML value: "\"50MiB\"", "20", "[\"1m\", \"5m\"]"
  unsigned line = 0;  // 0: the default
  bool operator==(const Setting&) const = default;
};

struct LoadedConfig {
  Config config;
  std::vector<Setting> settings;  // every one, in the order of the schema
};

std::expected<LoadedConfig, ConfigProblems> parse_config(std::string_view text,
                                                         const std::string& file);
std::expected<LoadedConfig, ConfigProblems> load_config(const std::string& file);
// The files that a config names: certificate, key, password files, trust anchor, alias files,
// storage.
ConfigProblems check_config(const Config& config);

// config show: TOML text; `effective` adds defaults, and says in a comment where each value is
// from.
enum class ShowMode { given, effective };
std::string show_config(const LoadedConfig& loaded, ShowMode mode);

}  // namespace goniec
