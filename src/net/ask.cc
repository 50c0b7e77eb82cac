// See ask.h: one lookup a question, all at once; the last one to land wakes the asker.
#include "net/ask.h"

#include "run/task.h"

namespace goniec {
namespace {

Task<void> look_up(Resolver& resolver, Findings& findings, DnsQuestion question, Moment deadline,
                   std::size_t& open, Signal& landed) {
  DnsAnswer answer = co_await resolver.lookup(question.name, question.type, deadline);
  findings.learn(question, std::move(answer));
  if (--open == 0) landed.notify_all();
}

}  // namespace

Task<void> answer_missing(Loop& loop, Resolver& resolver, Findings& findings, Moment deadline) {
  const auto missing = findings.take_missing();
  if (loop.clock().moment() >= deadline) {
    for (const DnsQuestion& question : missing) {
      DnsAnswer late;
      late.why = "no DNS answer in time";
      findings.learn(question, std::move(late));
    }
    co_return;
  }
  std::size_t open = missing.size();
  Signal landed;
  for (const DnsQuestion& question : missing)
    spawn(look_up(resolver, findings, question, deadline, open, landed));
  while (open > 0) co_await landed.wait();
}

}  // namespace goniec
