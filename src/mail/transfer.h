// Content-Transfer-Encoding both ways (RFC 2045 §6). Encoders write what every reader understands:
// lines of at most 76 characters, CRLF, no blank at a line's end, no leading dot and no "From "
// that a careless relay could touch. Decoders take what the world sends: soft breaks with bare LF,
// lower-case digits, stray characters, missing padding. All are linear, and none fails.
#pragma once
#include <string>
#include <string_view>

namespace goniec {

enum class TransferEncoding { seven_bit, eight_bit, binary, quoted_printable, base64 };
std::string_view name_of(TransferEncoding encoding);                  // "quoted-printable"
TransferEncoding transfer_encoding_of(std::string_view field_value);  // unknown: binary

// A CRLF in `text` is a line end; a lone CR or LF is an octet like others.
std::string encode_quoted_printable(std::string_view text);
std::string decode_quoted_printable(std::string_view text);
std::string encode_base64_lines(std::string_view data);  // each line CRLF-ended
std::string decode_base64_lines(std::string_view text);

std::string decode_transfer(TransferEncoding encoding, std::string_view body);
// seven_bit when the text is ASCII in lines of at most 998 octets, else the shorter of
// quoted_printable and base64.
TransferEncoding best_encoding(std::string_view text);
std::string encode_transfer(TransferEncoding encoding, std::string_view body);

}  // namespace goniec
