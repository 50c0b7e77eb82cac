// The one translation unit that compiles Asio itself (BOOST_ASIO_SEPARATE_COMPILATION): all others
// see its declarations only. TLS is our own engine (net/tls), so Asio's SSL part is not compiled.
// Sockets, TLS and resolving of Asio stay unused: net/ waits for readiness only.
#include <boost/asio/impl/src.hpp>
