// One table of tempers; one session that asks it at each step.
#include "sim/peers.h"

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "sim/false_node.h"

namespace goniec {
namespace {

constexpr const char* sum_field = "X-Sum: ";

std::size_t host_of(std::size_t site) {
  return site % 10 == 9 ? site - 1 : site;
}

IpAddress address_of(std::size_t site) {
  return *IpAddress::parse(
      fmt::format("20.{}.{}.{}", site / 60000, site / 250 % 240, 1 + site % 250));
}

std::string domain_of(std::size_t site) {
  return site == 0 ? "sender.example" : fmt::format("s{}.example", site);
}

std::optional<std::size_t> site_of_name(std::string_view name) {
  if (name == "sender.example") return 0;
  if (!name.starts_with("s") || !name.ends_with(".example")) return std::nullopt;
  const auto number = parse_unsigned(name.substr(1, name.size() - 9));
  return number ? std::optional<std::size_t>(*number) : std::nullopt;
}

// Lines of a stream.
class Lines {
 public:
  explicit Lines(Stream& stream) : stream_(stream) {}
  Task<Result<std::string>> next() {
    for (;;) {
      const auto end = held_.find("\r\n");
      if (end != std::string::npos) {
        std::string line = held_.substr(0, end);
        held_.erase(0, end + 2);
        co_return line;
      }
      std::string piece(4096, '\0');
      const auto got = CO_TRY(co_await stream_.read(piece));
      if (got == 0) co_return fail(ErrorKind::closed, "the end");
      held_.append(piece, 0, got);
    }
  }
  // Everything up to the line with the dot.
  Task<Result<std::string>> content() {
    std::string content;
    std::size_t from = 0;
    for (;;) {
      if (held_.starts_with(".\r\n") && content.empty() && from == 0) break;
      const auto end = held_.find("\r\n.\r\n", from);
      if (end != std::string::npos) {
        content = held_.substr(0, end + 2);
        held_.erase(0, end + 5);
        co_return content;
      }
      from = held_.size() < 4 ? 0 : held_.size() - 4;
      std::string piece(16384, '\0');
      const auto got = CO_TRY(co_await stream_.read(piece));
      if (got == 0) co_return fail(ErrorKind::closed, "the end");
      held_.append(piece, 0, got);
    }
    held_.erase(0, 3);
    co_return content;
  }

 private:
  Stream& stream_;
  std::string held_;
};

std::string without_dots(std::string_view content) {
  std::string plain;
  for (std::size_t at = 0; at < content.size();) {
    const auto end = content.find("\r\n", at);
    std::string_view line = content.substr(at, end + 2 - at);
    if (line.starts_with('.')) line.remove_prefix(1);
    plain += line;
    at = end + 2;
  }
  return plain;
}

// The value of the last line that begins so; "" when there is none.
std::string last_field(const std::string& content, std::string_view name) {
  const auto at = content.rfind("\r\n" + std::string(name));
  if (at == std::string::npos) return {};
  const auto from = at + 2 + name.size();
  return content.substr(from, content.find("\r\n", from) - from);
}

Laws::Body judge_body(const std::string& content) {
  const auto empty = content.find("\r\n\r\n");
  const std::string sum = last_field(content.substr(0, empty + 2), sum_field);
  if (empty == std::string::npos || sum.empty()) return Laws::Body::damaged;
  const auto found = fmt::format("{:08x}", crc32c(std::string_view(content).substr(empty + 4)));
  return sum == found ? Laws::Body::whole : Laws::Body::damaged;
}

// A delivery status notification: each recipient it says has failed.
void read_notice(Laws& laws, const std::string& content) {
  const std::string id =
      last_field(content.substr(0, content.find("\r\n\r\n") + 2), "Message-ID: <");
  const std::string notice = id.substr(0, id.find('>'));
  constexpr std::string_view field = "\r\nFinal-Recipient: rfc822; ";
  for (auto at = content.find(field); at != std::string::npos; at = content.find(field, at + 1)) {
    const auto from = at + field.size();
    const std::string recipient = content.substr(from, content.find("\r\n", from) - from);
    const auto end = content.find("\r\n\r\n", from);
    if (content.substr(from, end - from).find("\r\nAction: failed") != std::string::npos)
      laws.told_failed(notice, recipient);
  }
}

}  // namespace

struct Peers::State {
  struct Site {
    std::size_t number = 0;
    Temper temper = Temper::good;
    std::unique_ptr<Listener> listener;
    std::map<std::string, Moment> greylisted;
  };

  State(SimLoop& the_loop, SimNetwork& wire, Laws& the_laws, PeersOptions given)
      : loop(the_loop), network(wire), laws(the_laws), options(given), random(given.seed * 3 + 1) {}

