// The octets of a message on their way in: DATA (dot-stuffed lines, RFC 5321 §4.5.2) and BDAT
// (counted octets, RFC 3030). Content comes out as views of the input, line by line or many lines
// at once.
//
// Promises: the end of data is CR LF . CR LF and nothing else, whatever the policy (SMTP smuggling:
// CVE-2023-51764 and kin); a leading dot is removed wherever the buffers were cut; with `normalise`
// what comes out has CRLF line ends only and no NUL. Refuses nothing itself: with `reject`, fault()
// tells that a bare LF, a bare CR or a NUL was seen; the session reads on to the end and says 550
// 5.5.2. A line end made by normalising is not a line end on the wire: a dot after it is content,
// never the end and never unstuffed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace goniec::smtp {

enum class LineEndPolicy { reject, normalise };  // bare LF, bare CR, NUL in a message

enum class Framing { dot, counted };  // DATA, BDAT

class ContentDecoder {
 public:
  ContentDecoder(Framing framing, LineEndPolicy policy) : framing_(framing), policy_(policy) {}

  struct Piece {
    std::string_view content;  // a view of the input or of static text; may be empty
    std::size_t consumed = 0;  // of the input; 0 only together with content
    bool end = false;          // DATA: CRLF.CRLF is complete
  };
  // REQUIRES a non-empty input, and no end before. Call again with what was not consumed.
  Piece decode(std::string_view input);
  // BDAT LAST: nothing follows; a CR that still waits for its LF is bare.
  std::string_view finish();

  bool fault() const { return fault_; }

 private:
  enum class At { line_start, dot, dot_cr, text, cr };
  Piece run(std::string_view input);
  Piece bare_line_end(std::size_t consumed);

  Framing framing_;
  LineEndPolicy policy_;
  At at_ = At::line_start;
  bool fault_ = false;
};

}  // namespace goniec::smtp
