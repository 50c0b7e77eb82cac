// The lines of a session in the Postfix grammar (so that fail2ban, pflogsumm and logwatch read
// them), and their fields for JSON. These are notices, not message events: they may be dropped
// under load.
#pragma once
#include <string>

#include "base/log.h"
#include "mail/journey.h"
#include "proto/smtp/server.h"

namespace goniec {

std::string smtpd_program(
    ListenerKind kind);  // "smtpd", "submission/smtpd", "smtps/smtpd", "lmtpd"

LogRecord connect_line(const Caller& caller, Instant at);
LogRecord disconnect_line(const Caller& caller, const smtp::SessionCounts& counts, Instant at);
LogRecord refused_connection_line(const Caller& caller, const Reply& reply, std::string_view rule,
                                  Instant at);
LogRecord reject_line(const Caller& caller, const Transaction& transaction, std::string_view phase,
                      std::string_view recipient, const Reply& reply, std::string_view rule,
                      Instant at);
LogRecord login_failed_line(const Caller& caller, std::string_view mechanism, std::string_view user,
                            std::string_view rule, Instant at);
LogRecord cut_line(const Caller& caller, std::string_view what, std::string_view phase, Instant at);

}  // namespace goniec
