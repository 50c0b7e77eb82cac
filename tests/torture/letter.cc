// Bodies of lines drawn from a seed, and their digests.
#include "tests/torture/letter.h"

#include <chrono>

#include "base/digest.h"

namespace audit {
namespace {

struct Chance {  // splitmix64
  std::uint64_t state;
  std::uint64_t next() {
    std::uint64_t x = state += 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return limit == 0 ? 0 : next() % limit; }
};

std::uint64_t draw_size(Chance& chance, std::uint64_t largest) {
  const std::uint64_t kind = chance.below(100);
  std::uint64_t octets = 1024 + chance.below(kind < 60   ? 7 << 10
                                             : kind < 85 ? 63 << 10
                                             : kind < 95 ? 255 << 10
                                                         : 1023 << 10);
  return octets < largest ? octets : largest;
}

std::string draw_line(Chance& chance) {
  const std::uint64_t kind = chance.below(20);
  if (kind == 0) return "";
  if (kind == 1) return ".";
  std::string line;
  std::uint64_t octets = 1 + chance.below(76);
  if (kind == 2 || kind == 3) line = ".";
  if (kind == 4) octets = 998;
  const bool eight_bit = kind == 5;
  while (line.size() < octets) {
    std::uint64_t bits = chance.next();
    for (int i = 0; i < 8 && line.size() < octets; ++i, bits >>= 8) {
      line += static_cast<char>(eight_bit ? 0xA0 | (bits & 0x5F) : 'a' + (bits & 0xFF) % 26);
    }
  }
  return line;
}

bool read_number(std::string_view text, std::size_t& at, std::uint64_t& value) {
  const std::size_t began = at;
  value = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9' && at - began < 18) {
    value = value * 10 + static_cast<std::uint64_t>(text[at++] - '0');
  }
  return at > began;
}

}  // namespace

Letter make_letter(const Mix& mix, std::uint64_t seq) {
  Chance chance{mix.seed * 0x100000001B3ull + seq};
  chance.next();
  const std::uint64_t octets = draw_size(chance, mix.largest);
  std::string body, stuffed;
  while (body.size() < octets) {
    const std::string line = draw_line(chance);
    body += line;
    body += "\r\n";
    if (line.starts_with('.')) stuffed += '.';
    stuffed += line;
    stuffed += "\r\n";
  }
  Letter letter;
  letter.seq = seq;
  const std::uint64_t kind = chance.below(100);
  std::uint64_t count = kind < 70 ? 1 : kind < 95 ? 2 + chance.below(4) : 6 + chance.below(45);
  if (count > mix.most_recipients) count = mix.most_recipients;
  for (std::uint64_t number = 0; number < count; ++number) {
    letter.recipients.push_back("s" + std::to_string(seq) + "r" + std::to_string(number) + "@" +
                                mix.tempers[chance.below(mix.tempers.size())] + ".audit.test");
  }
  const std::string digest = goniec::to_hex(goniec::view(goniec::sha256(body)));
  letter.wire = "From: audit@sender.test\r\nTo: undisclosed-recipients:;\r\nMessage-ID: <" +
                mix.run + "." + std::to_string(seq) + "@sender.test>\r\nX-Audit: " + mix.run + "-" +
                std::to_string(seq) + "-" + digest + "\r\nSubject: audit " + std::to_string(seq) +
                "\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: " +
                "text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
                stuffed;
  return letter;
}

std::optional<Address> find_address(std::string_view text, std::size_t& at) {
  constexpr std::string_view end = ".audit.test";
  for (at = text.find('s', at); at < text.size(); at = text.find('s', at)) {
    std::size_t next = ++at;
    Address found;
    if (!read_number(text, next, found.seq) || next >= text.size() || text[next++] != 'r') continue;
    if (!read_number(text, next, found.number) || next >= text.size() || text[next++] != '@') {
      continue;
    }
    const std::size_t dot = text.find('.', next);
    if (dot == std::string_view::npos || text.substr(dot, end.size()) != end) continue;
    found.temper = text.substr(next, dot - next);
    at = dot + end.size();
    return found;
  }
  at = text.size();
  return std::nullopt;
}

std::optional<Judged> judge_text(std::string_view text) {
  const std::size_t blank = text.find("\r\n\r\n");
  const std::size_t mark = text.find("X-Audit: ");
  if (blank == std::string_view::npos || mark == std::string_view::npos || mark > blank) {
    return std::nullopt;
  }
  const std::size_t dash = text.find('-', mark + 9);
  std::size_t at = dash + 1;
  Judged judged;
  if (dash == std::string_view::npos || !read_number(text, at, judged.seq)) return std::nullopt;
  const std::string digest = goniec::to_hex(goniec::view(goniec::sha256(text.substr(blank + 4))));
  judged.whole = at < text.size() && text.substr(at + 1, 64) == digest;
  return judged;
}

std::uint64_t now_us() {
  using namespace std::chrono;
  return static_cast<std::uint64_t>(
      duration_cast<microseconds>(system_clock::now().time_since_epoch()).count());
}

}  // namespace audit
