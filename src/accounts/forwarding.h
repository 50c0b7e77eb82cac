// Mail that an alias leads out of the house, and what comes back about it: which sender the next
// server is told (trust/srs.h), and who stands behind such an address. The reasons are in
// docs/decisions/forwarding.md.
//
// | the sender is                       | MAIL FROM of the copy that leaves      | rule        |
// |-------------------------------------|----------------------------------------|-------------|
// | <>                                  | <>                                     | srs.null    |
// | of a domain of ours                 | as it was                              | srs.ours    |
// | somebody's                          | SRS0 of the alias's domain             | srs.first   |
// | another forwarder's SRS0 or SRS1    | SRS1 of the alias's domain             | srs.second  |
// | too long for that (64 octets)       | SRS0 that names the message            | srs.message |
// | too long for that too               | as it was                              | srs.too_long|
// | anybody, with `forward.srs = false` | as it was                              | srs.off     |
//
// The secret is an object of the store (kind "srs", key "secret", {"secrets":[base64…]}; the files
// of the store are 0600). It is made when mail is forwarded for the first time. The first of the
// list makes, all verify; a rotation puts a new one in front. Who loses it loses what notices are
// under way, no mail.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "accounts/directory.h"
#include "base/metrics.h"
#include "store/committer.h"
#include "trust/srs.h"

namespace goniec {

struct ForwardingOptions {
  bool rewrite = true;       // SRS
  bool seal = true;          // ARC
  unsigned days_valid = 21;  // of an SRS address
};

struct ForwardedSender {
  Address sender;
  std::string_view rule;
};

class Forwarding {
 public:
  Forwarding() = default;
  // Reads the secret, when there is one. Once, before the threads run.
  Result<void> open(const Directory& directory, Committer& committer, Reader& reader,
                    Metrics& metrics);

  // ---- any thread, no waiting
  // The domain in whose name mail leaves that an alias of `domain` forwards: itself, or the first
  // local domain when it is relayed or the host's own; empty: there is none.
  Domain domain_for(const Domain& domain) const;
  bool needs_secret(const Address& sender, const ForwardingOptions& options) const;
  // Of `message`. Counted. Without the secret that it needs: as with rewrite off.
  ForwardedSender sender_for(MessageId message, const Address& sender, const Domain& by,
                             const ForwardingOptions& options, Instant now) const;
  // For mail that is sent from here: an address that names the message, in the sender's domain
  // where mail for it is taken here. Empty: there is no secret yet, or no room for it.
  Address return_path(MessageId message, const Domain& of_sender, Instant now) const;
  // Who stands behind a recipient of ours that the directory resolved so (or which message, whose
  // sender its Received event names); nullopt: it has not the form, is somebody's name, is not of
  // a local domain, or none was ever made here.
  std::optional<SrsReturned> returned(const Address& recipient, const Resolved& resolved,
                                      const ForwardingOptions& options, Instant now) const;

  // Durable when it ends: before the first address is made with it.
  Task<Result<void>> make_secret(Loop& loop);
  // A new secret makes addresses from now on. The older ones verify what they made (kept), of which
  // the last `kept_secrets` are remembered; or nothing any more (dropped). How many there are then.
  enum class OlderSecrets { kept, dropped };
  Task<Result<std::size_t>> rotate_secret(Loop& loop, OlderSecrets older);
  static constexpr std::size_t kept_secrets = 3;

 private:
  std::shared_ptr<const Srs> scheme() const;
  void use(std::vector<std::string> secrets);
  const Directory* directory_ = nullptr;
  Metrics* metrics_ = nullptr;
  Committer* committer_ = nullptr;
  std::atomic<bool> has_secret_{false};
  mutable std::mutex mutex_;
  std::shared_ptr<const Srs> scheme_;  // null: no secret yet
  std::string candidate_;              // of all who make it at once
  std::vector<std::string> known_;     // of scheme_, the newest first
  bool rotating_ = false;
};

}  // namespace goniec
