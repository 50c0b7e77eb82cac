// See memory.h. Inside a container the path of the group may be that of the host: then only the
// root of the mounted hierarchy is there, and it is the container's own group.
#include "run/memory.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include "base/text.h"

// There where mimalloc is linked (docs/decisions/allocator.md), null elsewhere.
extern "C" void mi_collect(bool force) __attribute__((weak));

namespace goniec {
namespace {

constexpr std::string_view mount_point = "/sys/fs/cgroup";

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// "max" (version 2) and no number at all are no limit; version 1 says a huge number instead.
std::optional<std::uint64_t> number_in(const std::optional<std::string>& text) {
  std::uint64_t value = 0;
  if (!text || text->empty() ||
      std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc())
    return std::nullopt;
  return value;
}

void take_least(std::optional<std::uint64_t>& least, std::optional<std::uint64_t> other) {
  if (other) least = std::min(least.value_or(*other), *other);
}

void take_least_upwards(std::optional<std::uint64_t>& least, std::string_view folder,
                        std::string_view path, std::string_view file, const ReadFile& read) {
  for (std::string at(path);;) {
    while (at.ends_with('/')) at.pop_back();
    take_least(least, number_in(read(fmt::format("{}{}/{}", folder, at, file))));
    if (at.empty()) return;
    at.resize(at.rfind('/') == std::string::npos ? 0 : at.rfind('/'));
  }
}

std::uint64_t page_octets() {
  return static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

std::optional<std::uint64_t> control_group_limit(std::string_view memberships,
                                                 const ReadFile& read) {
  std::optional<std::uint64_t> least;
  for (std::string_view line : split(memberships, '\n')) {  // ID:CONTROLLERS:PATH
    const auto first = line.find(':');
    const auto second = first == line.npos ? first : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string_view path = line.substr(second + 1);
    const auto controllers = split(line.substr(first + 1, second - first - 1), ',');
    if (line.starts_with("0::"))
      take_least_upwards(least, mount_point, path, "memory.max", read);
    else if (std::ranges::find(controllers, "memory") != controllers.end())
      take_least_upwards(least, fmt::format("{}/memory", mount_point), path,
                         "memory.limit_in_bytes", read);
  }
  return least;
}

std::uint64_t memory_limit_octets() {
  std::uint64_t least = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * page_octets();
  const auto memberships = read_file("/proc/self/cgroup");
  least = std::min(least, control_group_limit(memberships.value_or(""), read_file).value_or(least));
  for (const auto what : {RLIMIT_AS, RLIMIT_DATA}) {
    rlimit limit{};
    if (getrlimit(what, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
      least = std::min<std::uint64_t>(least, limit.rlim_cur);
  }
  return least;
}

std::uint64_t resident_octets() {
  std::uint64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * page_octets();
}

void return_free_memory() {
  if (mi_collect)
    mi_collect(true);
  else
    ::malloc_trim(0);
}

}  // namespace goniec
