// The POP3 accept loops of one shard: a session for each connection, and the end of all of them.
// Lives on its loop. stop(): listeners close at once, sessions between commands are told and
// closed, those that send a message may finish until `deadline`, then their streams are closed; it
// ends when all have.
#pragma once
#include <unordered_set>

#include "reading/pop3.h"

namespace goniec {

class Pop3Acceptor {
 public:
  explicit Pop3Acceptor(Pop3Parts& parts) : parts_(parts) {}
  void add(std::unique_ptr<Listener> listener, Pop3Listener options);  // begins to accept
  Task<void> stop(Moment deadline);
  std::size_t sessions() const { return sessions_.size(); }

 private:
  struct Open {
    std::unique_ptr<Listener> listener;
    Pop3Listener options;
  };
  Task<void> accept_loop(Open& open);
  Task<void> serve(Pop3Listener options, std::unique_ptr<Stream> stream);

  Pop3Parts& parts_;
  std::vector<std::unique_ptr<Open>> listeners_;
  std::unordered_set<Pop3Session*> sessions_;
  std::size_t loops_ = 0;
  bool stopping_ = false;
  // Shared with the timer of stop(), which may fire after the acceptor is gone.
  std::shared_ptr<Signal> changed_ = std::make_shared<Signal>();
};

}  // namespace goniec
