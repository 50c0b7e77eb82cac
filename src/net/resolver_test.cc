// The resolver against a real signing name server (knotd) on loopback, and against servers that are
// mute or strip signatures. The decoder by hand-made rdata.
#include "net/resolver.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/text.h"
#include "net/dns_decode.h"

extern char** environ;

namespace goniec {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace std::string_literals;

// ---------------------------------------------------------------- decoder
struct RdataCase {
  DnsType type;
  std::string rdata, expected;  // expected "": refused
};

std::string text_of(const std::optional<DnsRecord>& record) {
  if (!record) return "";
  if (const auto* ip = std::get_if<IpAddress>(&*record)) return ip->text();
  if (const auto* mx = std::get_if<DnsMx>(&*record)) {
    return fmt::format("{} {}", mx->preference, mx->exchange.empty() ? "." : mx->exchange);
  }
  if (const auto* tlsa = std::get_if<DnsTlsa>(&*record)) {
    return fmt::format("{} {} {} {}", tlsa->usage, tlsa->selector, tlsa->matching, tlsa->data);
  }
  return "'" + std::get<std::string>(*record) + "'";
}

TEST(DnsDecode, reads_whole_records_and_refuses_all_others) {
  const RdataCase cases[] = {
      {DnsType::a, "\x7f\0\0\x01"s, "127.0.0.1"},
      {DnsType::a, "\x7f\0\0"s, ""},
      {DnsType::aaaa, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"s, "::1"},
      {DnsType::aaaa, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1"s, "127.0.0.1"},
      {DnsType::aaaa, "\x7f\0\0\x01"s, ""},
      {DnsType::mx, "\0\x0a\x02MX\x04Test\0"s, "10 mx.test"},
      {DnsType::mx, "\0\0\0"s, "0 ."},
      {DnsType::mx, "\0\x0a\x02MX\x04Test"s, ""},
      {DnsType::mx, "\0\x0a\x02MX\x04Test\0x"s, ""},
      {DnsType::mx, "\0\x0a\xc0\x0c"s, ""},
      {DnsType::mx, "\0"s, ""},
      {DnsType::mx, "\0\1\3a.b\0"s, "1 a\\046b"},
      {DnsType::mx, "\0\1\2a\0\0"s, "1 a\\000"},
      {DnsType::txt, "\5v=spf\4 -al"s, "'v=spf -al'"},
      {DnsType::txt, "\0"s, "''"},
      {DnsType::txt, ""s, ""},
      {DnsType::txt, "\6short"s, ""},
      {DnsType::tlsa, "\3\1\1abc"s, "3 1 1 abc"},
      {DnsType::tlsa, "\3\1\1"s, ""},
      {DnsType::cname, "\1A\1b\0"s, "'a.b'"},
      {DnsType::srv, "\0\1\0\2\0\x19\1a\0"s, "'1 2 25 a'"},
      {DnsType::srv, "\0\1\0\2\0"s, ""},
  };
  for (const RdataCase& each : cases) {
    EXPECT_EQ(text_of(decode_rdata(each.type, each.rdata)), each.expected)
        << static_cast<int>(each.type) << " " << printable(each.rdata);
  }
  std::string endless = "\0\1"s;
  for (int i = 0; i < 5; ++i) endless += '\x3f' + std::string(63, 'a');
  EXPECT_FALSE(decode_rdata(DnsType::mx, endless + '\0').has_value());
}

TEST(DnsDecode, asks_only_for_names_that_are_names) {
  EXPECT_EQ(normal_name("MX.Example."), "mx.example");
  EXPECT_EQ(normal_name("_25._tcp.mx.example"), "_25._tcp.mx.example");
  const std::string bad[] = {"",
                             ".",
                             "a..b",
                             ".a",
                             "a b",
                             "a\\b",
                             "a\nb",
                             "a\x80",
                             std::string(64, 'a'),
                             std::string(254, 'a')};
  for (const std::string& name : bad)
    EXPECT_FALSE(normal_name(name).has_value()) << printable(name);
}

// ---------------------------------------------------------------- a real server
constexpr const char* zone_text = R"($TTL 300
@ SOA ns.test. hostmaster.test. 1 3600 600 86400 60
@ NS ns.test.
ns A 127.0.0.1
@ MX 10 mx1.test.
@ MX 20 MX2.Test.
mx1 A 192.0.2.1
mx1 A 192.0.2.2
mx1 AAAA 2001:db8::1
alias CNAME mx1
null MX 0 .
long TXT "v=DKIM1; p=" "part two"
_25._tcp.mx1 TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
_smtp._tcp SRV 1 2 25 mx1
fleeting 0 A 192.0.2.9
* .many A 192.0.2.77
)";

class KnotServer {
 public:
  bool start() {
    if (access("/usr/sbin/knotd", X_OK) != 0) return false;
    char name[] = "/tmp/goniec-knot-XXXXXX";
    if (!mkdtemp(name)) return false;
    root = name;
    port = free_port();
    write_files();
    return launch() && write_anchor();
  }
  ~KnotServer() {
    if (pid_ > 0) {
      kill(pid_, SIGTERM);
      waitpid(pid_, nullptr, 0);
    }
    if (log_) fclose(log_);
    if (!root.empty()) std::filesystem::remove_all(root);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port); }
  std::string root;
  std::uint16_t port = 0;
  std::string said;  // its log until it started

 private:
  static std::uint16_t free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    close(fd);
    return ntohs(address.sin_port);
  }
  void write_files() {
    for (const char* name : {"/zones", "/db"}) std::filesystem::create_directories(root + name);
    std::string zone = zone_text;
    zone.replace(zone.find("* .many"), 7, "*.many");
    std::ofstream(root + "/zones/test.zone") << "$ORIGIN test.\n" << zone;
    std::ofstream(root + "/zones/plain.example.zone")
        << "$ORIGIN plain.example.\n$TTL 60\n@ SOA ns.test. h.test. 1 60 60 60 60\n@ NS ns.test.\n"
           "@ MX 5 mx1.test.\n";
    std::ofstream(root + "/knot.conf")
        << "server:\n  rundir: " << root << "\n  listen: 127.0.0.1@" << port
        << "\nlog:\n  - target: stderr\n    any: info\ndatabase:\n  storage: " << root << "/db\n"
        << "policy:\n  - id: p\n    algorithm: ecdsap256sha256\ntemplate:\n  - id: default\n    "
           "storage: "
        << root << "/zones\nzone:\n  - domain: test.\n    file: test.zone\n    dnssec-signing: on\n"
        << "    dnssec-policy: p\n  - domain: plain.example.\n    file: plain.example.zone\n";
  }
  bool launch() {
    int ends[2];
    if (pipe(ends) != 0) return false;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    std::string config = root + "/knot.conf", program = "/usr/sbin/knotd", flag = "-c";
    char* arguments[] = {program.data(), flag.data(), config.data(), nullptr};
    const int failed = posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    log_ = fdopen(ends[0], "r");
    if (failed) return false;
    char line[2000];
    while (fgets(line, sizeof line, log_)) {
      if (std::string_view(line).find("server started") != std::string_view::npos) return true;
      said += line;
    }
    return false;
  }
  bool write_anchor() {
    const std::string command = "keymgr -c " + root + "/knot.conf test. ds 2>/dev/null";
    FILE* output = popen(command.c_str(), "r");
    if (!output) return false;
    char line[500];
    std::string text;
    while (fgets(line, sizeof line, output)) text += line;
    pclose(output);
    // "test. DS 1 13 2 …" is a zone-file line but for its class.
    std::ofstream file(root + "/anchor");
    for (std::string_view each : split(text, '\n')) {
      if (each.empty()) continue;
      file << "test. IN " << each.substr(each.find("DS")) << "\n";
    }
    return !text.empty();
  }
  pid_t pid_ = -1;
  FILE* log_ = nullptr;
};

