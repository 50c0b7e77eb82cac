// auditor client|sink|judge|stub --option value …: the mail-loss auditor. It speaks SMTP
// and nothing else, so that any server can be put through it; what the parts do stands in their
// own files. Refuses: unknown words (64). Promises: what the parts say, their disk has.
#include <csignal>
#include <cstdio>
#include <map>
#include <string>

#include "tests/torture/wire.h"

int main(int count, char** words) {
  const std::map<std::string, int (*)(const audit::Options&)> parts = {
      {"client", audit::run_client},
      {"sink", audit::run_sink},
      {"judge", audit::run_judge},
      {"stub", audit::run_stub}};
  std::signal(SIGPIPE, SIG_IGN);
  const auto part = count > 1 ? parts.find(words[1]) : parts.end();
  if (part == parts.end()) {
    std::fprintf(stderr, "auditor client|sink|judge|stub --option value …\n");
    return 64;
  }
  return part->second(audit::read_options(count - 2, words + 2));
}
