// See attempt.h. Steps: plan recipients -> begin -> body -> results -> outcomes.
#include "outbound/attempt.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

namespace client = smtp::client;

// Where the next octets of a message come from: memory, or the store chunk by chunk.
class ContentSource {
 public:
  ContentSource(Loop& loop, Queue& queue, const ReadyEntry& ready)
      : loop_(loop), queue_(queue), ready_(ready) {}

  struct Piece {
    std::string_view octets;
    bool last = false;
  };
  Task<Result<Piece>> next() {
    if (ready_.content) co_return from_memory();
    if (!content_) {
      content_ = CO_TRY(co_await queue_.content(loop_, ready_.message->id));
      piece_ = content_->prepend + content_->header;
      co_return Piece{piece_, content_->body_chunks == 0};
    }
    piece_ = CO_TRY(co_await queue_.chunk(loop_, ready_.message->id, chunk_));
    ++chunk_;
    co_return Piece{piece_, chunk_ == content_->body_chunks};
  }
  void rewind() {
    step_ = 0;
    chunk_ = 0;
    content_.reset();
  }

 private:
  Piece from_memory() {
    const LoadedContent& content = *ready_.content;
    if (step_++ > 0) return Piece{content.body, true};
    piece_ = content.prepend + content.header;
    return Piece{piece_, content.body.empty()};
  }

  Loop& loop_;
  Queue& queue_;
  const ReadyEntry& ready_;
  std::optional<Content> content_;
  std::string piece_;
  std::uint32_t chunk_ = 0;
  int step_ = 0;
};

struct Transfer {
  Loop& loop;
  OutgoingConnection& connection;
  const ReadyEntry& ready;
  const AttemptPlan& plan;
  ContentSource source;
  AttemptResult result;
  Moment began{};
  std::vector<std::uint32_t> again;  // another transaction is to carry them
  bool all_blame_ipv6 = true;

  void add(std::uint32_t index, const smtp::ClientResult& from);
  void add_all(const std::vector<std::uint32_t>& group,
               const std::vector<smtp::ClientResult>& results);
};

void Transfer::add(std::uint32_t index, const smtp::ClientResult& from) {
  Outcome outcome;
  outcome.recipient = index;
  outcome.state = from.state;
  outcome.reply = from.reply;
  if (from.uncertain && !outcome.reply.lines.empty())
    outcome.reply.lines.back() += " (lost after the final dot: it may have been delivered)";
  outcome.site = connection.site();
  outcome.route = plan.route;
  outcome.phase = from.phase;
  outcome.tls = connection.tls();
  outcome.tls_required = connection.tls_required();
  outcome.delay_queue = plan.queued;
  outcome.delay_connect = plan.reused ? Duration::zero() : connection.opened_in();
  outcome.delay_transmit = loop.clock().moment() - began;
  result.outcomes.push_back(std::move(outcome));
}

// A kept connection that the peer closed meanwhile: nothing of this message was accepted.
bool is_stale(const std::vector<smtp::ClientResult>& results) {
  return std::all_of(results.begin(), results.end(), [](const smtp::ClientResult& each) {
    return each.phase == "mail" && (each.reply.code == 0 || each.reply.code == 421) &&
           !each.uncertain;
  });
}

bool blames_ipv6(const smtp::ClientResult& result) {
  if (!result.reply.is_permanent()) return false;
  const EnhancedCode code = result.reply.enhanced;
  if (code == EnhancedCode{5, 7, 25}) return true;
  if (code != EnhancedCode{5, 7, 26}) return false;
  const std::string text = to_lower(result.reply.one_line());
  return text.find("ipv6") != std::string::npos || text.find("ptr") != std::string::npos;
}

// "Too many recipients" while others of the same transaction were taken: the rest goes in another
// transaction at once (RFC 5321 §4.5.3.1.10), not after an hour.
bool wants_another_transaction(const smtp::ClientResult& result) {
  if (result.phase != "rcpt" || (result.reply.code != 452 && result.reply.code != 552))
    return false;
  const EnhancedCode code = result.reply.enhanced;
  return !code || (code.subject == 5 && code.detail == 3);
}

