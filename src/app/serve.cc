// See serve.h. Signals are taken by this thread alone: every other has them blocked.
#include "app/serve.h"

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "app/node.h"
#include "app/node_parts.h"
#include "base/text.h"

namespace goniec {
namespace {

int report(const Error& error) {
  std::fprintf(stderr, "goniec: %s\n", error.message.c_str());
  return exit_code(error.kind);
}

// As many descriptors as the system lets us have: connections are many, and files.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

void wait_for_signals(Node& node, Maillog& log, const sigset_t& signals) {
  for (;;) {
    int number = 0;
    if (sigwait(&signals, &number) != 0) continue;
    if (number != SIGHUP) return;
    notify_service_manager("RELOADING=1");
    if (auto reopened = log.reopen(maillog_options(node.config())); !reopened)
      report(reopened.error());
    if (auto reloaded = node.reload(); !reloaded) {
      LogRecord record;
      record.at = SystemClock().now();
      record.level = LogLevel::error;
      record.event = "reload.failed";
      record.program = "master";
      record.text =
          "error: reload refused, the old configuration stays: " + reloaded.error().message;
      log.write(std::move(record));
    }
    notify_service_manager("READY=1");
  }
}

}  // namespace

int serve(const ServeOptions& options) {
  auto loaded = load_config(options.config_file);
  if (!loaded) {
    std::fputs((text_of(loaded.error()) + "\n").c_str(), stderr);
    return exit_code(ErrorKind::config);
  }
  if (auto problems = check_config(loaded->config); !problems.empty()) {
    std::fputs((text_of(problems) + "\n").c_str(), stderr);
    return exit_code(ErrorKind::config);
  }
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();

  Metrics metrics;
  auto opened = Maillog::open(maillog_options(loaded->config), &metrics);
  if (!opened) return report(opened.error());
  Maillog& log = **opened;
  metrics.gauge("goniec_build_info", "Version", {{"version", GONIEC_VERSION}}).set(1);
  metrics.gauge("goniec_up", "1 while serving").set(1);
  auto node = Node::start(std::move(*loaded), log, metrics);
  if (!node) return report(node.error());
  notify_service_manager("READY=1");
  wait_for_signals(**node, log, signals);
  notify_service_manager("STOPPING=1");
  (*node)->stop();
  (*node)->wait();
  log.flush();
  return 0;
}

}  // namespace goniec