  SimLoop& loop;
  SimNetwork& network;
  Laws& laws;
  PeersOptions options;
  SystemRandom random;
  std::vector<std::unique_ptr<Site>> sites;
  bool is_calm = false;

  struct Dns final : Resolver {
    explicit Dns(State& owner) : state(owner) {}
    Task<DnsAnswer> lookup(std::string name, DnsType type, Moment deadline) override {
      return state.answer(std::move(name), type, deadline);
    }
    State& state;
  };
  Dns dns{*this};

  bool chance(std::uint64_t in_hundred) { return random.below(100) < in_hundred; }
  Task<DnsAnswer> answer(std::string name, DnsType type, Moment deadline);
  DnsAnswer answer_mx(Site& site);
  Task<void> accept(Site& site);
  Task<void> serve(Site& site, std::unique_ptr<Stream> stream);
};

// ---------------------------------------------------------------- names
DnsAnswer Peers::State::answer_mx(Site& site) {
  DnsAnswer answer;
  answer.ttl_seconds = 300;
  if (site.temper == Temper::no_such_domain) {
    answer.status = DnsStatus::no_such_domain;
    answer.why = "no such domain";
    return answer;
  }
  answer.status = DnsStatus::found;
  std::string host = "mx." + domain_of(host_of(site.number));
  if (site.temper == Temper::dns_looping && !is_calm) host = "mx.goniec.example";
  if (site.temper == Temper::dns_changing && !is_calm && chance(50)) host = "old." + host;
  answer.records.push_back(DnsMx{10, host});
  if (site.number % 4 == 1) answer.records.push_back(DnsMx{20, host});
  return answer;
}

Task<DnsAnswer> Peers::State::answer(std::string name, DnsType type, Moment deadline) {
  const bool is_host = name.starts_with("mx.");
  const auto number = site_of_name(is_host ? std::string_view(name).substr(3) : name);
  Site* site = number && *number < sites.size() ? sites[*number].get() : nullptr;
  const bool fails = site && site->temper == Temper::dns_failing && chance(70);
  if (fails && chance(50)) {
    co_await loop.sleep_until(deadline);
    DnsAnswer late;
    late.why = "no DNS answer in time";
    co_return late;
  }
  co_await loop.sleep(std::chrono::milliseconds(1 + random.below(40)));
  DnsAnswer answer;
  if (fails) {
    answer.status = DnsStatus::temporary;
    answer.why = "SERVFAIL";
  } else if (site && is_host && type == DnsType::a) {
    answer.status = DnsStatus::found;
    answer.ttl_seconds = 600;
    answer.records.emplace_back(address_of(*number));
  } else if (site && !is_host && type == DnsType::mx) {
    answer = answer_mx(*site);
  } else {
    answer.status = site ? DnsStatus::no_data : DnsStatus::temporary;
    answer.why = site ? "no such record" : "SERVFAIL";
    answer.ttl_seconds = 60;
  }
  co_return answer;
}

// ---------------------------------------------------------------- sessions
namespace {

struct PeerSession {
  Peers::State& state;
  Peers::State::Site& site;
  std::unique_ptr<Stream> stream;
  Lines lines{*stream};
  std::string sender;
  std::vector<std::string> recipients;
  std::size_t messages = 0;
  bool over = false;

