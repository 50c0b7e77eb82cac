// `goniec dkim`: the keys that mail is signed with. `goniec srs`: the secret of forwarded senders.
// `goniec links`: the secret of the links in mail.
// Each command prints for people or (--json) the list of keys it is about, and gives its exit
// code (ops.h).
#pragma once
#include <string>

#include "app/command.h"

namespace goniec {

struct DkimOptions {
  std::string domain;     // list, check: "" is all
  std::string selector;   // "": chosen by the month
  std::string algorithm;  // "rsa", "ed25519", "both"; "": both, or as the keys in use
  bool now = false;
};
int run_dkim_create(const Common& common, const DkimOptions& options);
int run_dkim_rotate(const Common& common, const DkimOptions& options);
int run_dkim_list(const Common& common, const DkimOptions& options);
int run_dkim_check(const Common& common, const DkimOptions& options);
int run_dkim_retire(const Common& common, const DkimOptions& options);
int run_srs_rotate(const Common& common, bool drop_older);
int run_links_rotate(const Common& common);

// A TXT record as a line of a zone file: strings of at most 255 octets (RFC 1035 §3.3).
std::string zone_line(std::string_view name, std::string_view value);

}  // namespace goniec
