// Internal: shows a Shard's io_context to net/. No header that others include may include this.
// net/ needs it to put descriptors (sockets, libunbound's pipe) into the reactor; all other rooms
// see a Shard as a Loop.
#pragma once
#include <boost/asio/io_context.hpp>

#include "run/shard.h"

namespace goniec {

using Executor = boost::asio::io_context::executor_type;

boost::asio::io_context& io_context_of(Shard& shard);

}  // namespace goniec
