// See sessions.h.
#include "accounts/sessions.h"

#include <algorithm>

#include "trust/passwords.h"

namespace goniec {
namespace {

constexpr std::size_t token_octets = 32;

}  // namespace

bool Sessions::is_over(const Session& session, Instant now) const {
  return now >= expires_at(session);
}

Instant Sessions::expires_at(const Session& session) const {
  return std::min(session.used + limits_.idle, session.opened + limits_.whole);
}

std::string Sessions::open(const Address& user, Instant now) {
  std::string token = to_hex(random_secret(token_octets));
  Session session{user, to_hex(random_secret(token_octets)), now, now};
  std::lock_guard lock(mutex_);
  std::erase_if(sessions_, [this, now](const auto& each) { return is_over(each.second, now); });
  if (sessions_.size() >= limits_.sessions) {
    const auto oldest =
        std::ranges::min_element(sessions_, {}, [](const auto& each) { return each.second.used; });
    sessions_.erase(oldest);
  }
  sessions_.emplace(sha256(token), std::move(session));
  return token;
}

std::optional<Session> Sessions::find(std::string_view token, Instant now) {
  std::lock_guard lock(mutex_);
  const auto found = sessions_.find(sha256(token));
  if (found == sessions_.end()) return std::nullopt;
  if (is_over(found->second, now)) {
    sessions_.erase(found);
    return std::nullopt;
  }
  found->second.used = now;
  return found->second;
}

void Sessions::close(std::string_view token) {
  std::lock_guard lock(mutex_);
  sessions_.erase(sha256(token));
}

void Sessions::close_all_of(const Address& user) {
  std::lock_guard lock(mutex_);
  std::erase_if(sessions_, [&user](const auto& each) { return each.second.user == user; });
}

}  // namespace goniec
