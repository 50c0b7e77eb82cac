// The configuration: what a right file becomes, and every way to be wrong with its words.
#include "config/config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/text.h"
#include "config/schema.h"

namespace goniec {
namespace {

constexpr std::string_view minimal =
    "hostname = \"mail.example.pl\"\n"
    "[[listener]]\n"
    "kind = \"mx\"\n"
    "address = \"127.0.0.1:0\"\n";

std::string problems_of(std::string_view text) {
  const auto loaded = parse_config(text, "/etc/goniec/goniec.toml");
  return loaded ? std::string() : text_of(loaded.error());
}

Config parsed(std::string_view text) {
  auto loaded = parse_config(text, "/etc/goniec/goniec.toml");
  EXPECT_TRUE(loaded.has_value()) << (loaded ? "" : text_of(loaded.error()));
  return loaded ? loaded->config : Config{};
}

TEST(Config, a_hostname_and_a_listener_are_enough) {
  const auto config = parsed(minimal);
  EXPECT_EQ(config.hostname.ascii(), "mail.example.pl");
  ASSERT_EQ(config.listeners.size(), 1u);
  EXPECT_EQ(config.listeners[0].address.text(), "127.0.0.1:0");
  EXPECT_EQ(config.listeners[0].line, 2u);
  EXPECT_EQ(config.storage.path, "/var/lib/goniec");
  EXPECT_EQ(config.storage.journal, 96u << 20);
  EXPECT_EQ(config.limits.message_size, 50u << 20);
  EXPECT_EQ(config.retry.schedule.size(), 7u);
  EXPECT_EQ(config.retry.expire, std::chrono::hours(120));
  EXPECT_EQ(config.local.trusted_users, std::vector<std::string>{"root"});
  EXPECT_EQ(config.log.to, "stderr");
  EXPECT_FALSE(config.user_given);
}

TEST(Config, the_whole_example_is_read) {
  const auto config = parsed(R"(
hostname = "mail.Example.pl"
admin = "admin@example.pl"
user = "mailman"
shards = 1
[storage]
path = "store"
journal = "3MiB"
[[listener]]
kind = "mx"
address = "[::]:25"
trust = ["127.0.0.0/8", "::1"]
proxy_from = ["10.0.0.1"]
[[listener]]
kind = "submission"
address = "0.0.0.0:587"
[[listener]]
kind = "admin"
[tls]
certificate = "tls/fullchain.pem"
key = "/etc/goniec/tls/privkey.pem"
[resolver]
servers = ["127.0.0.1:53", "192.0.2.53", "[2001:db8::53]:5353"]
dnssec = "require"
[delivery]
mx_port = 2525
private_targets = true
connections_per_site = 3
[[route]]
domains = ["*.Intra.example.pl", "żółw.pl"]
relay = "smtp://10.0.0.5"
[[route]]
domains = ["*"]
relay = "submission://smtp.example.com"
user = "u"
password_file = "relay.pw"
[retry]
schedule = ["1s", "90s"]
delay_notice = "0s"
[limits]
message_size = 1048576
bare_lf = "normalise"
bare_lf_from = ["192.0.2.0/24"]
[local]
aliases = []
socket = "/run/x/submit.sock"
[log]
to = "/var/log/goniec.log"
style = "both"
[retention]
events = "1w"
)");
  EXPECT_EQ(config.hostname.ascii(), "mail.example.pl");
  EXPECT_EQ(config.storage.path, "/etc/goniec/store");
  EXPECT_EQ(config.storage.journal, 3u << 20);
  EXPECT_EQ(config.listeners.at(0).trust.size(), 2u);
  EXPECT_EQ(config.listeners.at(2).address.text(), "127.0.0.1:8025");
  EXPECT_EQ(config.tls.certificate, "/etc/goniec/tls/fullchain.pem");
  EXPECT_EQ(config.resolver.servers.at(1).port, 53);
  EXPECT_EQ(config.resolver.servers.at(2).text(), "[2001:db8::53]:5353");
  EXPECT_EQ(config.resolver.dnssec, DnssecMode::require);
  EXPECT_EQ(config.routes.at(0).domains,
            (std::vector<std::string>{"*.intra.example.pl", "xn--w-uga1v8h.pl"}));
  EXPECT_EQ(config.routes.at(0).port, 25);
  EXPECT_EQ(config.routes.at(0).tls, RelayTls::opportunistic);
  EXPECT_EQ(config.routes.at(1).tls, RelayTls::required);
  EXPECT_EQ(config.routes.at(1).port, 587);
  EXPECT_EQ(config.routes.at(1).password_file, "/etc/goniec/relay.pw");
  EXPECT_TRUE(config.routes.at(0).name.starts_with("route 1 (goniec.toml:"))
      << config.routes.at(0).name;
  EXPECT_EQ(config.retry.schedule.at(1), std::chrono::seconds(90));
  EXPECT_EQ(config.limits.bare_lf, BareLf::normalise);
  EXPECT_TRUE(config.local.aliases.empty());
  EXPECT_EQ(config.log.style, LogStyle::both);
}

TEST(Config, a_relay_has_many_forms) {
  struct Case {
    std::string_view relay;
    RelayKind kind;
    std::string_view host;
    unsigned port;
  };
  for (const auto& each : std::initializer_list<Case>{
           {"mx", RelayKind::mx, "", 0},
           {"sink", RelayKind::sink, "", 0},
           {"smtp://relay.example.pl", RelayKind::smtp, "relay.example.pl", 25},
           {"smtp://[::1]:2525", RelayKind::smtp, "::1", 2525},
           {"smtps://relay.example.pl/", RelayKind::smtps, "relay.example.pl", 465},
           {"submission://127.0.0.1:46587", RelayKind::submission, "127.0.0.1", 46587},
           {"lmtp://127.0.0.1:24", RelayKind::lmtp, "127.0.0.1", 24},
           {"lmtp:/run/dovecot/lmtp.sock", RelayKind::lmtp_unix, "/run/dovecot/lmtp.sock", 0},
       }) {
    const auto config = parsed(
        fmt::format("{}[[route]]\ndomains = [\"*\"]\nrelay = \"{}\"\n", minimal, each.relay));
    ASSERT_EQ(config.routes.size(), 1u) << each.relay;
    EXPECT_EQ(config.routes[0].relay, each.kind) << each.relay;
    EXPECT_EQ(config.routes[0].host, each.host) << each.relay;
    EXPECT_EQ(config.routes[0].port, each.port) << each.relay;
  }
}

TEST(Config, every_error_names_its_line_and_the_fix) {
  struct Case {
    std::string_view added;  // after the four lines of `minimal`
    std::string_view expected;
  };
  for (const auto& each : std::initializer_list<Case>{
           {"[delivery]\nconections_per_site = 10\n",
            ":6: unknown key \"conections_per_site\" in [delivery]; did you mean "
            "\"connections_per_site\"?"},
           {"[delivery]\nmessage_size = \"1MB\"\n", "\"message_size\" belongs in [limits]"},
           {"[limit]\nidle = \"5m\"\n",
            ":5: unknown table \"limit\" at the top of the file; did you mean \"limits\"?"},
           {"[limits]\nidle = 300\n",
            ":6: limits.idle = 300: a duration has a unit: write \"300s\""},
           {"[limits]\nidle = true\n",
            "limits.idle must be a duration like \"5m\" (units s m h d w), not true or false"},
           {"[limits]\nmessage_size = \"50MX\"\n", ":6: limits.message_size = \"50MX\": "},
           {"[limits]\nrecipients = 0\n",
            ":6: limits.recipients = 0: out of range, must be 1 to 100000"},
           {"[limits]\nrecipients = -5\n", "limits.recipients = -5: out of range"},
           {"[limits]\nrecipients = \"many\"\n",
            "limits.recipients must be a whole number, not a string"},
           {"[limits]\nbare_lf = \"normalize\"\n", "did you mean \"normalise\"?"},
           {"[retry]\nschedule = []\n", ":6: retry.schedule needs at least one step"},
           {"[retry]\nschedule = [\"5m\", 7]\n", "7 is not"},
           {"[retry]\nexpire = \"0s\"\n", "retry.expire = \"0s\": out of range, must be 1s to "},
           {"[[listener]]\nkind = \"smpt\"\naddress = \"127.0.0.1:25\"\n",
            ":6: listener.kind = \"smpt\": "},
           {"[[listener]]\naddress = \"127.0.0.1:25\"\n",
            ":5: kind is missing; fix: kind = \"mx\""},
           {"[[listener]]\nkind = \"mx\"\n", ":5: address is missing; fix:"},
           {"[[listener]]\nkind = \"mx\"\naddress = \":25\"\n",
            "an IP address is missing before the port"},
           {"[[listener]]\nkind = \"mx\"\naddress = \"0.0.0.0\"\n", "the port is missing"},
           {"[[listener]]\nkind = \"mx\"\naddress = \"localhost:25\"\n",
            "is not an IP address with a port"},
           {"[[listener]]\nkind = \"mx\"\naddress = \"127.0.0.1:65536\"\n",
            "the port must be a number up to 65535"},
           {"[[listener]]\nkind = \"imaps\"\naddress = \"127.0.0.1:993\"\n",
            ":6: kind = \"imaps\" is not in this version"},
           {"[[listener]]\nkind = \"submissions\"\naddress = \"127.0.0.1:465\"\n",
            ":5: the submissions listener needs a certificate; fix: [tls]"},
           {"[[listener]]\nkind = \"mx\"\naddress = \"127.0.0.1:26\"\ntrust = [\"0.0.0.0/0\"]\n",
            ":8: trust of the whole internet"},
           {"[[listener]]\nkind = \"mx\"\naddress = \"127.0.0.1:26\"\ntrust = [\"10.0.0.0/40\"]\n",
            ":8: listener.trust = \"10.0.0.0/40\": is not a network"},
           {"[[listener]]\nkind = \"mx\"\naddress = \"127.0.0.1:26\"\n[[listener]]\nkind = "
            "\"lmtp\"\naddress = \"127.0.0.1:26\"\n",
            ":8: 127.0.0.1:26 is the address of the listener at line 5 too"},
           {"[route]\ndomains = [\"*\"]\nrelay = \"mx\"\n",
            ":5: [route] is a list of tables; fix: write [[route]]"},
           {"[[tls]]\nkey = \"x\"\n", "tls is a table; fix: write [tls], once"},
           {"[tls]\nkey = \"x\"\n", ":5: certificate and key go together"},
           {"[[route]]\nrelay = \"mx\"\n", ":5: a route needs domains"},
           {"[[route]]\ndomains = [\"*\"]\n", ":5: a route needs relay"},
           {"[[route]]\ndomains = [\"a.*.b\"]\nrelay = \"mx\"\n",
            ":6: route.domains = \"a.*.b\": a star may only stand alone or first"},
           {"[[route]]\ndomains = [\"a@b.pl\"]\nrelay = \"mx\"\n",
            "is an address; a route goes by domain"},
           {"[[route]]\ndomains = [\"*\"]\nrelay = \"stmp://h\"\n", "did you mean smtp://?"},
           {"[[route]]\ndomains = [\"*\"]\nrelay = \"10.0.0.1\"\n", "write smtp://HOST:PORT"},
           {"[[route]]\ndomains = [\"*\"]\nrelay = \"smtp://u:p@h\"\n", "secrets are never inline"},
           {"[[route]]\ndomains = [\"*\"]\nrelay = \"smtp://h:0\"\n",
            "the port must be 1 to 65535"},
           {"[[route]]\ndomains = [\"*\"]\nrelay = \"smtp://h\"\npassword = \"x\"\n",
            ":8: unknown key \"password\" in [[route]]; secrets are never inline: use "
            "password_file"},
           {"[[route]]\ndomains = [\"*\"]\nrelay = \"smtp://h\"\nuser = \"u\"\n",
            "user and password_file go together"},
           {"[[route]]\ndomains = [\"*\"]\nrelay = \"smtp://h\"\nuser = \"u\"\npassword_file = "
            "\"f\"\ntls = \"none\"\n",
            ":10: the password would go over the wire in the clear"},
           {"[[route]]\ndomains = [\"*\"]\nrelay = \"smtps://h\"\ntls = \"none\"\n",
            ":8: smtps:// is TLS from the first octet"},
           {"[[route]]\ndomains = [\"*\"]\nrelay = \"sink\"\ntls = \"none\"\n",
            "tls means nothing here"},
           {"[log]\nto = \"sdterr\"\n",
            "must be \"stderr\", \"journal\" or a path; did you mean \"stderr\"?"},
           {"[resolver]\nservers = [\"dns.example.pl\"]\n", "is not an IP address"},
           {"[storage]\npath = \"\"\n", "storage.path = \"\": must not be empty"},
           {"[limits]\nidle = \"5m\"\nidle = \"6m\"\n", "goniec.toml:7: "},
           {"[limits\n", "goniec.toml:5: "},
       }) {
    const auto got = problems_of(std::string(minimal) + std::string(each.added));
    EXPECT_NE(got.find(each.expected), std::string::npos) << each.added << "\n got: " << got;
  }
}

TEST(Config, the_top_of_the_file_is_checked_too) {
  EXPECT_NE(problems_of("[storage]\npath = \"x\"\n").find("hostname is missing; fix:"),
            std::string::npos);
  EXPECT_NE(problems_of("hostname = \"mail.example.pl\"\n").find("there is no listener; fix:"),
            std::string::npos);
  EXPECT_NE(problems_of("hostname = \"mail\"\n").find("must be a full name with a dot"),
            std::string::npos);
  EXPECT_NE(problems_of("hostname = \"192.0.2.1\"\n").find("must be a name, not an address"),
            std::string::npos);
  EXPECT_NE(problems_of("admin = \"root\"\n").find("admin = \"root\": "), std::string::npos);
  EXPECT_NE(problems_of("hostname = \"\xff\"\n").find("is not UTF-8"), std::string::npos);
}

TEST(Config, all_errors_come_at_once_in_the_order_of_lines) {
  const auto loaded = parse_config(
      "hostnam = \"a.b\"\n[limits]\nidle = \"x\"\nsession = 5\n[log]\nstyle = \"xml\"\n",
      "goniec.toml");
  ASSERT_FALSE(loaded.has_value());
  std::vector<unsigned> lines;
  for (const auto& problem : loaded.error()) lines.push_back(problem.line);
  EXPECT_EQ(lines, (std::vector<unsigned>{0, 1, 3, 4, 6}));
}

TEST(Config, a_missing_file_is_one_problem) {
  const auto loaded = load_config("/nonexistent/goniec.toml");
  ASSERT_FALSE(loaded.has_value());
  EXPECT_NE(text_of(loaded.error()).find("/nonexistent/goniec.toml: cannot be read"),
            std::string::npos);
}

TEST(Config, show_prints_a_file_that_reads_the_same) {
  const auto first =
      parse_config(std::string(minimal) + "[limits]\nidle = \"7m\"\n", "/etc/goniec.toml");
  ASSERT_TRUE(first.has_value());
  const auto effective = show_config(*first, ShowMode::effective);
  EXPECT_NE(effective.find("idle = \"7m\"  # goniec.toml:6"), std::string::npos) << effective;
  EXPECT_NE(effective.find("session = \"2h\"  # default"), std::string::npos) << effective;
  const auto second = parse_config(effective, "/etc/goniec.toml");
  ASSERT_TRUE(second.has_value()) << text_of(second.error());
  ASSERT_EQ(first->settings.size(), second->settings.size());
  for (std::size_t i = 0; i < first->settings.size(); ++i) {
    EXPECT_EQ(first->settings[i].value, second->settings[i].value) << first->settings[i].key;
  }
  EXPECT_EQ(show_config(*first, ShowMode::given).find("session"), std::string::npos);
}

TEST(Config, check_names_files_that_cannot_be_used) {
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("goniec_config_{}", ::getpid());
  std::filesystem::create_directory(folder);
  std::ofstream(folder / "open.pw") << "secret\n";
  ::chmod((folder / "open.pw").c_str(), 0644);
  std::ofstream(folder / "empty.pw") << "\n";
  ::chmod((folder / "empty.pw").c_str(), 0600);
  const auto route = [](std::string_view file) {
    return fmt::format(
        "[[route]]\ndomains = [\"*\"]\nrelay = \"smtps://h\"\nuser = \"u\"\npassword_file = "
        "\"{}\"\n",
        file);
  };
  const auto loaded =
      parse_config(std::string(minimal) + route("open.pw") + route("empty.pw") + route("none.pw") +
                       "[tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n[local]\naliases = []\n",
                   (folder / "goniec.toml").string());
  ASSERT_TRUE(loaded.has_value()) << text_of(loaded.error());
  const auto text = text_of(check_config(loaded->config));
  EXPECT_NE(text.find("everybody may read"), std::string::npos) << text;
  EXPECT_NE(text.find("empty.pw is empty"), std::string::npos) << text;
  EXPECT_NE(text.find("none.pw: No such file"), std::string::npos) << text;
  EXPECT_NE(text.find("c.pem: No such file"), std::string::npos) << text;
  std::filesystem::remove_all(folder);
}

TEST(Schema, explain_gives_meaning_type_and_default) {
  const auto text = explain_option("limits.message_size");
  ASSERT_TRUE(text.has_value());
  EXPECT_NE(text->find("default  \"50MiB\""), std::string::npos) << *text;
  EXPECT_NE(text->find("in [limits]"), std::string::npos);
  EXPECT_TRUE(explain_option("route").has_value());
  EXPECT_FALSE(explain_option("nonsense").has_value());
}

TEST(Schema, the_page_in_docs_is_current) {
  std::ifstream in(std::filesystem::path(GONIEC_SOURCE_DIR) / "docs/config.md");
  const std::string page((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  EXPECT_EQ(page, schema_as_markdown())
      << "run: goniec config explain --all --markdown > docs/config.md";
}

}  // namespace
}  // namespace goniec
