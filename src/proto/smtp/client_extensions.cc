// See client_extensions.h.
#include "proto/smtp/client_extensions.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace goniec::smtp {

namespace {

void add_limits(const std::vector<std::string_view>& words,
                Extensions& extensions) {  // RFC 9422 §3
  for (auto word : words) {
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const auto value = parse_unsigned(word.substr(equals + 1));
    if (!value || *value == 0) continue;
    const auto name = word.substr(0, equals);
    if (equal_ignoring_case(name, "RCPTMAX")) extensions.max_recipients = *value;
    if (equal_ignoring_case(name, "MAILMAX")) extensions.max_mails = *value;
  }
}

void add_extension(std::string_view line, Extensions& extensions) {
  auto words = split(line, ' ');
  std::erase(words, std::string_view());
  if (words.empty()) return;
  const auto is = [&words](std::string_view name) { return equal_ignoring_case(words[0], name); };
  if (is("PIPELINING"))
    extensions.pipelining = true;
  else if (is("CHUNKING"))
    extensions.chunking = true;
  else if (is("8BITMIME"))
    extensions.eight_bit = true;
  else if (is("SMTPUTF8"))
    extensions.smtputf8 = true;
  else if (is("DSN"))
    extensions.dsn = true;
  else if (is("STARTTLS"))
    extensions.starttls = true;
  else if (is("ENHANCEDSTATUSCODES"))
    extensions.enhanced_codes = true;
  else if (is("REQUIRETLS"))
    extensions.requiretls = true;
  else if (is("LIMITS"))
    add_limits(words, extensions);
  else if (is("SIZE"))
    extensions.size = words.size() > 1 ? parse_unsigned(words[1]).value_or(0) : 0;
  else if (is("AUTH") ||
           starts_with_ignoring_case(words[0], "AUTH=")) {  // "AUTH=": before RFC 2554
    if (words[0].size() > 5)
      words[0].remove_prefix(5);
    else
      words.erase(words.begin());
    for (auto word : words) {
      std::string name(word);
      std::ranges::transform(name, name.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
      });
      extensions.mechanisms.push_back(std::move(name));
    }
  }
}

}  // namespace

Extensions parse_extensions(const Reply& reply) {
  Extensions extensions;
  for (std::size_t i = 1; i < reply.lines.size(); ++i) add_extension(reply.lines[i], extensions);
  return extensions;
}

}  // namespace goniec::smtp
