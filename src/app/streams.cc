// Streams in a node: who suppresses by himself, and the pages that links in mail lead to. The parts
// live on the first shard; what they know is in NodeCore. No logic: the parts are given what they
// need of the rules and of the config, as functions.
#include "app/node_parts.h"
#include "base/text.h"
#include "mail/arf.h"
#include "mail/bounce.h"

namespace goniec {
namespace {

// A report that says "this is no spam", or that a signature failed, is no complaint.
std::optional<Complaint> read_complaint(std::string_view mail, std::string_view hostname) {
  const auto report = read_feedback_report(mail);
  if (!report || (report->type != FeedbackType::abuse && report->type != FeedbackType::fraud))
    return std::nullopt;
  auto recipient = Address::parse(report->recipient());
  return Complaint{report->returned_header, recipient ? std::move(*recipient) : Address(),
                   std::string(name_of(report->type)), report->original_mail_from,
                   queue_ids_in(report->returned_header, hostname)};
}

}  // namespace

void Node::State::make_streams() {
  NodeShard& first = *shards.front();
  SuppressingOptions options;
  options.sandbox = settings().sandbox.domain;
  options.forward = [this] { return inbound_options_now()->intake.forward; };
  options.is_dead_address = [this](const Reply& reply, std::string_view site,
                                   std::string_view domain, std::string_view phase) {
    BounceFacts facts;
    facts.site = site;
    facts.domain = domain;
    facts.phase = phase;
    return bounces_now()->classify(reply, facts).is_dead_address();
  };
  options.read_complaint = [this](std::string_view mail) {
    return read_complaint(mail, inbound_options_now()->intake.hostname);
  };
  suppressing = std::make_unique<Suppressing>(SuppressingParts{.world = *first.world,
                                                               .queue = *queue,
                                                               .committer = *committer,
                                                               .readers = *readers,
                                                               .directory = *directory,
                                                               .forwarding = forwarding,
                                                               .links = links,
                                                               .suppressions = suppressions,
                                                               .metrics = metrics,
                                                               .log = log},
                                              std::move(options));
  sandbox = std::make_unique<Sandbox>(
      SandboxParts{.world = *first.world,
                   .queue = *queue,
                   .directory = *directory,
                   .log = log,
                   .intake = [this] { return inbound_options_now()->intake; }},
      settings().sandbox.domain);
  public_pages = std::make_unique<PublicPages>(PublicPagesParts{.world = *first.world,
                                                                .committer = *committer,
                                                                .readers = *readers,
                                                                .streams = streams,
                                                                .suppressions = suppressions,
                                                                .links = links,
                                                                .metrics = metrics});
}

void Node::State::start_streams() {
  suppressing->start();
  if (const auto started = sandbox->start(sandbox_socket(settings())); !started)
    say(LogLevel::warning, "sandbox.failed",
        fmt::format("warning: the sandbox takes no mail: {}", started.error().message));
}

// The sandbox ends with its carriers' connections: those are in the queue, durable.
Task<void> Node::State::stop_streams() {
  co_await suppressing->stop();
  co_await sandbox->stop();
}

}  // namespace goniec
