// What the verbs mean, apart from where the rows lie: the rules that every engine shares. Pure;
// time is an argument. An engine checks first and writes after, so that an item that fails leaves
// no trace.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "store/codec.h"
#include "store/store.h"

namespace goniec {

// bad_data names what is wrong with the request: ids, states, chunk sizes and counts.
// `chunks_before` were written by write_chunks.
Result<void> check_spool(const SpoolRequest& request, const StoreLimits& limits,
                         std::uint32_t chunks_before);
Result<void> check_chunk(const ChunkWrite& chunk, const StoreLimits& limits);
Result<void> check_outcomes(const Entry& entry, const std::vector<Outcome>& outcomes,
                            std::size_t delay_notified);
Error stale_lease(const EntryId& id);
Error unknown_entry(const EntryId& id);
Error unknown_message(MessageId id);

StoredMessage stored_message(const SpoolRequest& request, std::uint32_t chunks_before);
std::uint64_t body_octets(const SpoolRequest& request);  // of request.chunks

// The entry after a settle: due again, or settled when no recipient is queued.
Entry after_settle(Entry entry, const SettleRequest& request);

enum class ChangeEffect { nothing, update, remove };
struct Changed {
  Entry entry;
  ChangeEffect effect = ChangeEffect::nothing;
};
// conflict when the entry is leased and the action is not retry.
Result<Changed> after_change(Entry entry, const QueueChange& change, bool leased);

// Whether a spool or a lease by hand may take it now.
bool is_due(const StoredEntry& entry, Instant now);

// Sums entries, given in the order of their ids, to statistics.
class StatsCounter {
 public:
  void add(const EntryId& id, const EntrySummary& entry, bool leased);
  QueueStats take() &&;

 private:
  QueueStats stats_;
  MessageId last_;
  std::map<std::string, QueueStats::Site, std::less<>> sites_;
};

bool matches(const QueueFilter& filter, const Message& message, const Entry& entry);

}  // namespace goniec
