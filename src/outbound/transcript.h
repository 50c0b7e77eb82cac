// What is said on an outgoing connection, for people to read: one line each, as
//   MS '\t' FROM '\t' TEXT '\n'        FROM: '>' we said, '<' the server said, '*' a note
// MS: milliseconds since the connection, or the attempt on a kept one, began. TEXT holds no control
// characters. What opened the connection is told with each message that it carries.
//
// No secrets and no content: what follows the mechanism in AUTH, every answer to a 334 and the 334
// itself are left out, content is told by its octets. At most text_octets, then a note how many
// lines are left out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace goniec {

class Transcript {
 public:
  static constexpr std::size_t text_octets = 32 * 1024;
  static constexpr std::size_t line_octets = 2048;

  void open(Moment now) { began_ = now; }
  // From here on lines belong to one message; those of the one before are forgotten.
  void begin_message(Moment now, bool reused);

  void note(Moment now, std::string_view text);
  void said(Moment now, std::string_view bytes, bool in_login);
  void said_content(std::size_t octets) { content_ += octets; }
  void heard(Moment now, std::string_view bytes, bool in_login);  // any piece of lines
  void before(std::string text);                                  // hosts that were tried first
  std::string text() const;

 private:
  void add(Moment now, char from, std::string_view text);
  void flush_content(Moment now);

  Moment began_{}, opened_{};
  std::string opening_, message_, heard_;
  std::size_t left_out_ = 0;
  std::uint64_t content_ = 0;
  bool in_message_ = false;
};

}  // namespace goniec
