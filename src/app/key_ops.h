// The commands about the keys of the API: goniec key create, list, revoke.
// They ask the running server over goniec.sock, as all that change something do.
// The secret of a new key is printed once, alone on its line, and kept nowhere.
#pragma once
#include <string>
#include <vector>

#include "app/command.h"

namespace goniec {

struct KeyOptions {
  std::string name;
  std::vector<std::string> scopes, networks;
  std::string domain, stream;
  bool sandbox = false, sendgrid = false;
};
int run_key_create(const Common& common, const KeyOptions& options);
int run_key_list(const Common& common);
int run_key_revoke(const Common& common, const std::string& id);

}  // namespace goniec
