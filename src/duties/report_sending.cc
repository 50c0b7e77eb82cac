// See report_sending.h.
// `busy_` keeps send_now() and the steps apart: both touch the aggregates over waits.
#include "duties/report_sending.h"

#include "base/text.h"
#include "net/ask.h"
#include "trust/unpack.h"

namespace goniec {
namespace {

constexpr std::string_view dmarc_kind = "dmarc_pending", tls_kind = "tls_pending";
constexpr std::string_view mail_scheme = "mailto:";
constexpr std::size_t reply_octets = 64 * 1024;  // of a web server; nobody reads them

}  // namespace

ReportSending::ReportSending(World& world, Queue& queue, Committer& committer, ReaderPool& readers,
                             const Directory& directory, const IntakeOptions& intake,
                             ReportSendingOptions options, Metrics& metrics, LogSink& log)
    : world_(world),
      queue_(queue),
      committer_(committer),
      readers_(readers),
      directory_(directory),
      intake_(intake),
      options_(std::move(options)),
      log_(log),
      sent_(metrics.counter("goniec_reports_sent_total", "DMARC and TLS reports sent")),
      dropped_(metrics.counter("goniec_reports_dropped_total",
                               "What no report told, for a limit or without an addressee")) {}

void ReportSending::say(LogLevel level, std::string event, std::string text) {
  LogRecord record;
  record.at = world_.loop.clock().now();
  record.level = level;
  record.event = std::move(event);
  record.program = "reports";
  record.text = std::move(text);
  log_.write(std::move(record));
}

// ---------------------------------------------------------------- collecting
void ReportSending::collect(DmarcObservation observation, Instant at) {
  if (!wanted_.load(std::memory_order_relaxed)) return;
  std::lock_guard lock(mutex_);
  if (dmarc_line_.size() < options_.line)
    dmarc_line_.emplace_back(std::move(observation), at);
  else
    dropped_.add();
}

void ReportSending::collect(TlsObservation observation, Instant at) {
  if (!wanted_.load(std::memory_order_relaxed)) return;
  std::lock_guard lock(mutex_);
  if (tls_line_.size() < options_.line)
    tls_line_.emplace_back(std::move(observation), at);
  else
    dropped_.add();
}

void ReportSending::drain() {
  std::vector<std::pair<DmarcObservation, Instant>> dmarc;
  std::vector<std::pair<TlsObservation, Instant>> tls;
  {
    std::lock_guard lock(mutex_);
    dmarc.swap(dmarc_line_);
    tls.swap(tls_line_);
  }
  for (const auto& [observation, at] : dmarc) dmarc_.add(observation, at);
  for (const auto& [observation, at] : tls) tls_.add(observation, at);
  const std::uint64_t all = dmarc_.dropped() + tls_.dropped();
  dropped_.add(all - told_dropped_);
  told_dropped_ = all;
}

Task<void> ReportSending::keep_changed() {
  drain();
  for (const auto& key : dmarc_.take_changed())
    (void)co_await committer_.put_object(
        world_.loop, ObjectPut{{std::string(dmarc_kind), key.text()}, dmarc_.text(key)});
  for (const auto& key : tls_.take_changed())
    (void)co_await committer_.put_object(
        world_.loop, ObjectPut{{std::string(tls_kind), key.text()}, tls_.text(key)});
}

Task<void> ReportSending::restore() {
  for (const auto kind : {dmarc_kind, tls_kind}) {
    const auto objects = co_await readers_.read(
        world_.loop, [kind](Reader& reader) { return reader.objects(kind); });
    if (!objects) co_return;
    for (const auto& [text, value] : *objects) {
      const auto key = PendingKey::parse(text);
      if (!key) continue;
      const auto restored =
          kind == dmarc_kind ? dmarc_.restore(*key, value) : tls_.restore(*key, value);
      if (!restored)
        say(LogLevel::warning, "report.lost",
            fmt::format("warning: what was counted for {} cannot be read: {}",
                        printable(key->domain), restored.error().message));
    }
  }
}

// ---------------------------------------------------------------- sending
bool ReportSending::is_too_old(const PendingKey& key) const {
  const Instant end{std::chrono::days(key.day + 1)};
  return world_.loop.clock().now() - end > options_.patience;
}

Task<void> ReportSending::forget(std::string_view kind, PendingKey key) {
  if (kind == dmarc_kind)
    dmarc_.forget(key);
  else
    tls_.forget(key);
  (void)co_await committer_.remove_object(world_.loop, ObjectKey{std::string(kind), key.text()});
}

Task<bool> ReportSending::send_mail(std::string to, ComposedReport mail) {
  DraftFacts facts;
  facts.source = Source::report;
  const auto from = Address::parse(options_.settings().from);
  const auto address = Address::parse(to);
  if (!from || !address) co_return false;
  facts.transaction.sender.address = *from;
  Recipient recipient;
  recipient.address = *address;
  recipient.notify.never = true;  // nobody waits for a notice about it
  facts.transaction.recipients.push_back(std::move(recipient));
  Draft draft(queue_, directory_, intake_, world_.loop, std::move(facts));
  co_await draft.write(mail.header);
  co_await draft.write(mail.body);
  const Reply reply = co_await draft.commit();
  if (!reply.is_positive()) {
    say(LogLevel::warning, "report.unsent",
        fmt::format("warning: a report to <{}> was not taken: {}", printable(to),
                    reply.one_line()));
    co_return false;
  }
  sent_.add();
  say(LogLevel::info, "report.sent",
      fmt::format("{}: report sent to <{}>", draft.id().text(), printable(to)));
  co_return true;
}

Task<std::size_t> ReportSending::send_dmarc(PendingKey key) {
  const auto settings = options_.settings();
  auto pending = dmarc_.pending(key, settings.reporter);
  if (!pending) co_return 0;
  const Instant now = world_.loop.clock().now();
  if (key.day == day_of(now)) {  // the day goes on: this part has an id and an end of its own
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
    pending->report.end = static_cast<std::uint64_t>(seconds);
    pending->report.report_id = fmt::format("{}.{}", seconds, pending->report.report_id);
  }
  Findings findings;
  auto judge = [&](Findings& known) { return judge_destinations(known, key.domain, pending->rua); };
  const auto destinations = co_await ask(world_.loop, world_.resolver, findings,
                                         world_.loop.clock().moment() + options_.asking, judge);
  for (const auto& refused : destinations.refused)
    say(LogLevel::info, "report.refused",
        fmt::format("no report about {} to {}", printable(key.domain), refused));
  if (destinations.addresses.empty() && destinations.try_later && !is_too_old(key)) co_return 0;
  std::size_t mails = 0;
  for (const auto& to : destinations.addresses) {
    const ReportMailFacts facts{settings.from, to, settings.reporter.hostname, now};
    if (co_await send_mail(to, compose_dmarc_mail(pending->report, facts))) ++mails;
  }
  if (mails == 0 && !destinations.addresses.empty() && !is_too_old(key)) co_return 0;
  if (mails == 0) dropped_.add();
  co_await forget(dmarc_kind, key);
  co_return mails;
}

// RFC 8460 §5.4; any 2xx is a success, a redirect is none.
Task<bool> ReportSending::post(std::string url, const TlsReport& report) {
  HttpRequest request;
  request.method = "POST";
  request.url = url;
  request.headers = {{"Content-Type", "application/tlsrpt+gzip"}, {"User-Agent", "Goniec"}};
  request.body = gzip(compose_tls_report(report));
  request.response_limit = reply_octets;
  request.only_public = options_.only_public();
  const auto reply = co_await world_.http.fetch(std::move(request),
                                                world_.loop.clock().moment() + options_.posting);
  if (reply && reply->status / 100 == 2) {
    sent_.add();
    say(LogLevel::info, "report.sent", fmt::format("report sent to {}", printable(url, 200)));
    co_return true;
  }
  say(LogLevel::warning, "report.unsent",
      fmt::format(
          "warning: a report to {} was not taken: {}", printable(url, 200),
          reply ? fmt::format("HTTP status {}", reply->status) : printable(reply.error().message)));
  co_return false;
}

// "mailto:a@b" with an address that mail goes to, or "https://…".
Task<std::vector<std::string>> ReportSending::tls_destinations(PendingKey key, bool& try_later) {
  std::vector<std::string> destinations;
  const DnsAnswer answer = co_await world_.resolver.lookup(
      "_smtp._tls." + key.domain, DnsType::txt, world_.loop.clock().moment() + options_.asking);
  try_later = answer.status == DnsStatus::temporary || answer.status == DnsStatus::bogus;
  std::vector<std::string> texts;
  for (const auto& each : answer.records) {
    if (const auto* text = std::get_if<std::string>(&each)) texts.push_back(*text);
  }
  const auto record = tls_report_record_of(texts);
  const auto uris = record ? parse_tls_report_record(*record)
                           : Result<std::vector<std::string>>(std::vector<std::string>());
  if (!uris) co_return destinations;
  for (const auto& uri : *uris) {
    if (!starts_with_ignoring_case(uri, mail_scheme)) {
      destinations.push_back(uri);
    } else if (const auto to = Address::parse(std::string_view(uri).substr(mail_scheme.size()))) {
      destinations.push_back(std::string(mail_scheme) + to->text());
    }
  }
  co_return destinations;
}

bool ReportSending::waits(const PendingKey& key) const {
  const auto tries = tries_.find(key);
  return tries != tries_.end() && world_.loop.clock().moment() < tries->second.next;
}

Task<std::size_t> ReportSending::send_tls(PendingKey key) {
  const auto settings = options_.settings();
  auto report = tls_.pending(key, settings.reporter);
  if (!report) co_return 0;
  const Instant now = world_.loop.clock().now();
  if (key.day == day_of(now)) {
    report->end = now;
    report->report_id =
        fmt::format("{}.{}", now.time_since_epoch().count() / 1'000'000, report->report_id);
  }
  bool try_later = false;
  const auto destinations = co_await tls_destinations(key, try_later);
  if (destinations.empty() && try_later && !is_too_old(key)) co_return 0;
  const Moment began = world_.loop.clock().moment();
  Tries& tries = tries_.try_emplace(key, Tries{.first = began}).first->second;
  std::size_t sent = 0;
  bool failed = false;
  for (const auto& to : destinations) {
    if (tries.done.contains(to)) continue;
    const bool by_mail = to.starts_with(mail_scheme);
    const ReportMailFacts facts{settings.from, by_mail ? to.substr(mail_scheme.size()) : "",
                                settings.reporter.hostname, now};
    const bool taken =
        by_mail ? co_await send_mail(facts.to, compose_tls_mail(*report, key.domain, facts))
                : co_await post(to, *report);
    failed = failed || !taken;
    if (!taken) continue;
    tries.done.insert(to);
    ++sent;
  }
  if (failed && began - tries.first < options_.redelivery && !is_too_old(key)) {
    const Duration longer = std::min(2 * tries.pause, options_.last_pause);
    tries.pause = std::max(longer, options_.first_pause);
    tries.next = world_.loop.clock().moment() + tries.pause;
    co_return sent;
  }
  if (tries.done.empty()) dropped_.add();
  tries_.erase(key);
  co_await forget(tls_kind, key);
  co_return sent;
}

Task<std::size_t> ReportSending::send_before(std::int64_t day, Pauses pauses) {
  std::size_t mails = 0;
  for (const auto& key : dmarc_.before(day)) {
    if (stopping_) co_return mails;
    mails += co_await send_dmarc(key);
  }
  for (const auto& key : tls_.before(day)) {
    if (stopping_) co_return mails;
    if (pauses == Pauses::kept && waits(key)) continue;
    mails += co_await send_tls(key);
  }
  co_return mails;
}

Task<std::size_t> ReportSending::send_now() {
  while (busy_) co_await free_.wait();
  busy_ = true;
  co_await keep_changed();
  const auto mails =
      co_await send_before(day_of(world_.loop.clock().now()) + 1, Pauses::passed_over);
  busy_ = false;
  free_.notify_all();
  co_return mails;
}

// ---------------------------------------------------------------- life
void ReportSending::start() {
  running_ = true;
  wanted_ = options_.settings().send;
  const auto spread = static_cast<std::uint64_t>(options_.spread.count());
  delay_ = options_.delay + Duration(static_cast<std::int64_t>(world_.loop.random().below(spread)));
  busy_ = true;  // nothing is sent before what was counted in an earlier life is known
  spawn(run());
}

Task<void> ReportSending::run() {
  co_await restore();
  busy_ = false;
  free_.notify_all();
  while (!stopping_) {
    const Moment next = world_.loop.clock().moment() + options_.step;
    world_.loop.at(next, [woken = woken_] { woken->notify_all(); });
    while (!stopping_ && world_.loop.clock().moment() < next) co_await woken_->wait();
    while (busy_) co_await free_.wait();
    busy_ = true;
    wanted_ = options_.settings().send;
    co_await keep_changed();
    const Instant now = world_.loop.clock().now();
    if (!stopping_ && wanted_ && now - Instant(std::chrono::days(day_of(now))) > delay_)
      co_await send_before(day_of(now), Pauses::kept);
    busy_ = false;
    free_.notify_all();
  }
  // An end that came while the loop restored or waited: what was told since is kept too.
  while (busy_) co_await free_.wait();
  co_await keep_changed();
  running_ = false;
  ended_.notify_all();
}

Task<void> ReportSending::stop() {
  stopping_ = true;
  woken_->notify_all();
  while (running_) co_await ended_.wait();
}

}  // namespace goniec
