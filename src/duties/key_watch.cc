// See key_watch.h.
#include "duties/key_watch.h"

#include "base/text.h"
#include "trust/tags.h"

namespace goniec {

KeyWatch::KeyWatch(World& world, SigningKeys& keys, KeyWatchOptions options, LogSink& log)
    : world_(world), keys_(keys), options_(options), log_(log) {}

std::string publication_problem(const SigningKey& key, const DnsAnswer& answer) {
  switch (answer.status) {
    case DnsStatus::temporary:
    case DnsStatus::bogus:
      return "DNS cannot tell" + (answer.why.empty() ? "" : ": " + answer.why);
    case DnsStatus::no_data:
    case DnsStatus::no_such_domain:
      return "there is no record";
    case DnsStatus::found:
      break;
  }
  for (const DnsRecord& record : answer.records) {
    const auto* text = std::get_if<std::string>(&record);
    if (!text) continue;
    const KeyRecord read = read_key_record(*text, key.algorithm);
    const auto data = base64_of_tag(read_tags(*text).value("p").value_or(""));
    if (!read.problem && data == key.public_data) return {};
  }
  return "the record is another one";
}

Task<void> KeyWatch::look() {
  for (const SigningKey& key : keys_.all()) {
    if (stopping_ || key.state != SigningKeyState::pending) continue;
    const std::string name = key.record_name();
    const DnsAnswer answer = co_await world_.resolver.lookup(
        name, DnsType::txt, world_.loop.clock().moment() + options_.lookup);
    std::string problem = publication_problem(key, answer);
    LogRecord record;
    record.at = world_.loop.clock().now();
    record.program = "master";
    if (problem.empty()) {
      auto changed =
          co_await keys_.set_state(world_.loop, key.domain, key.selector, SigningKeyState::active);
      if (!changed) problem = changed.error().message;
    }
    if (problem.empty()) {
      said_.erase(name);
      record.event = "dkim.active";
      record.text =
          fmt::format("{} is in DNS: mail of {} is signed with it now", name, key.domain.ascii());
      log_.write(std::move(record));
    } else if (said_[name] != problem) {
      said_[name] = problem;
      record.event = "dkim.pending";
      record.text = fmt::format("{} is not used yet: {}", name, problem);
      log_.write(std::move(record));
    }
  }
}

void KeyWatch::start() {
  running_ = true;
  spawn(run());
}

Task<void> KeyWatch::run() {
  while (!stopping_) {
    co_await look();
    const Moment next = world_.loop.clock().moment() + options_.interval;
    world_.loop.at(next, [woken = woken_] { woken->notify_all(); });
    while (!stopping_ && world_.loop.clock().moment() < next) co_await woken_->wait();
  }
  running_ = false;
  ended_.notify_all();
}

Task<void> KeyWatch::stop() {
  stopping_ = true;
  woken_->notify_all();
  while (running_) co_await ended_.wait();
}

}  // namespace goniec