class TrueResolver : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    knot_ = new KnotServer;
    started_ = knot_->start();
  }
  static void TearDownTestSuite() { delete knot_; }
  void SetUp() override {
    if (access("/usr/sbin/knotd", X_OK) != 0) GTEST_SKIP() << "knotd is missing: apt install knot";
    ASSERT_TRUE(started_) << "knotd did not start: " << knot_->said;
  }
  ResolverOptions options(Dnssec dnssec, const std::string& anchor = "anchor") {
    ResolverOptions result;
    result.servers = {knot_->address()};
    result.dnssec = dnssec;
    result.trust_anchor_file = knot_->root + "/" + anchor;
    return result;
  }
  DnsAnswer ask(Resolver& resolver, std::string name, DnsType type,
                Duration patience = seconds(10)) {
    return run_until_done(
        shard_, resolver.lookup(std::move(name), type, shard_.clock().moment() + patience));
  }
  static std::string lines(const DnsAnswer& answer) {
    std::vector<std::string> all;
    for (const DnsRecord& record : answer.records) all.push_back(text_of(record));
    std::sort(all.begin(), all.end());
    std::string text;
    for (const std::string& each : all) text += (text.empty() ? "" : ", ") + each;
    return text;
  }
  Shard shard_;
  static KnotServer* knot_;
  static bool started_;
};
KnotServer* TrueResolver::knot_ = nullptr;
bool TrueResolver::started_ = false;

