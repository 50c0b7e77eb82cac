// The secret with which links in mail are signed (trust/link_token.h), and the links themselves:
// unsubscribe, open, click, under the house's own address on the web.
//
// An object of the store (kind "link", key "secret", {"secrets":[base64…]}; the files of the store
// are 0600). It is made when the first link is made. The first of the list makes, all verify: a
// rotation adds one in front and takes none away, for mail of years ago has links too. Who loses it
// loses the unsubscribe links that are out there, no mail.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "store/committer.h"
#include "trust/link_token.h"

namespace goniec {

struct LinkLimits {
  std::size_t secrets = 64;  // rotations
};

class Links {
 public:
  Links() = default;
  // Reads the secrets, when there are some. Once, before the threads run.
  Result<void> open(Committer& committer, Reader& reader);

  // ---- any thread, no waiting
  bool needs_secret() const { return !has_secret_; }
  // null: there is no secret yet, so no word of ours either.
  std::shared_ptr<const LinkTokens> tokens() const;

  // ---- changes, durable when they end
  Task<Result<void>> make_secret(Loop& loop);  // nothing where there is one
  Task<Result<void>> rotate(Loop& loop);       // try_later: so many are kept already

 private:
  Task<Result<void>> put(Loop& loop, std::vector<std::string> secrets);
  Committer* committer_ = nullptr;
  std::atomic<bool> has_secret_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> secrets_;
  std::shared_ptr<const LinkTokens> tokens_;
  std::string candidate_;  // of all who make the first at once
};

}  // namespace goniec
