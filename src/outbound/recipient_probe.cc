// See recipient_probe.h. Hosts and connection are the dispatcher's; the transaction is a probe of
// proto/smtp/client.h.
#include "outbound/recipient_probe.h"

#include "outbound/connection.h"

namespace goniec {
namespace {

std::shared_ptr<const DispatcherOptions> impatient(DispatcherOptions options) {
  options.connect = std::min<Duration>(options.connect, std::chrono::seconds(10));
  options.greeting = std::min<Duration>(options.greeting, std::chrono::seconds(20));
  options.command = std::min<Duration>(options.command, std::chrono::seconds(20));
  options.tls = std::min<Duration>(options.tls, std::chrono::seconds(10));
  return std::make_shared<const DispatcherOptions>(std::move(options));
}

Reply unanswered(const std::string& why) {
  return Reply(450, {4, 4, 1}, "the next hop was not asked: " + why);
}

smtp::ClientTransaction question(const Address& recipient) {
  smtp::ClientTransaction transaction;
  transaction.recipients.push_back(
      Recipient{.address = recipient, .notify = {}, .original_recipient = {}});
  transaction.probe = true;
  return transaction;
}

Task<Reply> put_question(OutgoingConnection& connection, const Address& recipient) {
  connection.session().begin(question(recipient));
  Reply answer = unanswered("the session ended");
  for (;;) {
    const smtp::client::Step step = co_await connection.run();
    if (const auto* done = std::get_if<smtp::client::Done>(&step)) {
      const smtp::ClientResult& result = done->results.front();
      const bool about_recipient = result.phase == "rcpt" && result.reply.code >= 200;
      answer = about_recipient ? result.reply : unanswered(result.reply.one_line());
    } else {
      if (std::holds_alternative<smtp::client::Ready>(step)) co_await connection.quit();
      co_return answer;
    }
  }
}

}  // namespace

RecipientProbe::RecipientProbe(DispatcherOptions options, Hosts& hosts, VerifyCache& cache,
                               std::shared_ptr<const OutboundTls> tls, World& world)
    : options_(impatient(std::move(options))),
      hosts_(hosts),
      cache_(cache),
      tls_(std::move(tls)),
      world_(world) {}

void RecipientProbe::set_options(DispatcherOptions options) {
  options_ = impatient(std::move(options));
  cache_.forget_all();
}

Task<Reply> RecipientProbe::ask(Address recipient) {
  if (auto known = cache_.find(recipient, world_.loop.clock().moment())) co_return *known;
  if (under_way_ >= questions)
    co_return Reply(450, {4, 3, 2}, "too many recipients are being verified, try again later");
  ++under_way_;
  Reply reply = co_await ask_next_hop(recipient);
  --under_way_;
  cache_.remember(recipient, reply, world_.loop.clock().moment());
  co_return reply;
}

Task<Reply> RecipientProbe::ask_next_hop(const Address& recipient) {
  const auto options = options_;
  const Route route = options->routes.route(recipient.domain());
  if (route.transport == Transport::sink) co_return Reply(250, {2, 1, 5}, "the sink takes all");
  const HostList hosts =
      route.transport == Transport::lmtp_unix ? unix_hosts(route) : co_await hosts_.find(route);
  if (hosts.failure) co_return unanswered(hosts.failure->reply.one_line());
  Outcome failure;
  OpenConnections alone;
  auto connection =
      co_await connect_to_first(world_, options, ConnectPlan{route, hosts}, tls_, alone, failure);
  if (!connection) co_return unanswered(failure.site + ": " + failure.reply.one_line());
  co_return co_await put_question(*connection, recipient);
}

}  // namespace goniec
