// Asks the next hop of a relay domain whether it takes a recipient: MAIL FROM:<>, RCPT TO, RSET, on
// a connection of its own (`recipients = "verify"`). No content is ever sent.
//
//   ask(address) -> cache?  -> its reply
//                -> too many questions under way              450 4.3.2
//                -> sink                                       250
//                -> no host, no session, MAIL refused          450 4.4.1 with the reason
//                -> the reply to RCPT as it was said           2xx, 4xx, 5xx
//
// Only a reply to RCPT speaks of the recipient: a next hop that refuses us, our TLS or the null
// sender says nothing about it, so that is temporary. Every answer goes to the VerifyCache of the
// process. One shard; at most `questions` at once; the waits are far below the five minutes that
// our client grants its RCPT (RFC 5321 §4.5.3.2.3).
#pragma once
#include <memory>

#include "accounts/verify_cache.h"
#include "outbound/dispatcher.h"

namespace goniec {

class RecipientProbe {
 public:
  static constexpr std::size_t questions = 20;

  RecipientProbe(DispatcherOptions options, Hosts& hosts, VerifyCache& cache,
                 std::shared_ptr<const OutboundTls> tls, World& world);
  Task<Reply> ask(Address recipient);
  void set_options(DispatcherOptions options);  // reload: the routes

 private:
  Task<Reply> ask_next_hop(const Address& recipient);

  std::shared_ptr<const DispatcherOptions> options_;
  Hosts& hosts_;
  VerifyCache& cache_;
  std::shared_ptr<const OutboundTls> tls_;
  World& world_;
  std::size_t under_way_ = 0;
};

}  // namespace goniec
