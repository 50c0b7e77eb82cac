// Commands on the search projection: messages found, counts, everything as lines, a projection
// filled anew, a person erased. Each asks the running server.
// docs/analytics.md has their use, docs/cli.md their options and exit codes.
#pragma once
#include <string>
#include <vector>

#include "app/command.h"

namespace goniec {

struct SearchOptions {
  std::vector<std::string> words;  // of the grammar in api/search_query.h
  std::size_t limit = 20;
  std::string since, until;
  std::string group_by = "day";
  std::string format;  // "", "csv", "ndjson"
  std::string kind;    // of an export: "emails", "events"
  std::string address;
  bool mailbox = false;
};

int run_search_find(const Common& common, const SearchOptions& options);
int run_search_status(const Common& common);
int run_search_rebuild(const Common& common);
int run_stats(const Common& common, const SearchOptions& options);
int run_export(const Common& common, const SearchOptions& options);
int run_erase(const Common& common, const SearchOptions& options);

}  // namespace goniec