TEST_F(TrueResolver, answers_validated_records_of_every_type) {
  auto resolver = UnboundResolver::make(shard_, options(Dnssec::required)).value();
  struct Case {
    std::string name;
    DnsType type;
    std::string records;
  };
  const Case cases[] = {
      {"test", DnsType::mx, "10 mx1.test, 20 mx2.test"},
      {"MX1.test.", DnsType::a, "192.0.2.1, 192.0.2.2"},
      {"mx1.test", DnsType::aaaa, "2001:db8::1"},
      {"null.test", DnsType::mx, "0 ."},
      {"long.test", DnsType::txt, "'v=DKIM1; p=part two'"},
      {"_smtp._tcp.test", DnsType::srv, "'1 2 25 mx1.test'"},
      {"alias.test", DnsType::cname, "'mx1.test'"},
      {"test", DnsType::ns, "'ns.test'"},
  };
  for (const Case& each : cases) {
    const DnsAnswer answer = ask(*resolver, each.name, each.type);
    EXPECT_EQ(answer.status, DnsStatus::found) << each.name << ": " << answer.why;
    EXPECT_EQ(lines(answer), each.records);
    EXPECT_TRUE(answer.authenticated) << each.name;
    EXPECT_EQ(answer.canonical_name, "") << each.name;
    EXPECT_GT(answer.ttl_seconds, 0u);
  }
  const DnsAnswer tlsa = ask(*resolver, "_25._tcp.mx1.test", DnsType::tlsa);
  ASSERT_EQ(tlsa.records.size(), 1u);
  EXPECT_EQ(std::get<DnsTlsa>(tlsa.records[0]).data.size(), 32u);
}

TEST_F(TrueResolver, tells_no_such_domain_from_no_such_record) {
  auto resolver = UnboundResolver::make(shard_, options(Dnssec::required)).value();
  const DnsAnswer absent = ask(*resolver, "nothing.test", DnsType::mx);
  EXPECT_EQ(absent.status, DnsStatus::no_such_domain);
  EXPECT_TRUE(absent.authenticated) << "a denial is validated, too";
  const DnsAnswer empty = ask(*resolver, "mx1.test", DnsType::mx);
  EXPECT_EQ(empty.status, DnsStatus::no_data);
  EXPECT_TRUE(empty.authenticated);
  EXPECT_EQ(ask(*resolver, "bad name", DnsType::a).status, DnsStatus::no_such_domain);
  const DnsAnswer elsewhere = ask(*resolver, "other.invalid", DnsType::a);
  EXPECT_EQ(elsewhere.status, DnsStatus::temporary) << "the server refuses, and was asked";
}

TEST_F(TrueResolver, follows_an_alias_and_names_where_it_leads) {
  auto resolver = UnboundResolver::make(shard_, options(Dnssec::required)).value();
  const DnsAnswer answer = ask(*resolver, "alias.test", DnsType::a);
  EXPECT_EQ(lines(answer), "192.0.2.1, 192.0.2.2");
  EXPECT_EQ(answer.canonical_name, "mx1.test");
}

TEST_F(TrueResolver, does_not_authenticate_an_unsigned_zone) {
  auto resolver = UnboundResolver::make(shard_, options(Dnssec::required)).value();
  const DnsAnswer answer = ask(*resolver, "plain.example", DnsType::mx);
  EXPECT_EQ(lines(answer), "5 mx1.test");
  EXPECT_FALSE(answer.authenticated);
}

TEST_F(TrueResolver, calls_a_wrong_signature_bogus_when_validation_is_required) {
  std::ofstream(knot_->root + "/wrong") << "test. IN DS 1 13 2 " << std::string(64, 'a') << "\n";
  auto resolver = UnboundResolver::make(shard_, options(Dnssec::required, "wrong")).value();
  const DnsAnswer answer = ask(*resolver, "test", DnsType::mx);
  EXPECT_EQ(answer.status, DnsStatus::bogus);
  EXPECT_NE(answer.why, "");
  EXPECT_TRUE(answer.records.empty());
}

TEST_F(TrueResolver, automatic_validates_where_signatures_come_through) {
  auto resolver = UnboundResolver::make(shard_, options(Dnssec::automatic)).value();
  EXPECT_FALSE(resolver->validates());
  EXPECT_TRUE(ask(*resolver, "test", DnsType::mx).authenticated);
  EXPECT_TRUE(resolver->validates());
}

TEST_F(TrueResolver, automatic_still_answers_where_signatures_are_stripped) {
  std::ofstream(knot_->root + "/stripped")
      << "plain.example. IN DS 1 13 2 " << std::string(64, 'a') << "\n";
  auto resolver = UnboundResolver::make(shard_, options(Dnssec::automatic, "stripped")).value();
  const DnsAnswer answer = ask(*resolver, "plain.example", DnsType::mx);
  EXPECT_EQ(lines(answer), "5 mx1.test");
  EXPECT_FALSE(answer.authenticated);
  EXPECT_FALSE(resolver->validates());
  EXPECT_NE(resolver->why_not(), "");
}

