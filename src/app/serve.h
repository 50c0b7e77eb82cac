// `goniec serve`: reads the config, takes the storage lock, opens the store and every listener,
// drops privileges, and serves until SIGTERM. Exit codes: 0 drained, 74 store damaged, 75 the
// storage is in use, 77 not permitted, 78 config.
#pragma once
#include <string>

namespace goniec {

struct ServeOptions {
  std::string config_file;
};
int serve(const ServeOptions& options);

}  // namespace goniec
