// `goniec queue …`: list, show, statistics, and changes by hand, over the running server.
#pragma once
#include <string>
#include <vector>

#include "app/command.h"

namespace goniec {

struct QueueSelectionOptions {
  std::vector<std::string> ids;
  std::string to, from, domain, provider, stream, state, older_than, reason;
  bool all = false;
};

int run_queue_list(const Common& common, const QueueSelectionOptions& options);
int run_queue_show(const Common& common, const QueueSelectionOptions& options);
int run_queue_stats(const Common& common);
// `action`: retry, hold, release, bounce, delete.
int run_queue_change(const Common& common, const std::string& action,
                     const QueueSelectionOptions& options);

// The list as mailq shows it, for sendmail -bp; also of the caller's own messages.
std::string mailq_text(const std::vector<JsonValue>& messages);

}  // namespace goniec
