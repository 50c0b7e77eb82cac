// `sendmail -bs`: SMTP on stdin and stdout (mutt, Pine, Alpine), each message handed to the submit
// socket. The session is the server's own grammar (proto/smtp/server); there is no login and no
// TLS: the peer credentials of the socket say who speaks.
#pragma once
#include <string>

namespace goniec {

struct StdinSmtpOptions {
  std::string socket;    // submit socket
  std::string hostname;  // for the greeting
};
int speak_smtp_on_stdin(const StdinSmtpOptions& options);

}  // namespace goniec
