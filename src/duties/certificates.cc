// See certificates.h.
// The offload job gets copies; what it found comes back to the loop, where the state is.
#include "duties/certificates.h"

#include <algorithm>
#include <chrono>

#include "base/digest.h"
#include "base/text.h"

namespace goniec {
namespace {

std::int64_t days_until(Instant at, Instant now) {
  return std::chrono::floor<std::chrono::days>(at - now).count();
}

std::string name_of(const CertificateInUse& certificate) {
  return certificate.facts.names.empty() ? certificate.file : certificate.facts.names.front();
}

}  // namespace

Result<LoadedCertificates> load_certificates(Disk& disk,
                                             const std::vector<CertificateFiles>& files) {
  LoadedCertificates loaded;
  std::vector<TlsCertificate> pairs;
  std::string all;
  for (const auto& each : files) {
    auto pair = TRY(read_certificate(disk, each.certificate, each.key));
    all += view(sha256(pair.chain_pem));
    all += view(sha256(pair.key_pem));
    auto facts = facts_of(pair.chain_pem);
    if (!facts)
      return fail(facts.error().kind,
                  fmt::format("{}: {}", each.certificate, facts.error().message));
    loaded.in_use.push_back({each.certificate, std::move(*facts)});
    pairs.push_back(std::move(pair));
  }
  loaded.octets = view(sha256(all));
  if (!pairs.empty()) loaded.context = TRY(TlsContext::server(pairs));
  return loaded;
}

Certificates::Certificates(World& world, Disk& disk, CertificatesOptions options, Files files,
                           Swap swap, Metrics& metrics, LogSink& log)
    : world_(world),
      disk_(disk),
      options_(options),
      files_(std::move(files)),
      swap_(std::move(swap)),
      metrics_(metrics),
      log_(log) {}

void Certificates::say(LogLevel level, std::string event, std::string text) {
  LogRecord record;
  record.at = world_.loop.clock().now();
  record.level = level;
  record.event = std::move(event);
  record.program = "master";
  record.text = std::move(text);
  log_.write(std::move(record));
}

void Certificates::set(LoadedCertificates loaded) {
  in_use_ = std::move(loaded.in_use);
  octets_ = std::move(loaded.octets);
  complained_.clear();
  tell_expiry();
}

void Certificates::tell_expiry() {
  const Instant now = world_.loop.clock().now();
  for (const auto& each : in_use_) {
    const Instant end = each.facts.not_after;
    metrics_
        .gauge("goniec_tls_certificate_expiry_seconds",
               "Seconds until the certificate expires; negative: it has",
               {{"certificate", name_of(each)}})
        .set(std::chrono::duration<double>(end - now).count());
    if (end - now > options_.warning) continue;
    auto warned = std::find_if(warned_.begin(), warned_.end(),
                               [&](const auto& one) { return one.first == each.file; });
    if (warned == warned_.end()) warned = warned_.insert(warned_.end(), {each.file, Instant{}});
    if (now - warned->second < std::chrono::days(1)) continue;
    warned->second = now;
    say(LogLevel::warning, "certificate.expiry",
        end <= now ? fmt::format("warning: the certificate {} ({}) expired on {}", each.file,
                                 name_of(each), to_rfc3339(end))
                   : fmt::format("warning: the certificate {} ({}) expires in {} days", each.file,
                                 name_of(each), days_until(end, now)));
  }
}

Task<void> Certificates::look() {
  struct Work {
    Disk& disk;
    std::vector<CertificateFiles> files;
    Result<LoadedCertificates> operator()() { return load_certificates(disk, files); }
  };
  auto done = co_await world_.offload.run(world_.loop, Work{disk_, files_()});
  if (!done) co_return;  // too much work waits: at the next look
  auto& loaded = *done;
  if (!loaded) {
    if (complained_ == loaded.error().message) co_return;
    complained_ = loaded.error().message;
    say(LogLevel::error, "certificate.refused",
        fmt::format(
            "error: the certificate files changed and cannot be used, the ones in use stay: "
            "{}",
            complained_));
    co_return;
  }
  complained_.clear();
  if (loaded->octets == octets_ || !loaded->context) co_return;
  auto context = loaded->context;
  std::string names;
  for (const auto& each : loaded->in_use) names += (names.empty() ? "" : ", ") + name_of(each);
  set(std::move(*loaded));
  swap_(std::move(context), in_use_);
  say(LogLevel::info, "certificate.changed", "certificates read again: " + names);
}

void Certificates::start() {
  running_ = true;
  spawn(run());
}

Task<void> Certificates::run() {
  while (!stopping_) {
    const Moment next = world_.loop.clock().moment() + options_.interval;
    world_.loop.at(next, [woken = woken_] { woken->notify_all(); });
    while (!stopping_ && world_.loop.clock().moment() < next) co_await woken_->wait();
    if (stopping_) break;
    co_await look();
    tell_expiry();
  }
  running_ = false;
  ended_.notify_all();
}

Task<void> Certificates::stop() {
  stopping_ = true;
  woken_->notify_all();
  while (running_) co_await ended_.wait();
}

}  // namespace goniec
