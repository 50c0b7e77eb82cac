// The search projection of a node: opened and filled after everything else stands, ended before the
// store goes. What fails here stops no mail: lists and statistics are refused then, and the log
// says why.
#include "app/node_parts.h"

namespace goniec {

void Node::State::open_transcripts() {
  auto opened = TranscriptLog::open(
      disk, clock, storage_path + "/transcripts",
      [this] {
        std::lock_guard lock(mutex);
        return TranscriptLimits{settings().retention.transcripts,
                                settings().retention.transcripts_size};
      },
      metrics, log);
  if (opened)
    transcripts = std::move(*opened);
  else
    say(LogLevel::error, "transcripts.failed",
        "warning: conversations with other servers are not kept: " + opened.error().message);
}

void Node::State::start_projection() {
  if (settings().retention.search == Duration{} && settings().retention.statistics == Duration{})
    return;  // nothing is to be kept
  auto opened = Search::open(disk, storage_path + "/search");
  if (!opened) {
    say(LogLevel::error, "projection.failed",
        "warning: there are no lists and statistics: " + opened.error().message);
    return;
  }
  search = std::move(*opened);
  ProjectorOptions options;
  options.keep = [this] {
    std::lock_guard lock(mutex);
    return ProjectorRetention{settings().retention.search, settings().retention.statistics};
  };
  options.rules = [this] { return bounces_now(); };
  projector = std::make_unique<Projector>(*store, *search, clock, std::move(options), metrics, log);
  projector->start();
}

Task<Result<std::uint64_t>> Node::State::erase_rows(std::string address, std::string by,
                                                    bool dry_run) {
  auto& loop = shards.front()->loop;
  if (transcripts) {
    auto blanked = co_await offload->run(
        loop, [log = transcripts.get(), address, dry_run] { return log->erase(address, dry_run); });
    if (!blanked) co_return std::unexpected(blanked.error());
    if (!*blanked) co_return std::unexpected(blanked->error());
  }
  if (!projector) co_return std::uint64_t{0};
  Completion<Result<SearchErased>> done;
  projector->post([&](Search& projection) {
    auto erased =
        projection.erase(address, by, dry_run ? Search::Erase::dry_run : Search::Erase::now);
    loop.post([&done, erased = std::move(erased)]() mutable { done.complete(std::move(erased)); });
  });
  const auto erased = co_await done;
  if (!erased) co_return std::unexpected(erased.error());
  co_return erased->messages;
}

void Node::State::stop_projection() {
  if (projector) projector->stop();
}

}  // namespace goniec
