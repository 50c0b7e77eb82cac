// The content of a message on its way out: octets of any shape in, lines that end in CRLF out.
//
// It promises, for any split of the content into chunks: no bare CR, no bare LF and no NUL leaves
// (a receiver that reads them as line ends could be made to see a second message, SEMANTICS "never
// send one"); the last line ends in CRLF; with Framing::dots each line that begins with a dot gets
// one more (RFC 5321 §4.5.2). Content that is right already is copied once, in long runs. A bare CR
// or LF becomes CRLF; NUL is dropped. A CR at the end of a chunk waits for the next one.
#pragma once
#include <string>
#include <string_view>

namespace goniec::smtp {

class OutgoingBody {
 public:
  enum class Framing { dots, plain };  // DATA, BDAT

  explicit OutgoingBody(Framing framing = Framing::plain) : framing_(framing) {}
  void write(std::string_view chunk, std::string& out);  // appends
  void finish(std::string& out);                         // appends what closes the last line

 private:
  std::size_t copy_clean_lines(std::string_view chunk, std::string& out);
  void copy_octet(char c, std::string& out);

  Framing framing_;
  bool line_start_ = true;
  bool carriage_return_ = false;  // seen, not written
};

}  // namespace goniec::smtp
