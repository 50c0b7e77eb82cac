// The accept loops of one shard: a session for each connection, and the end of all of them. Lives
// on its loop. stop(): listeners close at once, sessions between messages get 421, those inside a
// message may finish until `deadline`, then their streams are closed.
#pragma once
#include <memory>
#include <unordered_set>
#include <vector>

#include "inbound/session.h"

namespace goniec {

class Acceptor {
 public:
  explicit Acceptor(InboundParts& parts) : parts_(parts) {}
  void add(std::unique_ptr<Listener> listener, ListenerOptions options);  // begins to accept
  Task<void> stop(Moment deadline);
  std::size_t sessions() const { return sessions_.size(); }

 private:
  struct Open {
    std::unique_ptr<Listener> listener;
    ListenerOptions options;
  };
  Task<void> accept_loop(Open& open);
  Task<void> serve(ListenerOptions options, std::unique_ptr<Stream> stream);

  InboundParts& parts_;
  std::vector<std::unique_ptr<Open>> listeners_;
  std::unordered_set<SmtpSession*> sessions_;
  std::size_t loops_ = 0;
  bool stopping_ = false;
  Signal changed_;
};

}  // namespace goniec
