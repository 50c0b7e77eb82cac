// See reporting.h.
// The position is written after the objects of the events before it, never before.
#include "duties/reporting.h"

#include "base/json.h"
#include "base/text.h"
#include "store/last_event.h"
#include "trust/report_mail.h"
#include "trust/report_store.h"

namespace goniec {
namespace {

const ObjectKey position_key{"report_position", "received"};
constexpr std::uint64_t position_stride = 5'000;  // events without a report between two writings

}  // namespace

struct ReportIntake::Parsed {
  std::vector<ObjectPut> objects;
  std::vector<std::string> lines, problems;
};

ReportIntake::ReportIntake(World& world, Queue& queue, Committer& committer, ReaderPool& readers,
                           const Directory& directory, ReportingOptions options, Metrics& metrics,
                           LogSink& log)
    : world_(world),
      queue_(queue),
      committer_(committer),
      readers_(readers),
      directory_(directory),
      options_(std::move(options)),
      log_(log),
      read_(metrics.counter("goniec_reports_received_total", "DMARC and TLS reports read")),
      refused_(metrics.counter("goniec_reports_refused_total",
                               "Mails to the address of reports without one that can be read")) {}

void ReportIntake::say(LogLevel level, std::string event, std::string text) {
  LogRecord record;
  record.at = world_.loop.clock().now();
  record.level = level;
  record.event = std::move(event);
  record.program = "reports";
  record.text = std::move(text);
  log_.write(std::move(record));
}

// Delivered to the mailbox behind the address, or to the alias that it is.
bool ReportIntake::leads_here(const Event& event, const Address& address) const {
  if (event.kind != EventKind::delivered && event.kind != EventKind::expanded) return false;
  const auto recipient = Address::parse(event.recipient);
  if (!recipient) return false;
  if (*recipient == address) return true;
  if (event.kind == EventKind::expanded) return false;
  const auto a = directory_.resolve(*recipient), b = directory_.resolve(address);
  return a.kind == RecipientKind::mailbox && b.kind == RecipientKind::mailbox &&
         a.mailbox == b.mailbox;
}

Task<Result<std::string>> ReportIntake::whole_mail(MessageId id) {
  auto content = CO_TRY(co_await queue_.content(world_.loop, id));
  if (content.size() > options_.mail_octets)
    co_return fail(ErrorKind::bad_data,
                   fmt::format("{} octets, at most {}", content.size(), options_.mail_octets));
  std::string mail = std::move(content.header);
  for (std::uint32_t number = 0; number < content.body_chunks; ++number)
    mail += CO_TRY(co_await queue_.chunk(world_.loop, id, number));
  co_return mail;
}

ReportIntake::Parsed ReportIntake::parse(const std::string& mail, Instant now) {
  Parsed parsed;
  auto found = find_reports(mail);
  parsed.problems = std::move(found.problems);
  for (const auto& each : found.reports) {
    if (each.kind == ReportKind::dmarc_aggregate) {
      const auto report = parse_dmarc_report(each.text);
      if (!report || report->policy.domain.empty()) {
        parsed.problems.push_back(report ? "it names no policy domain" : report.error().message);
        continue;
      }
      auto kept = keep(*report, now);
      parsed.objects.push_back(
          {{std::string(dmarc_report_kind), std::move(kept.key)}, std::move(kept.value)});
      parsed.lines.push_back(fmt::format(
          "DMARC report of {} about {}: {} records", printable(report->organisation, 60),
          printable(report->policy.domain, 80), report->records.size()));
    } else if (each.kind == ReportKind::tls) {
      const auto report = parse_tls_report(each.text);
      if (!report || report->policies.empty()) {
        parsed.problems.push_back(report ? "it names no policy" : report.error().message);
        continue;
      }
      auto kept = keep(*report, now);
      parsed.objects.push_back(
          {{std::string(tls_report_kind), std::move(kept.key)}, std::move(kept.value)});
      parsed.lines.push_back(fmt::format("TLS report of {} about {}",
                                         printable(report->organisation, 60),
                                         printable(report->policies.front().domain, 80)));
    }
  }
  return parsed;
}

Task<void> ReportIntake::read_mail(MessageId id) {
  auto mail = co_await whole_mail(id);
  if (!mail) {
    refused_.add();
    say(LogLevel::warning, "report.unreadable",
        fmt::format("{}: warning: cannot be read: {}", id.text(), mail.error().message));
    co_return;
  }
  struct Work {
    std::string mail;
    Instant now;
    Parsed operator()() { return parse(mail, now); }
  };
  auto parsed =
      co_await world_.offload.run(world_.loop, Work{std::move(*mail), world_.loop.clock().now()});
  if (!parsed) co_return;
  for (auto& object : parsed->objects) {
    const auto put = co_await committer_.put_object(world_.loop, std::move(object));
    if (put) read_.add();
    if (!put)
      say(LogLevel::error, "report.failed",
          fmt::format("{}: error: a report was not kept: {}", id.text(), put.error().message));
  }
  for (const auto& line : parsed->lines)
    say(LogLevel::info, "report.received", fmt::format("{}: {}", id.text(), line));
  for (const auto& problem : parsed->problems)
    say(LogLevel::warning, "report.refused",
        fmt::format("{}: warning: {}", id.text(), printable(problem)));
  if (parsed->objects.empty()) {
    refused_.add();
    if (parsed->problems.empty())
      say(LogLevel::info, "report.none", fmt::format("{}: no report in it", id.text()));
  }
}

Task<void> ReportIntake::keep_position() {
  if (position_ == kept_position_) co_return;
  JsonWriter json;
  json.object().key("sequence").number(position_).end();
  const auto put =
      co_await committer_.put_object(world_.loop, ObjectPut{position_key, std::move(json).take()});
  if (put) kept_position_ = position_;
}

Task<bool> ReportIntake::follow() {
  const auto after = position_;
  const auto limit = options_.events;
  const auto events = co_await readers_.read(
      world_.loop, [after, limit](Reader& reader) { return reader.events_after(after, limit); });
  if (!events) co_return false;
  const auto address = Address::parse(options_.settings().address);
  bool read = false;
  MessageId last;
  for (const auto& event : *events) {
    if (address && event.message != last && leads_here(event, *address)) {
      co_await read_mail(event.message);
      last = event.message;
      read = true;
    }
    position_ = event.sequence;
    if (stopping_) break;
  }
  if (read || position_ - kept_position_ >= position_stride) co_await keep_position();
  co_return !stopping_ && events->size() == options_.events;
}

Task<void> ReportIntake::forget_old() {
  const Instant before = world_.loop.clock().now() - options_.settings().keep;
  for (const auto kind : {dmarc_report_kind, tls_report_kind}) {
    const auto objects = co_await readers_.read(
        world_.loop, [kind](Reader& reader) { return reader.objects(kind); });
    if (!objects) co_return;
    for (const auto& [key, value] : *objects) {
      if (stopping_) co_return;
      if (begin_of_key(key) < before)
        (void)co_await committer_.remove_object(world_.loop, ObjectKey{std::string(kind), key});
    }
  }
}

// Where it stood; the first time at the end of what has happened.
Task<void> ReportIntake::find_position() {
  const auto kept = co_await readers_.read(
      world_.loop, [](Reader& reader) { return reader.object(position_key); });
  const auto json = kept && *kept ? JsonValue::parse(**kept) : Result<JsonValue>(JsonValue());
  if (kept && *kept && json) {
    position_ = static_cast<std::uint64_t>(json->integer_at("sequence"));
  } else if (const auto last = co_await readers_.read(
                 world_.loop, [](Reader& reader) { return last_event_sequence(reader); })) {
    position_ = *last;
  }
  kept_position_ = 0;
  co_await keep_position();
}

void ReportIntake::start() {
  running_ = true;
  spawn(run());
}

Task<void> ReportIntake::run() {
  next_sweep_ = world_.loop.clock().moment() + std::chrono::hours(1);
  bool following = false;
  while (!stopping_) {
    const bool wanted = !options_.settings().address.empty();
    if (wanted && !following) co_await find_position();
    following = wanted;
    if (wanted && co_await follow()) continue;
    if (world_.loop.clock().moment() >= next_sweep_) {
      next_sweep_ = world_.loop.clock().moment() + std::chrono::days(1);
      co_await forget_old();
    }
    const Moment next = world_.loop.clock().moment() + options_.step;
    world_.loop.at(next, [woken = woken_] { woken->notify_all(); });
    while (!stopping_ && world_.loop.clock().moment() < next) co_await woken_->wait();
  }
  co_await keep_position();
  running_ = false;
  ended_.notify_all();
}

Task<void> ReportIntake::stop() {
  stopping_ = true;
  woken_->notify_all();
  while (running_) co_await ended_.wait();
}

}  // namespace goniec