void Transfer::add_all(const std::vector<std::uint32_t>& group,
                       const std::vector<smtp::ClientResult>& results) {
  CHECK(results.size() == group.size());
  const bool some_taken = std::ranges::any_of(results, [](const smtp::ClientResult& each) {
    return each.state == RecipientState::delivered || each.state == RecipientState::relayed;
  });
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (some_taken && wants_another_transaction(results[i])) {
      again.push_back(group[i]);
      continue;
    }
    all_blame_ipv6 = all_blame_ipv6 && blames_ipv6(results[i]);
    add(group[i], results[i]);
  }
}

smtp::ClientTransaction make_transaction(const ReadyEntry& ready,
                                         const std::vector<std::uint32_t>& group) {
  smtp::ClientTransaction transaction;
  transaction.sender = ready.message->sender;
  if (!ready.entry.sender.empty()) transaction.sender.address = ready.entry.sender;
  transaction.size = ready.octets;
  transaction.eight_bit = ready.message->requires_8bit;
  for (std::uint32_t index : group)
    transaction.recipients.push_back(ready.entry.recipients[index].recipient);
  return transaction;
}

// One SMTP transaction. False: the connection ended.
Task<bool> transact(Transfer& transfer, const std::vector<std::uint32_t>& group) {
  smtp::ClientSession& session = transfer.connection.session();
  transfer.source.rewind();
  session.begin(make_transaction(transfer.ready, group));
  for (;;) {
    client::Step step = co_await transfer.connection.run();
    if (std::holds_alternative<client::NeedBody>(step)) {
      auto piece = co_await transfer.source.next();
      if (piece)
        session.body(piece->octets, piece->last);
      else
        session.abort_body();
    } else if (auto* done = std::get_if<client::Done>(&step)) {
      const bool first_on_kept = transfer.plan.reused && transfer.result.outcomes.empty();
      if (first_on_kept && is_stale(done->results)) {
        transfer.result.stale = true;
        co_return false;
      }
      transfer.add_all(group, done->results);
      step = co_await transfer.connection.run();
      co_return std::holds_alternative<client::Ready>(step);
    } else {
      smtp::ClientResult lost;
      lost.phase = "mail";
      lost.reply = Reply(0, {4, 4, 2}, "the session ended");
      if (auto* failed = std::get_if<client::Failed>(&step)) lost.reply = failed->reply;
      if (transfer.plan.reused && transfer.result.outcomes.empty()) {
        transfer.result.stale = true;
      } else {
        for (std::uint32_t index : group) transfer.add(index, lost);
      }
      co_return false;
    }
  }
}

}  // namespace

Task<AttemptResult> attempt_entry(Loop& loop, Queue& queue, OutgoingConnection& connection,
                                  const ReadyEntry& ready, AttemptPlan plan) {
  Transfer transfer{.loop = loop,
                    .connection = connection,
                    .ready = ready,
                    .plan = plan,
                    .source = ContentSource(loop, queue, ready),
                    .result = {},
                    .began = loop.clock().moment(),
                    .again = {}};
  std::vector<std::uint32_t> waiting;
  for (std::uint32_t i = 0; i < ready.entry.recipients.size(); ++i)
    if (ready.entry.recipients[i].state == RecipientState::queued) waiting.push_back(i);
  bool usable = true;
  while (usable && !waiting.empty()) {
    const std::size_t size =
        std::min(waiting.size(), std::max<std::size_t>(connection.session().capacity(), 1));
    const std::vector<std::uint32_t> group(waiting.begin(),
                                           waiting.begin() + static_cast<std::ptrdiff_t>(size));
    usable = co_await transact(transfer, group);
    if (transfer.result.stale) co_return std::move(transfer.result);
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(size));
    for (std::uint32_t index : std::exchange(transfer.again, {})) waiting.push_back(index);
    plan.reused = true;
  }
  smtp::ClientResult untried;  // the connection ended before their turn
  untried.phase = "mail";
  untried.reply =
      Reply(0, {4, 4, 2}, connection.site() + " ended the session before this recipient's turn");
  if (!waiting.empty()) transfer.all_blame_ipv6 = false;
  for (std::uint32_t index : waiting) transfer.add(index, untried);
  // The whole entry goes again over IPv4, so nobody may have got it over IPv6.
  transfer.result.retry_ipv4 = transfer.all_blame_ipv6 && !transfer.result.outcomes.empty();
  transfer.result.connection_usable = usable;
  co_return std::move(transfer.result);
}

}  // namespace goniec
