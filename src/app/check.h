// The commands that need no server: config test, show, explain, diff; doctor; backup restore.
#pragma once
#include <string>

#include "app/command.h"

namespace goniec {

int run_config_test(const Common& common);
int run_config_show(const Common& common, bool effective);
struct ExplainOptions {
  std::string key;
  bool all = false, markdown = false;
};
int run_config_explain(const Common& common, const ExplainOptions& options);
int run_config_diff(const Common& common, const std::string& other);  // 1: they differ

// Looks at the config, its files, the store and the running server. `salvage`: read what is whole
// of a damaged store into that folder. 0 all well, 1 something is not, 74 the store is damaged.
int run_doctor(const Common& common, const std::string& salvage);
int run_backup_restore(const Common& common, const std::string& directory);

}  // namespace goniec
