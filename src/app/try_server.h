// `goniec try`: a whole server in a scratch folder, in one command and without a word of
// configuration: domain, account, key, certificate. Nothing leaves the machine: all mail that is
// not for its own mailbox goes to the sandbox (docs/sandbox.md). Ends with Ctrl-C, and its folder
// goes too, unless it is to be kept.
#pragma once
#include "app/command.h"

namespace goniec {

struct TryOptions {
  bool keep = false;
  std::string folder;  // "": a new one under TMPDIR
};
int run_try(const Common& common, const TryOptions& options);

}  // namespace goniec