TEST_F(TrueResolver, off_never_authenticates) {
  auto resolver = UnboundResolver::make(shard_, options(Dnssec::off)).value();
  const DnsAnswer answer = ask(*resolver, "test", DnsType::mx);
  EXPECT_EQ(lines(answer), "10 mx1.test, 20 mx2.test");
  EXPECT_FALSE(answer.authenticated);
}

Task<> count_found(Resolver& resolver, std::string name, Moment deadline, int& found, int& left) {
  const DnsAnswer answer = co_await resolver.lookup(std::move(name), DnsType::a, deadline);
  if (answer.status == DnsStatus::found) ++found;
  --left;
}
Task<int> ask_many(Shard& shard, Resolver& resolver, int count) {
  int found = 0, left = count;
  const Moment deadline = shard.clock().moment() + seconds(20);
  for (int i = 0; i < count; ++i) {
    // Half of them are the same question.
    spawn(
        count_found(resolver, fmt::format("n{}.many.test", i % 2 ? i : 0), deadline, found, left));
  }
  while (left > 0) co_await shard.sleep(milliseconds(1));
  co_return found;
}

TEST_F(TrueResolver, carries_many_lookups_at_once) {
  auto resolver = UnboundResolver::make(shard_, options(Dnssec::required)).value();
  EXPECT_EQ(run_until_done(shard_, ask_many(shard_, *resolver, 1000)), 1000);
}

TEST_F(TrueResolver, refuses_a_server_that_is_no_address) {
  ResolverOptions wrong;
  for (const char* server : {"dns.example", "127.0.0.1:0", "127.0.0.1:70000", "", "[::1"}) {
    wrong.servers = {server};
    EXPECT_FALSE(UnboundResolver::make(shard_, wrong).has_value()) << server;
  }
}

// A server that never answers.
class MuteServer {
 public:
  MuteServer() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
  }
  ~MuteServer() { close(fd_); }
  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

Task<int> many_deadlines(Shard& shard, Resolver& resolver, int count) {
  int found = 0, left = count;
  const Moment deadline = shard.clock().moment() + milliseconds(60);
  for (int i = 0; i < count; ++i) {
    spawn(count_found(resolver, fmt::format("n{}.example", i), deadline, found, left));
  }
  while (left > 0) co_await shard.sleep(milliseconds(1));
  co_return found;
}

TEST(MuteResolver, ends_every_lookup_at_its_deadline) {
  MuteServer server;
  Shard shard;
  auto resolver =
      UnboundResolver::make(shard, {.servers = {server.address()}, .dnssec = Dnssec::off}).value();
  const Moment start = shard.clock().moment();
  EXPECT_EQ(run_until_done(shard, many_deadlines(shard, *resolver, 100)), 0);
  EXPECT_LT(shard.clock().moment(), start + seconds(5));
  const DnsAnswer answer = run_until_done(
      shard, resolver->lookup("a.example", DnsType::a, shard.clock().moment() + milliseconds(10)));
  EXPECT_EQ(answer.status, DnsStatus::temporary);
}

Task<int> ended_before_their_time(Shard& shard, UnboundResolver& resolver, int count) {
  int found = 0, left = count;
  for (int i = 0; i < count; ++i)
    spawn(count_found(resolver, fmt::format("n{}.example", i),
                      shard.clock().moment() + std::chrono::hours(1), found, left));
  co_await shard.sleep(milliseconds(1));
  resolver.end_by(shard.clock().moment() + milliseconds(50));
  while (left > 0) co_await shard.sleep(milliseconds(1));
  co_return found;
}

TEST(MuteResolver, ends_every_lookup_early_when_the_house_stops) {
  for (const Dnssec dnssec : {Dnssec::off, Dnssec::automatic}) {  // which probes first
    MuteServer server;
    Shard shard;
    auto resolver =
        UnboundResolver::make(shard, {.servers = {server.address()}, .dnssec = dnssec}).value();
    const Moment start = shard.clock().moment();
    EXPECT_EQ(run_until_done(shard, ended_before_their_time(shard, *resolver, 100)), 0);
    const DnsAnswer late = run_until_done(
        shard, resolver->lookup("late.example", DnsType::a, start + std::chrono::hours(1)));
    EXPECT_EQ(late.status, DnsStatus::temporary);
    EXPECT_LT(shard.clock().moment(), start + seconds(3));
  }
}

}  // namespace
}  // namespace goniec
