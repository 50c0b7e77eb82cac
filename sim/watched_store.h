// A Store before the real one that tells the laws what was asked and answered, and that can break
// each law on purpose: the proof that it would be seen (the mutation check).
// It changes nothing else: what the real store answers is what the node hears.
#pragma once
#include <memory>

#include "sim/laws.h"
#include "sim/world.h"

namespace goniec {

enum class Mutation {
  none,
  lost_spool,         // acknowledged, and nothing of it written
  lying_sync,         // the disk says synced and is not
  two_leases,         // an entry is leased while it is leased
  early_retry,        // the store hears of half the wait that was planned
  early_after_start,  // a store that was just opened takes what is due in ten hours
  no_jitter,          // every wait of a step is as long
  event_twice,        // a cursor sees one again
  event_lost,         // and one not at all
  no_notice,          // a failure that nobody is told of
  stuck,              // what is deferred is never tried again
  too_many,           // connections a site
  too_many_in_all,    // connections
  too_many_messages,  // on a connection
  too_many_sessions,  // inbound
  too_many_drafts,    // messages being received
  too_often,          // calls of a site that does not answer
  too_wide,           // more leases than the window has
  stampede,           // each call of a site is two
  hoarding,           // something is kept of each message
  another_reopening,  // the store differs when it is opened once more
};
std::optional<Mutation> mutation_of(std::string_view name);
std::vector<std::string> mutation_names();
// Whether the law that is meant is among what was broken.
bool is_seen(Mutation mutation, const std::vector<std::string>& broken);

// `laws` outlives it. Reading shares one Reader: everything is on one thread.
std::unique_ptr<Store> watch_store(std::unique_ptr<Store> store, Laws& laws, const Clock& clock,
                                   Mutation mutation);

}  // namespace goniec
