// The table of options, and the texts that are printed from it (schema.h).
#include "config/schema.h"

#include <algorithm>
#include <array>

#include "base/result.h"
#include "base/text.h"
#include "base/time.h"

namespace goniec {

namespace {

using enum OptionType;

constexpr std::uint64_t day = 86400;
constexpr std::uint64_t year = 366 * day;

constexpr auto options = std::to_array<OptionSpec>({
    {"hostname", host, "", "", 0, 0,
     "The name of this server: in greetings, EHLO, Received and Message-ID. It should resolve to "
     "this machine and back."},
    {"admin", address, "", "", 0, 0,
     "Gets mail for <postmaster>, double bounces and alarms. Default: postmaster@ the first "
     "domain."},
    {"user", text, "\"goniec\"", "", 0, 0,
     "Run as this user when started as root. The default applies only where the user exists; a "
     "user given here must exist."},
    {"shards", count, "0", "", 0, 1024,
     "Threads that carry sessions and deliveries; 0 is one a processor core."},

    {"storage.path", path, "\"/var/lib/goniec\"", "", 0, 0,
     "The folder of the store: queue, mailboxes, objects, events, and the socket goniec.sock."},
    {"storage.journal", size, "\"96MiB\"", "", 384 << 10, 3ull << 30,
     "Disk for what is acknowledged and not in the database yet: three files of a third each, "
     "written over and over. A smaller journal moves mail into the database more often. A change "
     "takes effect at a restart; files do not become shorter."},

    {"listener.kind", choice, "",
     "mx|submission|submissions|lmtp|pop3|pop3s|imap|imaps|http|https|admin", 0, 0,
     "What is spoken here: mx takes mail from other servers, submission and submissions from "
     "people and programs with "
     "AUTH, admin serves /metrics and /health."},
    {"listener.address", endpoint, "", "", 0, 0,
     "IP address and port; port 0 lets the system choose (see listeners.json). Default for admin: "
     "127.0.0.1:8025."},
    {"listener.trust", networks, "[]", "", 0, 0,
     "Clients in these networks may relay here without AUTH. On http and https: may read /metrics, "
     "and are proxies whose X-Forwarded-For (or Forwarded) and X-Forwarded-Proto name their "
     "client. "
     "Default: nobody."},
    {"listener.proxy_from", networks, "[]", "", 0, 0,
     "The PROXY protocol (v1, v2) is required from these addresses and refused from all others."},

    {"trust.check", boolean, "true", "", 0, 0,
     "Judge mail that strangers bring to mx listeners: iprev, SPF, DKIM, DMARC, ARC. Clients of a "
     "listener's `trust` are not judged."},
    {"trust.private", choice, "\"observe\"", "observe|apply|skip", 0, 0,
     "Callers from loopback and private networks: observe judges and notes, and refuses nothing; "
     "apply treats them like all others; skip does not look."},
    {"trust.dmarc", choice, "\"apply\"", "apply|observe|off", 0, 0,
     "apply does what a domain asks for when nobody vouches for its mail (reject: 550, quarantine: "
     "junk); observe only notes it; off does not ask."},
    {"trust.spf", choice, "\"observe\"", "observe|reject", 0, 0,
     "An SPF fail alone: observe leaves it to DMARC, reject refuses with 550 unless DMARC passes. "
     "Forwarded mail fails SPF."},
    {"trust.temporary", choice, "\"accept\"", "accept|defer", 0, 0,
     "When DNS does not say what a domain asks for: accept takes the mail and notes it, defer says "
     "451."},
    {"trust.junk", choice, "\"folder\"", "folder|mark", 0, 0,
     "What becomes of quarantined mail: folder is the mailbox's Junk, mark leaves it in INBOX with "
     "Authentication-Results alone."},
    {"trust.check_time", duration, "\"10s\"", "", 1, 120,
     "What is not known so long after the end of a message is temporary."},
    {"trust.arc_sealers", patterns, "[]", "", 0, 0,
     "Domains of forwarders and lists whose ARC seal is believed: mail that they saw pass DMARC is "
     "taken. Default: nobody."},

    {"override.domains", patterns, "", "", 0, 0,
     "Sender domains (of From; for SPF of MAIL FROM) that are treated otherwise than [trust] says. "
     "The first override that names the domain and the matter counts."},
    {"override.dmarc", choice, "", "apply|observe|off", 0, 0, "In place of trust.dmarc."},
    {"override.spf", choice, "", "observe|reject", 0, 0, "In place of trust.spf."},

    {"tls.certificate", path, "", "", 0, 0,
     "PEM file with the certificate and its chain. Needed by submission, submissions, pop3, pop3s "
     "and https. Certificates are read again when their files change; a pair that is broken is "
     "said and the one in use stays."},
    {"tls.key", path, "", "", 0, 0, "PEM file with the private key of the certificate."},

    {"certificate.certificate", path, "", "", 0, 0,
     "A further certificate: it is shown to clients that ask for one of its names (SNI). Who asks "
     "for no name, or an unknown one, gets that of [tls]."},
    {"certificate.key", path, "", "", 0, 0, "PEM file with the private key of the certificate."},

    {"web.challenges", path, "", "", 0, 0,
     "Folder whose files http listeners serve under /.well-known/acme-challenge/, for an ACME "
     "client with http-01 (docs/trust.md). Default: acme-challenge in the storage folder."},

    {"web.url", text, "", "", 0, 0,
     "Where people reach the https listener: links in mail (unsubscribe, opens, clicks) and to the "
     "dashboard begin with it, so it must not change while such mail is read. Default: "
     "https://HOSTNAME."},

    {"sandbox.domain", host, "\"sandbox.goniec.test\"", "", 0, 0,
     "Mail to this domain, and all that keys of the sandbox send, goes to a receiver inside this "
     "server (docs/sandbox.md); nothing of it leaves the machine."},
    {"sandbox.everything", boolean, "false", "", 0, 0,
     "All mail that is not for a mailbox here goes to that receiver: for a server to try things "
     "with (goniec try)."},

    {"webhooks.private_targets", boolean, "false", "", 0, 0,
     "Webhooks may lead to loopback and private addresses. Off: whoever may make a webhook cannot "
     "reach what is behind this server with it."},
    {"mta_sts.mode", choice, "\"off\"", "off|testing|enforce", 0, 0,
     "The MTA-STS policy of our own that http and https listeners serve for each local domain, as "
     "https://mta-sts.DOMAIN/.well-known/mta-sts.txt; it names the hostname as the only MX."},

    {"forward.srs", boolean, "true", "", 0, 0,
     "Mail that an alias leads to another server leaves with a sender of the alias's domain (SRS), "
     "so that SPF passes there; notices come back through it. Senders of our own domains stay."},
    {"forward.srs_valid", duration, "\"21d\"", "", 86400, 366 * 86400,
     "How long notices about forwarded mail are taken back; in whole days."},
    {"forward.seal", boolean, "true", "", 0, 0,
     "Seal forwarded mail of strangers (ARC) by the DKIM key of the alias's domain, where there is "
     "one."},

    {"reports.address", address, "", "", 0, 0,
     "A mailbox of ours that gets DMARC and TLS reports: they are read into the store (goniec "
     "dmarc "
     "sources, goniec tlsrpt list). The mail itself stays in the mailbox."},
    {"reports.send", boolean, "false", "", 0, 0,
     "Send DMARC and TLS reports about others each day, to the addresses that they publish."},
    {"reports.keep", duration, "\"400d\"", "", 86400, 100 * year,
     "Reports that were read are kept for so long."},

    {"bounces.rules", path, "\"/etc/goniec/bounces.d\"", "", 0, 0,
     "Folder with rule files (*.toml) that say what refusals of other servers mean; they are asked "
     "before those built in (docs/bounces.md). It need not exist."},

    {"resolver.servers", endpoints, "[]", "", 0, 0,
     "DNS servers to ask, \"127.0.0.1:53\"; without a port 53. Default: those of the system."},
    {"resolver.dnssec", choice, "\"auto\"", "auto|require|off", 0, 0,
     "auto validates where the servers let it, require defers what cannot be validated, off does "
     "not look."},
    {"resolver.trust_anchor", path, "", "", 0, 0,
     "File with the DNSSEC trust anchor. Default: the root's, built in."},

    {"delivery.mx_port", count, "25", "", 1, 65535,
     "The port of other servers found by MX; another one for laboratories."},
    {"delivery.private_targets", boolean, "false", "", 0, 0,
     "Allow MX answers in loopback or private ranges. The relay of a [[route]] is always allowed."},
    {"delivery.connections_per_site", count, "20", "", 1, 10000,
     "At most so many connections at once to the servers of one site."},
    {"delivery.dane", choice, "\"auto\"", "auto|off", 0, 0,
     "DANE (RFC 7672): auto obeys TLSA records of mail servers as far as the resolver validates "
     "DNSSEC; off looks at none."},
    {"delivery.mta_sts", choice, "\"auto\"", "auto|off", 0, 0,
     "MTA-STS (RFC 8461): auto fetches, keeps and obeys the policies of recipient domains; off "
     "looks at none."},
    {"delivery.mta_sts_port", count, "443", "", 1, 65535,
     "The port of the web servers that MTA-STS policies are fetched from; another one for "
     "laboratories. A change takes effect at a restart."},
    {"delivery.roots", path, "", "", 0, 0,
     "PEM file with root certificates that vouch for other servers beside those of the system. A "
     "change takes effect at a restart."},

    {"route.domains", patterns, "", "", 0, 0,
     "Recipient domains of this rule: \"example.pl\", \"*.example.pl\" (not example.pl itself) or "
     "\"*\". The first "
     "matching rule wins; without one mail goes by MX."},
    {"route.relay", relay, "", "", 0, 0,
     "Where it goes: smtp:// smtps:// submission:// lmtp:// HOST:PORT, \"lmtp:/run/x.sock\", "
     "\"mx\" (by DNS), or \"sink\" "
     "(taken and dropped, for sandboxes)."},
    {"route.tls", choice, "", "opportunistic|required|none", 0, 0,
     "TLS to the relay. Default: required for smtps and submission, else opportunistic."},
    {"route.user", text, "", "", 0, 0, "Log in to the relay as this user; needs password_file."},
    {"route.password_file", path, "", "", 0, 0,
     "File whose first line is the password; it must not be readable for all."},

    {"retry.schedule", durations, "[\"1m\", \"5m\", \"15m\", \"30m\", \"1h\", \"2h\", \"4h\"]", "",
     1, 30 * day,
     "Pauses between tries; the last one repeats. Each is changed at random by up to 10 %."},
    {"retry.expire", duration, "\"5d\"", "", 1, year,
     "After so long a recipient that was not reached fails with a notice."},
    {"retry.delay_notice", duration, "\"4h\"", "", 0, year,
     "After so long the sender is told that delivery is late; \"0s\" is never."},

    {"limits.message_size", size, "\"50MiB\"", "", 1024, 2ull << 30,
     "The largest message; 552 5.3.4 beyond."},
    {"limits.recipients", count, "1000", "", 1, 100000,
     "Recipients a message; 452 4.5.3 beyond. RFC 5321 asks for at least 100."},
    {"limits.idle", duration, "\"5m\"", "", 1, day,
     "A client that is silent for so long is told 421 and cut."},
    {"limits.session", duration, "\"2h\"", "", 1, 7 * day,
     "A session that lasts longer is told 421 and cut."},
    {"limits.connections_per_address", count, "50", "", 1, 1000000,
     "Connections at once from one client address; 421 beyond."},
    {"limits.messages_per_account_hour", count, "500", "", 0, 100000000,
     "Messages an account may send in an hour; over it 450 4.7.1 with the time. 0 is no limit."},
    {"limits.bare_lf", choice, "\"reject\"", "reject|normalise", 0, 0,
     "Bare line feeds on mx: reject refuses the message with 550, normalise repairs it for the "
     "networks of bare_lf_from."},
    {"limits.bare_lf_from", networks, "[]", "", 0, 0,
     "With bare_lf = \"normalise\": clients whose line ends are repaired. Default: the `trust` "
     "networks of the listener."},

    {"local.aliases", paths, "[\"/etc/aliases\"]", "", 0, 0,
     "Files in the form of aliases(5). |command, /file and :include: in them are errors. The "
     "default is read only where "
     "it exists."},
    {"local.trusted_users", texts, "[\"root\"]", "", 0, 0,
     "System users (names or numbers) that may use sendmail -f with any address."},
    {"local.socket", path, "", "", 0, 0,
     "The submit socket, open to every user of the machine. Default: /run/goniec/submit.sock, or "
     "submit.sock in the "
     "storage folder where /run/goniec cannot be made."},

    {"log.to", text, "\"stderr\"", "", 0, 0,
     "\"stderr\", \"journal\", or a path (reopened on SIGHUP)."},
    {"log.style", choice, "\"postfix\"", "postfix|json|both", 0, 0,
     "postfix: lines that pflogsumm, logwatch and fail2ban read; json: one object a line; both: "
     "both."},

    {"retention.events", duration, "\"90d\"", "", 0, 100 * year,
     "The timeline of a message is kept for so long."},
    {"retention.bodies", duration, "\"0d\"", "", 0, 100 * year,
     "Header and body are kept for so long after the last recipient is settled."},
    {"retention.search", duration, "\"90d\"", "", 0, 100 * year,
     "Messages are listed and found for so long (whole days). Longer than events means that a "
     "rebuild loses what is older."},
    {"retention.statistics", duration, "\"730d\"", "", 0, 100 * year,
     "Counts and delivery times are kept for so long. With \"0d\" here and for search there are no "
     "lists and statistics at all (from the next start on)."},
    {"retention.transcripts", duration, "\"14d\"", "", 0, 100 * year,
     "What was said with other servers in each attempt is kept for so long, without secrets and "
     "content. \"0d\": nothing is kept."},
    {"retention.transcripts_size", size, "\"1GiB\"", "", 1 << 20, 1ull << 50,
     "Of these at most so much; the oldest go first."},
});

constexpr std::array<std::string_view, 4> array_tables = {"certificate", "listener", "override",
                                                          "route"};

std::string range_text(const OptionSpec& option) {
  if (option.most == 0) return {};
  if (option.type == size) return fmt::format("{} to {} octets", option.least, option.most);
  if (option.type == duration || option.type == durations) {
    const auto shown = [](std::uint64_t seconds) { return to_text(std::chrono::seconds(seconds)); };
    return fmt::format("{} to {}", shown(option.least), shown(option.most));
  }
  return fmt::format("{} to {}", option.least, option.most);
}

std::string choices_text(std::string_view choices) {
  std::string out;
  for (auto choice_name : split(choices, '|'))
    out += fmt::format("{}\"{}\"", out.empty() ? "" : ", ", choice_name);
  return out;
}

std::string type_text(const OptionSpec& option) {
  if (option.type == choice) return "one of " + choices_text(option.choices);
  return std::string(describe(option.type));
}

std::string explain_one(const OptionSpec& option) {
  const auto table = option.table();
  const auto where =
      table.empty() ? std::string("at the top of the file") : "in " + table_heading(table);
  std::string out = fmt::format("{}  ({})\n  {}\n  type     {}\n", option.key, where,
                                option.sentence, type_text(option));
  if (const auto range = range_text(option); !range.empty())
    out += fmt::format("  range    {}\n", range);
  out += fmt::format("  default  {}\n", option.fallback.empty() ? "none" : option.fallback);
  return out;
}

}  // namespace

std::string_view OptionSpec::table() const {
  const auto dot = key.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : key.substr(0, dot);
}

std::string_view OptionSpec::name() const {
  const auto dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

std::span<const OptionSpec> schema() {
  return options;
}

const OptionSpec* find_option(std::string_view key) {
  const auto found = std::ranges::find(options, key, &OptionSpec::key);
  return found == options.end() ? nullptr : &*found;
}

bool is_array_table(std::string_view table) {
  return std::ranges::find(array_tables, table) != array_tables.end();
}

std::string table_heading(std::string_view table) {
  if (is_array_table(table)) return fmt::format("[[{}]]", table);
  return fmt::format("[{}]", table);
}

std::vector<std::string> table_names() {
  std::vector<std::string> names;
  for (const auto& option : options) {
    const std::string table(option.table());
    if (!table.empty() && std::ranges::find(names, table) == names.end()) names.push_back(table);
  }
  return names;
}

std::vector<std::string> names_in(std::string_view table) {
  std::vector<std::string> names;
  for (const auto& option : options) {
    if (option.table() == table) names.emplace_back(option.name());
  }
  if (table.empty()) {
    for (auto& name : table_names()) names.push_back(std::move(name));
  }
  return names;
}

std::string_view describe(OptionType type) {
  switch (type) {
    case text:
      return "a string";
    case path:
      return "a path";
    case boolean:
      return "true or false";
    case count:
      return "a whole number";
    case size:
      return "a size like \"50MiB\" (kB MB GB are powers of 1000, KiB MiB GiB of 1024; a number is "
             "octets)";
    case duration:
      return "a duration like \"5m\" (units s m h d w)";
    case choice:
      return "one of a list";
    case host:
      return "a host name like \"mail.example.pl\"";
    case address:
      return "a mail address like \"admin@example.pl\"";
    case endpoint:
      return "an address with port like \"0.0.0.0:25\" or \"[::]:25\"";
    case relay:
      return "a relay like \"smtp://10.0.0.5:25\", \"lmtp:/run/x.sock\", \"mx\" or \"sink\"";
    case texts:
      return "a list of strings";
    case paths:
      return "a list of paths";
    case durations:
      return "a list of durations like [\"1m\", \"5m\"]";
    case networks:
      return "a list of networks like [\"127.0.0.0/8\", \"::1\"]";
    case endpoints:
      return "a list of addresses like [\"127.0.0.1:53\"]";
    case patterns:
      return "a list of domains like [\"example.pl\", \"*.example.pl\"] or [\"*\"]";
  }
  CHECK(false);
}

std::optional<std::string> explain_option(std::string_view key) {
  if (const auto* option = find_option(key)) return explain_one(*option);
  std::string out;
  for (const auto& option : options) {
    if (option.table() == key && !key.empty())
      out += (out.empty() ? "" : "\n") + explain_one(option);
  }
  if (out.empty()) return std::nullopt;
  return out;
}

std::string hint_for(std::string_view table, std::string_view name) {
  // Secrets by their usual names: there is one right way.
  if (name == "password" || name == "secret" || name == "pass") {
    return "secrets are never inline: use password_file = \"FILE\"";
  }
  if (auto near = nearest(name, names_in(table))) return fmt::format("did you mean \"{}\"?", *near);
  for (const auto& option : options) {
    if (option.name() != name) continue;
    const auto right = option.table();
    if (right.empty())
      return fmt::format("\"{}\" belongs at the top of the file, before the first [table]", name);
    return fmt::format("\"{}\" belongs in {}", name, table_heading(right));
  }
  std::string known;
  for (const auto& each : names_in(table)) known += (known.empty() ? "" : ", ") + each;
  return "known here: " + known;
}

std::string schema_as_markdown() {
  std::string out =
      "# Configuration\n\n"
      "`/etc/goniec/goniec.toml` is strict TOML: an unknown key is an error that names the nearest "
      "one, all errors are\n"
      "reported at once with their lines, and nothing is half applied. Sizes: a number is octets; "
      "kB MB GB are powers of\n"
      "1000, KiB MiB GiB of 1024. Durations have units: s m h d w. Relative paths are taken from "
      "the folder of the file.\n"
      "A first config needs `hostname`, listeners and `tls`, and mostly `storage`. `goniec config "
      "test` checks a file,\n"
      "`goniec config show --effective` prints every value in force and where it is from.\n\n"
      "This page is printed by `goniec config explain --all --markdown`; do not edit it by hand.\n";
  std::string_view table = "-";
  for (const auto& option : options) {
    if (option.table() != table) {
      table = option.table();
      if (table.empty()) {
        out += "\n## Top of the file\n\n";
      } else {
        out += fmt::format("\n## {}\n\n", table_heading(table));
      }
      out += "| option | type | default | what it does |\n|---|---|---|---|\n";
    }
    auto kind = type_text(option);
    if (const auto range = range_text(option); !range.empty()) kind += ", " + range;
    std::string sentence(option.sentence);
    for (std::size_t at = 0; (at = sentence.find('|', at)) != std::string::npos; at += 2)
      sentence.insert(at, "\\");
    out +=
        fmt::format("| `{}` | {} | {} | {} |\n", option.name(), kind,
                    option.fallback.empty() ? "" : fmt::format("`{}`", option.fallback), sentence);
  }
  return out;
}

}  // namespace goniec
