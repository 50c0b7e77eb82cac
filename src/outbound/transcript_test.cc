// What is written down of a session, and what is not.
#include "outbound/transcript.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

using std::chrono::milliseconds;

const Moment start{};

TEST(Transcript, TellsWhoSaidWhatAndWhen) {
  Transcript transcript;
  transcript.open(start);
  transcript.note(start, "connect to mx.test[192.0.2.1]:25");
  transcript.heard(start + milliseconds(3), "220 mx.te", false);
  transcript.heard(start + milliseconds(4), "st ESMTP\r\n", false);
  transcript.said(start + milliseconds(5), "EHLO us.test\r\n", false);
  transcript.heard(start + milliseconds(9), "250-mx.test\r\n250 SIZE\r\n", false);
  transcript.begin_message(start + milliseconds(9), false);
  transcript.said(start + milliseconds(10), "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n",
                  false);
  EXPECT_EQ(transcript.text(),
            "0\t*\tconnect to mx.test[192.0.2.1]:25\n4\t<\t220 mx.test ESMTP\n"
            "5\t>\tEHLO us.test\n9\t<\t250-mx.test\n9\t<\t250 SIZE\n"
            "10\t>\tMAIL FROM:<a@b.test>\n10\t>\tRCPT TO:<c@d.test>\n");
}

TEST(Transcript, AMessageOfAKeptSessionHasItsOwnLinesAndTheOpening) {
  Transcript transcript;
  transcript.open(start);
  transcript.heard(start, "220 hello\r\n", false);
  transcript.begin_message(start + milliseconds(1), false);
  transcript.said(start + milliseconds(1), "MAIL FROM:<first@b.test>\r\n", false);
  transcript.begin_message(start + milliseconds(50), true);
  transcript.said(start + milliseconds(52), "MAIL FROM:<second@b.test>\r\n", false);
  EXPECT_EQ(transcript.text(),
            "0\t<\t220 hello\n0\t*\tthe session was opened for another message, 50 ms before\n"
            "2\t>\tMAIL FROM:<second@b.test>\n");
}

TEST(Transcript, HoldsNoSecretAndNoContent) {
  Transcript transcript;
  transcript.open(start);
  transcript.said(start, "AUTH PLAIN AGFubmEAc2VjcmV0\r\n", true);
  transcript.said(start, "AUTH LOGIN\r\n", true);
  transcript.heard(start, "334 VXNlcm5hbWU6\r\n", true);
  transcript.said(start, "c2VjcmV0\r\n", true);
  transcript.heard(start, "235 2.7.0 ok\r\n", true);
  transcript.said_content(1000);
  transcript.said_content(234);
  transcript.heard(start, "250 2.0.0 queued\r\n", false);
  EXPECT_EQ(transcript.text(),
            "0\t>\tAUTH PLAIN (not shown)\n0\t>\tAUTH LOGIN\n0\t<\t334 (not shown)\n"
            "0\t>\t(not shown)\n0\t<\t235 2.7.0 ok\n0\t>\t(content, 1234 octets)\n"
            "0\t<\t250 2.0.0 queued\n");
}

TEST(Transcript, IsBoundedAndHoldsNoControls) {
  Transcript transcript;
  transcript.open(start);
  transcript.heard(start, "250 a\tb\x1b[31m\x01\r\n", false);
  EXPECT_EQ(transcript.text().find('\x1b'), std::string::npos);
  EXPECT_EQ(transcript.text().substr(4).find('\t'), std::string::npos);
  const std::string endless(100'000, 'x');
  for (int i = 0; i < 100; ++i) transcript.heard(start, endless, false);
  EXPECT_LT(transcript.text().size(), Transcript::text_octets + 2 * Transcript::line_octets);
  EXPECT_NE(transcript.text().find("more lines are left out"), std::string::npos);
}

}  // namespace
}  // namespace goniec
