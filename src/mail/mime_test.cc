// The structure of MIME messages: good, broken, hostile, and in any cuts.
#include "mail/mime.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace goniec {
namespace {

// "multipart/mixed(text/plain[body],text/html[...])"
std::string outline(const std::string& message, const MimeStructure& structure,
                    std::size_t index = 0) {
  const auto& part = structure.parts[index];
  std::string text = part.type;
  std::string inside;
  for (std::size_t at = index + 1; at < structure.parts.size(); ++at) {
    if (structure.parts[at].parent != index) continue;
    inside += (inside.empty() ? "" : ",") + outline(message, structure, at);
  }
  if (!inside.empty() || part.is_multipart()) return text + "(" + inside + ")";
  return text + "[" + message.substr(part.body_begin, part.body_end - part.body_begin) + "]";
}

struct Case {
  std::string message, outline;
  bool fault = false;
};

const std::string mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

const Case cases[] = {
    {"Subject: x\r\n\r\nbody\r\n", "text/plain[body\r\n]"},
    {"Subject: x\r\n\r\n", "text/plain[]"},
    {"Subject: x", "text/plain[]"},
    {"", "text/plain[]"},
    {"Content-Type: TEXT/HTML; charset=x\r\n\r\nbody", "text/html[body]"},
    {mixed + "pre\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: "
             "text/html\r\n\r\ntwo\r\n--b--\r\nepi\r\n--b\r\n",
     "multipart/mixed(text/plain[one],text/html[two])"},
    {mixed + "--b\r\n\r\none\r\n\r\n--b  \t\r\n\r\n\r\n--b--",
     "multipart/mixed(text/plain[one\r\n],text/plain[])"},
    {mixed + "--b\r\n--b--\r\n", "multipart/mixed(text/plain[])"},
    {mixed + "--b\r\n\r\none\r\n--bc\r\n\r\n-b\r\n--\r\n--b--x\r\nepilogue",
     "multipart/mixed(text/plain[one],text/plain[-b\r\n--])"},
    {mixed + "--b\r\nContent-Type: multipart/mixed; "
             "boundary=bc\r\n\r\n--bc\r\n\r\nin\r\n--bc--\r\n--bc\r\n"
             "--b\r\n\r\nout\r\n--b--\r\n",
     "multipart/mixed(multipart/mixed(text/plain[in]),text/plain[out])"},
    {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n",
     "multipart/mixed(text/plain[one])"},
    {mixed + "--b\r\nContent-Type: multipart/alternative; boundary=\"b c\"\r\n\r\n--b "
             "c\r\n\r\nin\r\n--b c--\r\n"
             "--b\r\n\r\nout\r\n--b--\r\n",
     "multipart/mixed(multipart/alternative(text/plain[in]),text/plain[out])"},
    {mixed + "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\nContent-Type: "
             "text/html\r\n\r\nin\r\n--b--\r\n",
     "multipart/mixed(message/rfc822(text/html[in]))"},
    {"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: "
     "y\r\n\r\nin\r\n--b--\r\n",
     "multipart/digest(message/rfc822(text/plain[in]))"},
    {mixed + "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: "
             "base64\r\n\r\nAAAA\r\n--b--\r\n",
     "multipart/mixed(message/rfc822[AAAA])"},
    // broken
    {mixed + "--b\r\n\r\nnever closed", "multipart/mixed(text/plain[never closed])", true},
    {mixed + "--b\r\nContent-Type: multipart/mixed; "
             "boundary=c\r\n\r\n--c\r\n\r\nin\r\n--b\r\n\r\nout\r\n--b--\r\n",
     "multipart/mixed(multipart/mixed(text/plain[in]),text/plain[out])", true},
    {"Content-Type: multipart/mixed\r\n\r\nbody", "multipart/mixed[body]", true},
    {"Subject: x\r\nno field\r\n\r\nbody", "text/plain[no field\r\n\r\nbody]", true},
    {mixed + "--b\r\nContent-Type: message/rfc822\r\n\r\nno field\r\n--b--\r\n",
     "multipart/mixed(message/rfc822(text/plain[no field]))", true},
};

TEST(Mime, StructureIsFoundInGoodAndBrokenMessages) {
  for (const auto& one : cases) {
    const auto structure = scan_mime(one.message);
    EXPECT_EQ(outline(one.message, structure), one.outline) << one.message;
    EXPECT_EQ(structure.faults.any(), one.fault) << one.message;
  }
}

TEST(Mime, TheCutsOfTheInputDoNotMatter) {
  for (const auto& one : cases) {
    for (std::size_t size = 1; size < 8; ++size) {
      MimeScanner scanner;
      for (std::size_t at = 0; at < one.message.size(); at += size) {
        scanner.feed(std::string_view(one.message).substr(at, size));
      }
      EXPECT_EQ(outline(one.message, scanner.finish()), one.outline);
    }
  }
}

TEST(Mime, FieldsOfAPartAreRead) {
  const auto part = scan_mime(
                        "Content-Type: text/csv; charset=iso-8859-2; name=a.csv\r\n"
                        "Content-Transfer-Encoding: Quoted-Printable\r\n"
                        "Content-Disposition: ATTACHMENT; filename*=utf-8''%C5%BC.csv\r\n\r\n")
                        .parts.at(0);
  EXPECT_EQ(part.charset, "iso-8859-2");
  EXPECT_EQ(part.encoding, TransferEncoding::quoted_printable);
  EXPECT_EQ(part.disposition, "attachment");
  EXPECT_EQ(part.file_name, "\xC5\xBC.csv");
}

TEST(Mime, DepthAndPartsHaveALimit) {
  std::string deep;
  for (int level = 0; level < 20'000; ++level) {
    deep += fmt::format("Content-Type: multipart/mixed; boundary=b{:06}\r\n\r\n--b{:06}\r\n", level,
                        level);
  }
  const auto nested = scan_mime(deep);
  EXPECT_TRUE(nested.faults.too_deep);
  EXPECT_LE(nested.parts.size(), 102u);
  std::string messages;
  for (int level = 0; level < 20'000; ++level) messages += "Content-Type: message/rfc822\r\n\r\n";
  EXPECT_TRUE(scan_mime(messages).faults.too_deep);
  std::string wide = mixed;
  for (int part = 0; part < 20'000; ++part) wide += "--b\r\n\r\nx\r\n";
  const auto many = scan_mime(wide);
  EXPECT_TRUE(many.faults.too_many_parts);
  EXPECT_EQ(many.parts.size(), 1000u);
}

TEST(Mime, ALargeHeaderAndALongLineArePassedOver) {
  const auto large =
      scan_mime("X: " + std::string(300'000, 'x') + "\r\nContent-Type: text/html\r\n\r\nb");
  EXPECT_TRUE(large.faults.large_header);
  EXPECT_EQ(large.parts.at(0).type, "text/html");
  const std::string dashes(3'000'000, '-');
  EXPECT_EQ(scan_mime(mixed + dashes + "\r\n--b\r\n\r\nx\r\n--b--\r\n").parts.size(), 2u);
}

// Found by the fuzzer: a line longer than what is kept of a cut one was a field when it came whole.
TEST(Mime, ALineBeyondTheLimitOfAHeaderReadsTheSameInAnyCuts) {
  const MimeLimits limits{.header_octets = 300, .boundary_octets = 40};
  for (const auto* rest : {": a name of no end", "\r\n\r\n", ":\r\nContent-Type: text/html"}) {
    const std::string message =
        std::string(400, 'N') + rest + "\r\nContent-Type: text/html\r\n\r\nb";
    const auto whole = scan_mime(message, limits);
    MimeScanner scanner(limits);
    for (const char& octet : message) scanner.feed({&octet, 1});
    const auto cut = scanner.finish();
    EXPECT_EQ(cut.parts.at(0).body_begin, whole.parts.at(0).body_begin) << rest;
    EXPECT_EQ(cut.parts.at(0).type, whole.parts.at(0).type) << rest;
    EXPECT_EQ(cut.faults.malformed_header, whole.faults.malformed_header) << rest;
  }
}

}  // namespace
}  // namespace goniec
