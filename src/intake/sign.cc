// See sign.h.
#include "intake/sign.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

bool is_submitted(Source source, std::string_view submitter) {
  if (!submitter.empty()) return true;
  switch (source) {
    case Source::submission:
    case Source::sendmail:
    case Source::api:
    case Source::dsn:
    case Source::report:
      return true;
    case Source::smtp:
    case Source::lmtp:
      return false;
  }
  return false;
}

// The domain of the first From address; empty: there is none that could be read.
Domain author_of(std::string_view header) {
  const auto scanned = scan_header(header, HeaderLimits{});
  const HeaderField* from = scanned ? find_field(*scanned, "From") : nullptr;
  if (!from) return {};
  const auto mailboxes = parse_header_mailboxes(unfold(from->value)).mailboxes;
  return mailboxes.empty() ? Domain() : mailboxes.front().address.domain();
}

SignedHeader join(const std::vector<PreparedSignature>& prepared,
                  std::vector<std::string> completed) {
  SignedHeader result;
  for (std::size_t at = 0; at < prepared.size(); ++at) {
    result.fields += completed[at];
    result.names.push_back(prepared[at].name);
  }
  return result;
}

std::vector<std::string> complete_all(const std::vector<PreparedSignature>& prepared) {
  std::vector<std::string> completed;
  for (const PreparedSignature& each : prepared) completed.push_back(complete(each));
  return completed;
}

}  // namespace

MessageSigner MessageSigner::begin(const SigningDoors& doors, Source source,
                                   std::string_view submitter, std::string_view header) {
  MessageSigner signer;
  if (!doors.keys || !is_submitted(source, submitter)) return signer;
  auto signing = doors.keys->signing_for(author_of(header));
  if (!signing) return signer;
  signer.offload_ = doors.offload;
  signer.signer_.emplace(std::move(*signing));
  return signer;
}

SignedHeader MessageSigner::finish_here(Instant now, std::string_view header) {
  if (!signer_) return {};
  const auto prepared = signer_->prepare(header, now);
  return join(prepared, complete_all(prepared));
}

Task<SignedHeader> MessageSigner::finish(Loop& loop, std::string_view header) {
  if (!signer_) co_return SignedHeader{};
  const auto prepared = signer_->prepare(header, loop.clock().now());
  const bool slow = std::ranges::any_of(prepared, [](const PreparedSignature& each) {
    return each.key->algorithm() == KeyAlgorithm::rsa;
  });
  if (slow && offload_) {
    auto completed = co_await offload_->run(loop, [prepared] { return complete_all(prepared); });
    if (completed) co_return join(prepared, std::move(*completed));
  }
  co_return join(prepared, complete_all(prepared));
}

MessageSealer MessageSealer::begin(const SigningDoors& doors, const Domain& by) {
  MessageSealer sealer;
  if (!doors.keys || by.empty()) return sealer;
  auto signing = doors.keys->signing_for(by);
  if (!signing || signing->keys.empty()) return sealer;
  DkimSigningKey& key = signing->keys.front();  // RSA, where there is one: everybody verifies it
  sealer.offload_ = doors.offload;
  sealer.slow_ = key.key->algorithm() == KeyAlgorithm::rsa;
  sealer.name_ = key_name(key.selector, signing->domain);
  sealer.sealer_.emplace(ArcSealing{signing->domain, std::move(key)});
  return sealer;
}

Task<SignedHeader> MessageSealer::finish(Loop& loop, std::string_view header,
                                         FoundAtArrival found) {
  if (!sealer_) co_return SignedHeader{};
  const Instant now = loop.clock().now();
  SignedHeader made;
  std::optional<std::string> fields;
  if (slow_ && offload_) {
    auto work = [sealer = *sealer_, header = std::string(header), found, now]() mutable {
      return sealer.seal(header, found.chain, found.results, now);
    };
    if (auto sealed = co_await offload_->run(loop, std::move(work))) fields = std::move(*sealed);
  }
  if (!fields) fields = sealer_->seal(header, found.chain, found.results, now);
  made.fields = *std::move(fields);
  if (!made.fields.empty()) made.names.push_back(name_);
  co_return made;
}

}  // namespace goniec
