// goniec dns DOMAIN: which records the domain needs for mail here, merged with what DNS has, and
// (--check) what is right of it. Asks DNS itself, by the resolver of the config, so that it works
// before the server does; DKIM keys are asked of the running server.
// Exit: 0, 1 (--check: something is wrong), 64 no domain.
#pragma once
#include <string>
#include <vector>

#include "app/command.h"

namespace goniec {

struct DnsOptions {
  std::string domain;
  bool check = false;
  std::string format = "table";
  std::vector<std::string> addresses;  // --address
};
int run_dns(const Common& common, const DnsOptions& options);

}  // namespace goniec
