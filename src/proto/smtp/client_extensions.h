// Reads the answer to EHLO or LHLO into Extensions (RFC 5321 §4.1.1.1; SIZE RFC 1870, AUTH RFC
// 4954, LIMITS RFC 9422). Keywords in any case; what is unknown or broken counts as not offered;
// the old form "AUTH=LOGIN" is read too.
#pragma once
#include "mail/reply.h"
#include "proto/smtp/client.h"

namespace goniec::smtp {

Extensions parse_extensions(const Reply& reply);

}  // namespace goniec::smtp
