// The commands that talk to the running server: status, reload, domains, users, aliases, routes,
// backup, the event log, sending. Each takes its options, prints for people or (--json) one JSON
// document, and gives its exit code (PRODUCT: 0 1 64 65 67 69 74 75 77 78).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/command.h"

namespace goniec {

int run_status(const Common& common);
int run_reload(const Common& common);
int run_route(const Common& common, const std::string& address);
int run_backup_create(const Common& common, const std::string& directory);

struct DomainAdd {
  std::string domain;
  bool relay = false;
  std::string recipients;  // "", "verify", "any" or a file of addresses
};
int run_domain_add(const Common& common, const DomainAdd& options);
int run_domain_list(const Common& common);
int run_domain_remove(const Common& common, const std::string& domain);

struct UserOptions {
  std::string address;
  bool password_stdin = false;
  std::string quota;  // "" = unchanged, or none for a new user
  std::vector<std::string> send_as;
  bool scram = false;
};
int run_user_add(const Common& common, const UserOptions& options);
int run_user_passwd(const Common& common, const UserOptions& options);
int run_user_list(const Common& common);
int run_user_remove(const Common& common, const std::string& address);

int run_alias_add(const Common& common, const std::string& address,
                  const std::vector<std::string>& targets);
int run_alias_list(const Common& common);
int run_alias_remove(const Common& common, const std::string& address);

struct EventTail {
  std::optional<std::uint64_t> after;  // not given: from now on
  bool once = false;                   // print what is there and end
};
int run_event_tail(const Common& common, const EventTail& options);

struct SendCommand {
  std::string from;
  std::vector<std::string> to;
  bool wait = false;
  std::string file;  // "" = a short test message, "-" = stdin
};
int run_send(const Common& common, const SendCommand& options);

}  // namespace goniec
