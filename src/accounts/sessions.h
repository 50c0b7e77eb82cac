// Sessions of people in a browser: who logged in to the dashboard. In memory only: after a restart
// one logs in again. A session is known by a token of 32 octets of real chance, of which only the
// hash is kept; `csrf` is what a page must show with every change (it cannot be read from another
// origin). Bounded: the one that was used longest ago goes.
#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/digest.h"
#include "base/time.h"
#include "mail/address.h"

namespace goniec {

struct SessionLimits {
  std::size_t sessions = 1000;
  Duration idle = std::chrono::hours(12), whole = std::chrono::days(7);
};

struct Session {
  Address user;
  std::string csrf;
  Instant opened{}, used{};
};

class Sessions {
 public:
  explicit Sessions(SessionLimits limits = {}) : limits_(limits) {}

  // ---- any thread
  std::string open(const Address& user, Instant now);                // its token
  std::optional<Session> find(std::string_view token, Instant now);  // and it was used now
  void close(std::string_view token);
  void close_all_of(const Address& user);  // its password changed, it is gone
  Instant expires_at(const Session& session) const;

 private:
  bool is_over(const Session& session, Instant now) const;
  SessionLimits limits_;
  std::mutex mutex_;
  std::map<Sha256, Session> sessions_;
};

}  // namespace goniec
