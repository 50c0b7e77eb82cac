// How much memory the process may have, and how much it has: what budgets are made from.
//
// The limit is the least of: the machine's memory; the limits of the control group the process is
// in and of those above it, version 2 (`memory.max`) or 1 (`memory.limit_in_bytes`); RLIMIT_AS and
// RLIMIT_DATA. Read once when asked: a limit that is changed later counts at the next asking.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace goniec {

std::uint64_t memory_limit_octets();
std::uint64_t resident_octets();  // of this process; 0 where the system does not tell
// What the allocator keeps of memory that was freed goes back to the system: milliseconds.
void return_free_memory();

// The text of a file, or nothing.
using ReadFile = std::function<std::optional<std::string>(const std::string& path)>;
// The least limit of the groups in `memberships` (the text of /proc/self/cgroup); nothing: none.
std::optional<std::uint64_t> control_group_limit(std::string_view memberships,
                                                 const ReadFile& read);

}  // namespace goniec
