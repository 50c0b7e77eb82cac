// sendmail, mailq and newaliases: by the name of the program, or as `goniec sendmail …`.
//
// What PHP, cron, mutt and git call. Talks to the submit socket (peer credentials say who calls),
// needs no config. Flags: product contract of sendmail(8) as its callers use it; an unknown flag is
// exit 64 that names it. Exit codes of sysexits(3): 0 64 65 67 69 75 77 78. No server: exit 75, one
// line.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace goniec {

// The exit code when this run is one of the three; nullopt: it is `goniec`.
std::optional<int> run_as_sendmail(int argc, char** argv);

enum class SendmailMode {
  deliver,
  smtp,
  list_queue,
  new_aliases,
  verify,
  run_queue,
  refuse_daemon
};
struct SendmailArguments {
  SendmailMode mode = SendmailMode::deliver;
  bool recipients_from_header = false;   // -t
  bool dot_ends = true;                  // no -i, -oi
  std::optional<std::string> sender;     // -f, -r; "" = <>
  std::string full_name;                 // -F
  std::string notify, ret, envid, body;  // -N -R -V -B
  std::string config_file;               // -C
  bool verbose = false;
  std::vector<std::string> recipients;
};
// usage errors name the flag.
Result<SendmailArguments> parse_sendmail(std::string_view program,
                                         const std::vector<std::string>& arguments);

struct MessageFacts {
  std::string from_address;  // login name, or what -f says
  std::string full_name;     // GECOS or -F
  std::string domain;        // /etc/mailname, else the host name
  Instant now{};
  std::string unique;  // for the Message-ID
  bool recipients_from_header = false;
};
struct CompletedMessage {
  std::string text;                     // LF line ends
  std::vector<std::string> recipients;  // -t: of To, Cc, Bcc (or of the Resent- fields)
};
// Adds From, Date, Message-ID and a To where missing; -t: takes the recipients and removes Bcc.
Result<CompletedMessage> complete_message(std::string_view text, const MessageFacts& facts);

}  // namespace goniec
