// A stream behind a load balancer that speaks the PROXY protocol (proto/proxy.h): its header is
// read first, octet by octet, so that what follows belongs to TLS or HTTP; from then on the stream
// says that it comes from whom the header names. For listeners whose engines know nothing of it.
//
// Refuses, with an Error: what is no header, a peer that ends or is too slow.
#pragma once
#include <memory>

#include "run/world.h"

namespace goniec {

Task<Result<std::unique_ptr<Stream>>> take_proxy_header(std::unique_ptr<Stream> stream,
                                                        Moment deadline);

}  // namespace goniec
