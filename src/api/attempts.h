// The attempts to deliver a message, made of its events, and what was said in each as far as that
// is kept (store/transcript_log.h). Pure: whoever calls has read both.
//
//   events -> attempts_of() -> find_conversations(kept) -> write_attempt() each
#pragma once
#include <vector>

#include "base/json.h"
#include "mail/journey.h"
#include "store/transcript_log.h"

namespace goniec {

bool is_attempt(EventKind kind);

struct Attempt {
  Instant at{};
  std::string host, phase, reply, tls;
  double ms = 0;
  std::int64_t number = 0;
  std::vector<std::string> recipients;
  const KeptTranscript* said = nullptr;  // null: it is not kept
};

// One a connection and reply: recipients of one attempt that heard the same stand together.
std::vector<Attempt> attempts_of(const std::vector<Event>& events);

// Gives each attempt its conversation, which ended within two minutes of it at its host. One
// belongs to the attempt that it is nearest to: of the others the own was dropped, and a
// neighbour's must not pass for it. Recipients who were answered differently in one conversation
// stand together afterwards.
void find_conversations(std::vector<Attempt>& attempts, const std::vector<KeptTranscript>& kept);

// An item of `attempts` of GET /emails/{id}/transcript.
void write_attempt(JsonWriter& w, const Attempt& attempt);

}  // namespace goniec
