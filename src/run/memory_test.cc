// The limit of a control group is found in both versions, at the group and above it.
#include "run/memory.h"

#include <gtest/gtest.h>

#include <map>

namespace goniec {
namespace {

TEST(Memory, the_least_limit_of_the_control_groups_counts) {
  struct Case {
    const char* what;
    const char* memberships;
    std::map<std::string, std::string> files;
    std::optional<std::uint64_t> limit;
  };
  const Case cases[] = {
      {"no groups", "", {}, {}},
      {"version 2", "0::/a/b\n", {{"/sys/fs/cgroup/a/b/memory.max", "1000\n"}}, 1000},
      {"version 2 without limit", "0::/a\n", {{"/sys/fs/cgroup/a/memory.max", "max\n"}}, {}},
      {"a parent's limit is smaller",
       "0::/a/b\n",
       {{"/sys/fs/cgroup/a/b/memory.max", "1000\n"}, {"/sys/fs/cgroup/a/memory.max", "700\n"}},
       700},
      {"version 1",
       "5:cpu,cpuacct:/x\n4:memory:/m\n",
       {{"/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "2000\n"}},
       2000},
      {"both versions",
       "4:memory:/m\n0::/u\n",
       {{"/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "2000\n"},
        {"/sys/fs/cgroup/u/memory.max", "1500\n"}},
       1500},
      {"a container sees the path of its host and the root of its own",
       "4:memory:/docker/f00\n",
       {{"/sys/fs/cgroup/memory/memory.limit_in_bytes", "3000\n"}},
       3000},
      {"other controllers have other limits",
       "3:pids:/p\n",
       {{"/sys/fs/cgroup/memory/p/memory.limit_in_bytes", "1\n"}},
       {}},
  };
  for (const Case& each : cases) {
    const auto read = [&](const std::string& path) -> std::optional<std::string> {
      const auto found = each.files.find(path);
      if (found == each.files.end()) return std::nullopt;
      return found->second;
    };
    EXPECT_EQ(control_group_limit(each.memberships, read), each.limit) << each.what;
  }
}

TEST(Memory, this_process_has_some_and_may_have_more) {
  EXPECT_GT(resident_octets(), 0u);
  EXPECT_GT(memory_limit_octets(), resident_octets());
}

}  // namespace
}  // namespace goniec
