// How the SQLite engine runs a batch: one answer an item, in order; the loop around every writing
// verb.
#pragma once
#include "store/sqlite/engine.h"

namespace goniec {

inline std::uint64_t octets_of(const ChunkWrite& chunk) {
  return chunk.octets.size();
}
inline std::uint64_t octets_of(const SpoolRequest& request) {
  return request.message.content.prepend.size() + request.message.content.header.size() +
         body_octets(request) + 4096;
}
template <class Request>
std::uint64_t octets_of(const Request&) {
  return 0;
}

template <class Answer, class Request, class Verb>
std::vector<Result<Answer>> SqliteStore::each(std::span<const Request> batch, Group group,
                                              Room room, Verb verb) {
  std::vector<Result<Answer>> answers;
  answers.reserve(batch.size());
  for (const auto& request : batch) {
    if (auto begun = group == Group::cold ? begin() : check_open(); !begun) {
      answers.push_back(std::unexpected(begun.error()));
      continue;
    }
    if (room == Room::needed) {
      if (auto fits = check_room(octets_of(request)); !fits) {
        answers.push_back(std::unexpected(fits.error()));
        continue;
      }
    }
    answers.push_back(verb(request));
  }
  return answers;
}

}  // namespace goniec
