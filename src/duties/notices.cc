// See notices.h.
#include "duties/notices.h"

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::uint64_t full_octets = 1 << 20;
constexpr std::uint64_t unasked_octets = 64 * 1024;

bool returns_body(const Message& message, const Content& content, bool failure) {
  if (!failure) return false;
  if (message.sender.requiretls) return false;  // RFC 8689 §5: as if RET=HDRS
  switch (message.sender.ret) {
    case DsnReturn::full:
      return content.body_octets <= full_octets;
    case DsnReturn::headers:
      return false;
    case DsnReturn::unspecified:
      return content.body_octets <= unasked_octets;
  }
  return false;
}

}  // namespace

Notices::Notices(Queue& queue, const Directory& directory, const IntakeOptions& intake,
                 Metrics& metrics, LogSink& log)
    : queue_(queue),
      directory_(directory),
      intake_(intake),
      log_(log),
      sent_(metrics.counter("goniec_notifications_total", "Delivery status notifications made")) {}

Task<std::string> Notices::read_body(Loop& loop, std::shared_ptr<const Message> message,
                                     const Content& content) {
  std::string body;
  for (std::uint32_t number = 0; number < content.body_chunks; ++number) {
    auto chunk = co_await queue_.chunk(loop, message->id, number);
    if (!chunk)
      co_return std::string();  // the notice goes out without the body rather than not at all
    body += *chunk;
  }
  co_return body;
}

void Notices::add(std::vector<SpoolRequest>& requests, Loop& loop, DsnFacts facts) {
  const Message original = facts.original;
  ComposedMessage composed = compose_dsn(facts);
  DraftFacts draft;
  draft.source = Source::dsn;
  draft.parent = original.id;
  draft.verified_sender = false;  // never a notice about a notice
  draft.transaction.sender.smtputf8 = composed.smtputf8;
  draft.transaction.sender.body = BodyType::eight_bit;
  draft.transaction.sender.requiretls = original.sender.requiretls;  // RFC 8689 §5
  Recipient to;
  to.address = original.sender.address;
  draft.transaction.recipients.push_back(std::move(to));
  auto request = make_spool_request(queue_, directory_, intake_, loop, std::move(draft),
                                    std::move(composed.header), std::move(composed.body));
  if (!request) {
    LogRecord record;
    record.at = facts.at;
    record.level = LogLevel::warning;
    record.event = "notice.failed";
    record.program = "bounce";
    record.text = fmt::format("{}: warning: no notification to <{}>: {}", original.id.text(),
                              printable(original.sender.address.text()), request.error().message);
    log_.write(std::move(record));
    return;
  }
  sent_.add();
  requests.push_back(std::move(*request));
}

Task<std::vector<SpoolRequest>> Notices::make(Loop& loop, std::shared_ptr<const Message> message,
                                              NoticePlan plan, Instant now) {
  std::vector<SpoolRequest> requests;
  DsnFacts facts;
  facts.hostname = intake_.hostname;
  facts.at = now;
  facts.original = *message;
  auto content = co_await queue_.content(loop, message->id);
  if (content) facts.original.content = std::move(*content);

  auto add_group = [&](std::vector<DsnRecipient>& recipients, const std::string& body) {
    if (recipients.empty()) return;
    DsnFacts group = facts;
    group.id = queue_.next_id(loop.clock(), loop.random());
    group.recipients = std::move(recipients);
    group.original_body = body;
    group.original_body_cut = body.size() < facts.original.content.body_octets;
    add(requests, loop, std::move(group));
  };
  if (!plan.failed.empty()) {
    std::string body;
    if (returns_body(*message, facts.original.content, true))
      body = co_await read_body(loop, message, facts.original.content);
    add_group(plan.failed, body);
  }
  add_group(plan.success, {});
  add_group(plan.delayed, {});
  co_return requests;
}

}  // namespace goniec
