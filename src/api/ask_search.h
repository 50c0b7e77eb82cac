// Questions to lists and statistics. They run on threads of their own: slow ones wait for each
// other, and hold up no login and no message. Errors: what the question answers; try_later when too
// many wait, or when there is no projection.
#pragma once
#include <memory>
#include <type_traits>
#include <utility>

#include "api/call.h"
#include "run/world.h"
#include "store/search.h"

namespace goniec {

// `question`: a function of a Search to a Result.
template <class Question>
Task<std::invoke_result_t<Question&, const Search&>> ask_search(ApiContext& context,
                                                                Question question) {
  if (!context.search)
    co_return fail(ErrorKind::try_later,
                   "there are no lists and statistics now; the server's log says why");
  Offload& threads = context.search_threads ? *context.search_threads : context.world.offload;
  auto answer = co_await threads.run(
      context.world.loop,
      [search = context.search, question = std::move(question)] { return question(*search); });
  if (!answer) co_return std::unexpected(answer.error());
  co_return *std::move(answer);
}

}  // namespace goniec
