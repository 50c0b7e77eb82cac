// Drives an Inquiry (proto/inquiry.h) over the Resolver door: the wire and the judge meet here.
//
//   Findings findings;
//   auto verdict = co_await ask(loop, resolver, findings, deadline, judge);
//
// Questions that the judgement asks together go out together. What has no answer by the deadline
// is `temporary`, so that the judgement always ends. REQUIRES findings and judge to live until the
// task is done.
#pragma once
#include <utility>

#include "proto/inquiry.h"
#include "run/world.h"

namespace goniec {

// Answers everything that `findings` lacks; after the deadline at once, by `temporary`.
Task<void> answer_missing(Loop& loop, Resolver& resolver, Findings& findings, Moment deadline);

template <class Judge>
auto ask(Loop& loop, Resolver& resolver, Findings& findings, Moment deadline, Judge& judge)
    -> Task<typename decltype(judge(findings))::value_type> {
  for (;;) {
    if (auto verdict = judge(findings)) co_return std::move(*verdict);
    co_await answer_missing(loop, resolver, findings, deadline);
  }
}

}  // namespace goniec
