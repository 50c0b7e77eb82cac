// The server's half of an SMTP dialogue as the receivers of the benchmarks speak it: every command
// is taken, a message is read to its dot, replies are gathered. No grammar, no limits, no states
// but "in a message": what is measured is the server under test, and this must not be in its way.
#pragma once
#include <strings.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace bench {

class Conversation {
 public:
  explicit Conversation(bool offers_tls = false) : offers_tls_(offers_tls) {}

  std::string replies;  // to be sent, then cleared by the owner
  bool ended = false;   // close when the replies are out
  bool wants_tls = false;

  // Hands parts of a body to mail.body(octets), its end (dot included) to mail.message(*this),
  // which says the reply.
  template <typename Mail>
  void take(std::string_view octets, Mail& mail) {
    while (!octets.empty() && !ended) {
      if (in_data_) {
        octets.remove_prefix(take_body(octets, mail));
        continue;
      }
      const auto end = octets.find('\n');
      line_ += octets.substr(0, end);
      if (end == std::string_view::npos) return;
      octets.remove_prefix(end + 1);
      answer(line_);
      line_.clear();
    }
  }
  void tls_started() { wants_tls = offers_tls_ = false; }

 private:
  static bool is_verb(std::string_view line, const char* verb) {
    return line.size() >= 4 && ::strncasecmp(line.data(), verb, 4) == 0;
  }

  void answer(std::string_view line) {
    if (is_verb(line, "EHLO")) {
      replies += "250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n";
      if (offers_tls_) replies += "250-STARTTLS\r\n";
      replies += "250 8BITMIME\r\n";
    } else if (is_verb(line, "DATA")) {
      replies += "354 go on\r\n";
      in_data_ = true;
      tail_ = "\r\n";
    } else if (is_verb(line, "STAR") && offers_tls_) {
      replies += "220 2.0.0 go on\r\n";
      wants_tls = true;
    } else if (is_verb(line, "QUIT")) {
      replies += "221 2.0.0 bye\r\n";
      ended = true;
    } else {
      replies += "250 2.1.0 ok\r\n";
    }
  }

  // Body octets up to the dot; how many of `octets` belong to it.
  template <typename Mail>
  std::size_t take_body(std::string_view octets, Mail& mail) {
    constexpr std::string_view end = "\r\n.\r\n";
    const std::size_t kept = tail_.size();
    std::string joint = tail_ + std::string(octets.substr(0, end.size()));
    std::size_t used = std::string::npos;
    if (const auto at = joint.find(end); at != std::string::npos && at < kept)
      used = at + end.size() - kept;
    else if (const auto inside = octets.find(end); inside != std::string_view::npos)
      used = inside + end.size();
    if (used == std::string::npos) {
      mail.body(octets);
      joint =
          tail_ + std::string(octets.substr(octets.size() - std::min(octets.size(), end.size())));
      tail_ = joint.substr(joint.size() - std::min(joint.size(), end.size() - 1));
      return octets.size();
    }
    mail.body(octets.substr(0, used));
    in_data_ = false;
    mail.message(*this);
    return used;
  }

  bool offers_tls_, in_data_ = false;
  std::string line_;           // an unfinished command
  std::string tail_ = "\r\n";  // the last octets of the body so far, for the search of the dot
};

}  // namespace bench
