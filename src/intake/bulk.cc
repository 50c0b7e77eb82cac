// See bulk.h.
#include "intake/bulk.h"

#include "base/text.h"

namespace goniec {

std::string unsubscribe_fields(const LinkTokens& tokens, const UnsubscribeFacts& facts) {
  LinkToken token;
  token.kind = LinkKind::unsubscribe;
  token.message = facts.message;
  token.stream = facts.stream;
  token.address = facts.recipient;
  const auto word = tokens.write(token);
  if (!word || facts.web_url.empty()) return {};
  std::string fields = fmt::format("List-Unsubscribe: <{}/u/{}>", facts.web_url, *word);
  if (!facts.mail_domain.empty())
    fields += fmt::format(",\r\n <mailto:{}{}@{}>", unsubscribe_local,
                          tokens.write_short(facts.message), facts.mail_domain.ascii());
  // RFC 8058 §3.1: this and nothing else.
  return fields + "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
}

bool has_unsubscribe(const HeaderBlock& header) {
  return find_field(header, "List-Unsubscribe") != nullptr;
}

std::optional<MessageId> unsubscribed_message(const Links& links, const Address& address) {
  const std::string& local = address.local();
  if (!starts_with_ignoring_case(local, unsubscribe_local)) return std::nullopt;
  const auto tokens = links.tokens();
  if (!tokens) return std::nullopt;
  return tokens->read_short(std::string_view(local).substr(unsubscribe_local.size()));
}

bool takes_unsubscribe(const Links& links, const Directory& directory, std::string_view hostname,
                       const Address& address) {
  if (!unsubscribed_message(links, address)) return false;
  const bool is_ours = directory.is_mail_domain(address.domain()) ||
                       equal_ignoring_case(address.domain().ascii(), hostname);
  if (!is_ours) return false;
  const Resolved resolved = directory.resolve(address);
  return (resolved.kind != RecipientKind::mailbox && resolved.kind != RecipientKind::alias) ||
         resolved.rule == "catch-all" || resolved.rule == "sub-address";
}

}  // namespace goniec