  Temper temper() const {
    return state.is_calm && site.temper != Temper::rejecting ? Temper::good : site.temper;
  }
  Task<void> say(std::string text) {
    if (temper() == Temper::slow)
      co_await state.loop.sleep(std::chrono::milliseconds(state.random.below(20'000)));
    text += "\r\n";
    if (!co_await stream->write(text)) over = true;
  }
  Task<void> run();
  Task<void> command(std::string line);
  Task<void> hello();
  Task<void> take_recipient(std::string line);
  Task<void> take_data();
  Task<void> break_handshake();
  void deliver(const std::string& content);
};

std::string path_of(const std::string& line) {
  const auto from = line.find('<') + 1;
  return line.substr(from, line.find('>') - from);
}

Task<void> PeerSession::run() {
  stream->set_deadline(state.loop.clock().moment() + std::chrono::hours(1));
  if (temper() == Temper::silent) {
    (void)co_await lines.next();
    co_return;
  }
  co_await say("220 peer ESMTP");
  while (!over) {
    auto line = co_await lines.next();
    if (!line) co_return;
    if (temper() == Temper::cutting && state.chance(8)) {
      co_await say("421 4.3.2 not now");
      co_return;
    }
    co_await command(std::move(*line));
  }
}

Task<void> PeerSession::hello() {
  std::string text = "250-peer\r\n250-PIPELINING\r\n250-8BITMIME\r\n";
  if (temper() == Temper::lying) text += "250-SIZE 100000\r\n250-DSN\r\n250-CHUNKING\r\n";
  if (temper() == Temper::breaking_tls) text += "250-STARTTLS\r\n";
  return say(text + "250 ENHANCEDSTATUSCODES");
}

Task<void> PeerSession::command(std::string line) {
  const std::string verb = to_lower(line.substr(0, 4));
  if (verb == "ehlo" || verb == "helo") {
    state.laws.reached(site.number);
    co_await hello();
  } else if (verb == "mail") {
    sender = path_of(line);
    recipients.clear();
    const bool refuses = temper() == Temper::lying && line.find('=') != std::string::npos;
    co_await say(refuses ? "555 5.5.4 no such parameter" : "250 2.1.0 ok");
  } else if (verb == "rcpt") {
    co_await take_recipient(std::move(line));
  } else if (verb == "data") {
    co_await take_data();
  } else if (verb == "star") {
    co_await break_handshake();
  } else if (verb == "quit") {
    co_await say("221 2.0.0 bye");
    over = true;
  } else if (verb == "rset" || verb == "noop") {
    recipients.clear();
    co_await say("250 2.0.0 ok");
  } else {
    co_await say("502 5.5.1 what?");
  }
}

Task<void> PeerSession::break_handshake() {
  co_await say("220 2.0.0 go on");
  (void)co_await stream->write("this is no TLS record at all\r\n");
  over = true;
}

Task<void> PeerSession::take_recipient(std::string line) {
  std::string recipient = path_of(line);
  const Moment now = state.loop.clock().moment();
  switch (temper()) {
    case Temper::greylisting: {
      const auto [known, fresh] = site.greylisted.try_emplace(sender + recipient, now);
      if (fresh || now - known->second < std::chrono::minutes(5)) {
        co_await say("451 4.7.1 greylisted");
        co_return;
      }
      break;
    }
    case Temper::rejecting:
      if (state.chance(70)) {
        co_await say("550 5.1.1 nobody of this name");
        co_return;
      }
      break;
    case Temper::busy:
      if (state.chance(40)) {
        co_await say("450 4.2.1 mailbox busy");
        co_return;
      }
      break;
    default:
      break;
  }
  recipients.push_back(std::move(recipient));
  co_await say("250 2.1.5 ok");
}

void PeerSession::deliver(const std::string& content) {
  state.laws.messages_on_connection(++messages);
  if (sender.empty()) return read_notice(state.laws, content);
  const std::string id =
      last_field(content.substr(0, content.find("\r\n\r\n") + 2), "Message-ID: <");
  const std::string token = id.substr(0, id.find('>'));
  const Laws::Body body = judge_body(content);
  for (const auto& each : recipients) state.laws.taken(token, each, body);
}

Task<void> PeerSession::take_data() {
  if (recipients.empty()) {
    co_await say("503 5.5.1 no recipients");
    co_return;
  }
  co_await say("354 go on");
  auto content = co_await lines.content();
  if (!content) {
    over = true;
    co_return;
  }
  const std::string plain = without_dots(*content);
  if (temper() == Temper::closing && state.chance(40)) {
    if (state.chance(50)) deliver(plain);
    over = true;
    co_return;
  }
  if (temper() == Temper::cutting && state.chance(15)) {
    co_await say("421 4.3.2 going down");
    over = true;
    co_return;
  }
  if (temper() == Temper::busy && state.chance(30)) {
    co_await say("452 4.3.1 no room");
    recipients.clear();
    co_return;
  }
  deliver(plain);
  recipients.clear();
  co_await say("250 2.0.0 taken");
}

}  // namespace

Task<void> Peers::State::serve(Site& site, std::unique_ptr<Stream> stream) {
  PeerSession session{*this, site, std::move(stream)};
  co_await session.run();
}

Task<void> Peers::State::accept(Site& site) {
  for (;;) {
    auto stream = co_await site.listener->accept();
    if (!stream) co_return;
    spawn(serve(site, std::move(*stream)));
  }
}

// ---------------------------------------------------------------- sites
Peers::Peers(SimLoop& loop, SimNetwork& network, Laws& laws, PeersOptions options)
    : state_(std::make_unique<State>(loop, network, laws, options)) {
  for (std::size_t number = 0; number < std::max<std::size_t>(options.sites, 2); ++number) {
    auto site = std::make_unique<State::Site>();
    site->number = number;
    // Half of the world is good.
    if (number > 0 && !state_->chance(50))
      site->temper = static_cast<Temper>(state_->random.below(tempers));
    if (host_of(number) != number) site->temper = state_->sites[number - 1]->temper;
    state_->sites.push_back(std::move(site));
  }
  for (const auto& site : state_->sites) {
    if (host_of(site->number) != site->number || site->temper == Temper::refusing) continue;
    if (site->temper == Temper::unreachable) network.set_silent(address_of(site->number));
    site->listener = std::move(*network.listen({{address_of(site->number), 25}, false, 1024}));
    spawn(state_->accept(*site));
  }
}

Peers::~Peers() = default;

Resolver& Peers::resolver() {
  return state_->dns;
}

void Peers::calm() {
  state_->is_calm = true;
  for (const auto& site : state_->sites) {
    const Temper temper = std::exchange(
        site->temper, site->temper == Temper::rejecting ? Temper::rejecting : Temper::good);
    if (host_of(site->number) != site->number) continue;
    if (temper == Temper::unreachable) state_->network.set_silent(address_of(site->number), false);
    if (temper == Temper::refusing) {
      site->listener =
          std::move(*state_->network.listen({{address_of(site->number), 25}, false, 1024}));
      spawn(state_->accept(*site));
    }
  }
}

std::size_t Peers::site_of(const IpAddress& address) const {
  const auto& octets = address.octets;
  const std::size_t at = address.v6 ? 0 : 12;
  const bool leading = octets[0] == 20;
  const auto* part = octets.data() + (leading ? 0 : at);
  return part[1] * 60000u + part[2] * 250u + part[3] - 1u;
}

std::string Peers::recipient(std::uint64_t chance) const {
  const std::size_t site = 1 + chance / 16 % (state_->sites.size() - 1);
  return fmt::format("u{}@{}", chance % 10, domain_of(site));
}

// ---------------------------------------------------------------- clients
Letter make_letter(std::uint64_t number, std::vector<std::string> recipients, std::size_t octets,
                   Random& random) {
  std::string body = fmt::format("Letter {}\r\n", number);
  while (body.size() < octets)
    body += fmt::format("{}line {:x}\r\n", random.below(9) == 0 ? "." : "", random.next());
  Letter letter;
  letter.token = fmt::format("t{}@sender.example", number);
  letter.recipients = std::move(recipients);
  std::string content = fmt::format(
      "From: <a@sender.example>\r\nMessage-ID: <{}>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
      "{}{:08x}\r\n\r\n{}",
      letter.token, sum_field, crc32c(body), body);
  for (auto at = content.find("\r\n."); at != std::string::npos; at = content.find("\r\n.", at + 4))
    content.insert(at + 2, 1, '.');
  letter.content = std::move(content) + ".\r\n";
  return letter;
}

namespace {

// Sends one line, wants this class of answer to it.
Task<Result<void>> ask(Stream& stream, Lines& lines, std::string text, char wanted) {
  if (!text.empty()) CO_TRY(co_await stream.write(text));
  for (;;) {
    const auto line = CO_TRY(co_await lines.next());
    if (line.size() > 3 && line[3] == '-') continue;
    if (line.starts_with(wanted)) co_return Result<void>{};
    co_return fail(ErrorKind::try_later, line);
  }
}

Task<Result<void>> submit_once(SimLoop& loop, SimNetwork& network, const Letter& letter) {
  const Moment deadline = loop.clock().moment() + std::chrono::minutes(10);
  auto stream = CO_TRY(co_await network.connect(false_node_address(), std::nullopt, deadline));
  stream->set_deadline(deadline);
  Lines lines(*stream);
  CO_TRY(co_await ask(*stream, lines, "", '2'));
  CO_TRY(co_await ask(*stream, lines, "EHLO client.example\r\n", '2'));
  CO_TRY(co_await ask(*stream, lines, "MAIL FROM:<a@sender.example>\r\n", '2'));
  for (const auto& each : letter.recipients)
    CO_TRY(co_await ask(*stream, lines, fmt::format("RCPT TO:<{}>\r\n", each), '2'));
  CO_TRY(co_await ask(*stream, lines, "DATA\r\n", '3'));
  CO_TRY(co_await ask(*stream, lines, letter.content, '2'));
  (void)co_await stream->write("QUIT\r\n");
  co_return Result<void>{};
}

}  // namespace

Task<void> submit(SimLoop& loop, SimNetwork& network, Laws& laws, Letter letter, Moment until) {
  while (loop.clock().moment() < until) {
    auto done = co_await submit_once(loop, network, letter);
    if (done) {
      laws.acknowledged(letter.token, letter.recipients);
      co_return;
    }
    laws.note("not taken");
    co_await loop.sleep(std::chrono::seconds(30 + loop.random().below(300)));
  }
}

}  // namespace goniec
