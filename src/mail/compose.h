// Building messages: header fields folded at 78 columns (RFC 5322 §2.2.3) with RFC 2047 words where
// needed, MIME parts and multiparts (RFC 2045, 2046). Pure text in, CRLF text out; whatever is
// given, no text can end its field or imitate a boundary.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mail/address.h"
#include "mail/transfer.h"

namespace goniec {

// "Name: value\r\n". Controls in the value become '?'; it breaks at blanks, a word longer than a
// line of 998 octets is cut. Non-ASCII stays as it is.
std::string header_field(std::string_view name, std::string_view value);
// The same for unstructured text of people: non-ASCII as encoded words.
std::string text_field(std::string_view name, std::string_view utf8);

// "Name: Jan =?UTF-8?Q?=C5=BBuk?= <jan@wp.pl>, b@c": display names in UTF-8, quoted or encoded as
// they need it (RFC 5322 §3.4, RFC 2047 §5).
std::string address_field(std::string_view name, const std::vector<HeaderMailbox>& mailboxes);
// `; name="value"`: beyond ASCII as RFC 2231 writes it, with a plain twin for old readers.
std::string mime_parameter(std::string_view name, std::string_view utf8);

struct MimePiece {
  std::vector<std::pair<std::string, std::string>> fields;  // Content-Type first
  std::string body;                                         // as it is to be encoded
  TransferEncoding encoding = TransferEncoding::seven_bit;
};
// text/plain; charset=utf-8, in the encoding that fits.
MimePiece text_piece(std::string_view utf8, std::string_view description = {});

// The boundary is `seed` with a number, such that no line of a piece begins with it.
struct Multipart {
  std::string boundary;
  std::string body;  // from the preamble to the closing boundary
};
Multipart compose_multipart(const std::vector<MimePiece>& pieces, std::string_view seed);

}  // namespace goniec
