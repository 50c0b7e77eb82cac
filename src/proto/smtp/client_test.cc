// The client against scripted servers: each case is what the server says and what the client must
// say, and what the recipients get. No sockets; TLS is a word.
#include "proto/smtp/client.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/digest.h"

namespace goniec::smtp {
namespace {

using State = RecipientState;
using enum RecipientState;

struct Talk {  // what a conversation came to
  std::string sent;
  std::vector<ClientResult> results;
  std::optional<client::Failed> failed;
  int dones = 0, writes = 0;
  std::string phases;  // of each NeedInput
  std::string shown() const {
    std::string text;
    for (const auto& result : results) {
      text += std::string(name_of(result.state)) + "@" + result.phase + " " +
              std::to_string(result.reply.code) + (result.uncertain ? "?" : "") + "; ";
    }
    return text;
  }
};

struct Script {
  ClientOptions options{.hostname = "me", .tls = ClientTls::none};
  std::vector<ClientTransaction> transactions;
  std::vector<std::string> server;  // one element for each NeedInput; then the connection is lost
  std::vector<std::string> content = {"a\r\n"};
  TlsFacts facts{.version = "TLSv1.3", .verified = "pkix"};
};

Recipient to(std::string_view address, NotifyOptions notify = {}) {
  return {.address = *Address::parse(address), .notify = notify};
}

ClientTransaction mail(std::vector<Recipient> recipients) {
  return {.sender = {.address = *Address::parse("s@a.pl")},
          .recipients = std::move(recipients),
          .size = 3};
}

Talk talk(const Script& script) {
  ClientSession session(script.options);
  Talk talk;
  auto server = script.server.begin();
  auto transaction = script.transactions.begin();
  std::size_t chunk = 0;
  for (int steps = 0; steps < 1000; ++steps) {
    auto step = session.next();
    if (auto* send = std::get_if<client::Send>(&step)) {
      talk.sent += send->bytes;
      ++talk.writes;
    } else if (auto* need = std::get_if<client::NeedInput>(&step)) {
      talk.phases += std::string(name_of(need->phase)) + " ";
      if (server == script.server.end())
        session.receive_end("closed");
      else
        session.receive(*server++);
    } else if (std::holds_alternative<client::StartTls>(step)) {
      talk.sent += "<tls>";
      session.tls_started(script.facts);
    } else if (std::holds_alternative<client::Ready>(step)) {
      chunk = 0;
      if (transaction == script.transactions.end())
        session.quit();
      else
        session.begin(*transaction++);
    } else if (std::holds_alternative<client::NeedBody>(step)) {
      const auto& octets = script.content.at(chunk++);
      session.body(octets, chunk == script.content.size());
    } else if (auto* done = std::get_if<client::Done>(&step)) {
      for (auto& result : done->results) talk.results.push_back(result);
      ++talk.dones;
    } else if (auto* failed = std::get_if<client::Failed>(&step)) {
      EXPECT_FALSE(talk.failed.has_value()) << "Failed is said once";
      talk.failed = *failed;
    } else {
      return talk;
    }
  }
  ADD_FAILURE() << "the conversation does not end";
  return talk;
}

const std::string pipelining = "250-mx\r\n250 PIPELINING\r\n";
const std::string bye = "221 bye\r\n";

TEST(Client, SpeaksInLockstepToAPlainServer) {
  Script script;
  script.transactions = {mail({to("x@b.pl"), to("y@b.pl")})};
  script.content = {"Subject: x\r\n\r\n", ".dot\nend"};
  script.server = {
      "220 mx.b.pl ESMTP\r\n", "250 mx\r\n",       "250 ok\r\n", "250 ok\r\n", "251 ok\r\n",
      "354 go on\r\n",         "250 queued A\r\n", bye};
  const auto got = talk(script);
  EXPECT_EQ(got.sent,
            "EHLO me\r\nMAIL FROM:<s@a.pl>\r\nRCPT TO:<x@b.pl>\r\nRCPT TO:<y@b.pl>\r\nDATA\r\n"
            "Subject: x\r\n\r\n..dot\r\nend\r\n.\r\nQUIT\r\n");
  EXPECT_EQ(got.shown(), "delivered@dot 250; delivered@dot 250; ");
  EXPECT_EQ(got.results[0].reply.one_line(), "250 queued A");
  EXPECT_EQ(got.phases, "greeting helo mail rcpt rcpt data dot quit ");
  EXPECT_FALSE(got.failed);
}

TEST(Client, SendsTheWholeEnvelopeInOneWriteWherePipeliningWasOffered) {
  Script script;
  script.transactions = {mail({to("x@b.pl"), to("y@b.pl")}), mail({to("z@b.pl")})};
  script.server = {"220 mx\r\n",
                   pipelining,
                   "250 a\r\n250 b\r\n250 c\r\n354 d\r\n",
                   "250 e\r\n",
                   "250 a\r\n250 b\r\n354 d\r\n",
                   "250 e\r\n",
                   bye};
  const auto got = talk(script);
  EXPECT_EQ(got.sent,
            "EHLO me\r\nMAIL FROM:<s@a.pl>\r\nRCPT TO:<x@b.pl>\r\nRCPT TO:<y@b.pl>\r\nDATA\r\n"
            "a\r\n.\r\nMAIL FROM:<s@a.pl>\r\nRCPT TO:<z@b.pl>\r\nDATA\r\na\r\n.\r\nQUIT\r\n");
  EXPECT_EQ(got.writes, 6);
  EXPECT_EQ(got.dones, 2);
  EXPECT_EQ(got.shown(), "delivered@dot 250; delivered@dot 250; delivered@dot 250; ");
}

TEST(Client, AProbeAsksForTheRecipientAndSendsNoContent) {
  Script script;
  script.transactions = {mail({to("x@b.pl"), to("y@b.pl")})};
  script.transactions[0].probe = true;
  script.server = {"220 mx\r\n", pipelining, "250 ok\r\n250 ok\r\n550 5.1.1 nobody\r\n",
                   "250 reset\r\n", bye};
  const auto got = talk(script);
  EXPECT_EQ(got.sent,
            "EHLO me\r\nMAIL FROM:<s@a.pl>\r\nRCPT TO:<x@b.pl>\r\nRCPT TO:<y@b.pl>\r\n"
            "RSET\r\nQUIT\r\n");
  EXPECT_EQ(got.shown(), "queued@rcpt 250; failed@rcpt 550; ");
}

TEST(Client, GivesBdatWhereChunkingWasOfferedAndStuffsNoDots) {
  Script script;
  script.transactions = {mail({to("x@b.pl")})};
  script.content = {".a\r\n", "", "b\r", "\n"};
  script.server = {"220 mx\r\n", "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
                   "250 a\r\n250 b\r\n", "250 c\r\n250 d\r\n250 e\r\n", bye};
  const auto got = talk(script);
  EXPECT_EQ(got.sent,
            "EHLO me\r\nMAIL FROM:<s@a.pl>\r\nRCPT TO:<x@b.pl>\r\n"
            "BDAT 4\r\n.a\r\nBDAT 1\r\nbBDAT 2 LAST\r\n\r\nQUIT\r\n");
  EXPECT_EQ(got.shown(), "delivered@dot 250; ");
}

TEST(Client, WaitsForRepliesToChunksBeforeTooManyAreInFlight) {
  Script script;
  script.transactions = {mail({to("x@b.pl")})};
  script.content.assign(12, "line\r\n");
  std::string replies;
  for (int i = 0; i < 12; ++i) replies += "250 c\r\n";
  script.server = {"220 mx\r\n", "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
                   "250 a\r\n250 b\r\n"};
  for (int i = 0; i < 12; ++i) script.server.emplace_back("250 c\r\n");
  script.server.push_back(bye);
  const auto got = talk(script);
  EXPECT_EQ(got.shown(), "delivered@dot 250; ");
  EXPECT_TRUE(got.phases.contains("body body body dot")) << got.phases;
}

// One transaction to x and y over PIPELINING; what the server answers to the group and after.
struct EnvelopeCase {
  std::string_view name;
  std::vector<std::string> server;
  std::string_view results;
  std::string_view said;  // after the envelope
  bool failed = false;
};

const EnvelopeCase envelope_cases[] = {
    {"one recipient refused: data for the other",
     {"250 a\r\n550 5.1.1 no\r\n250 b\r\n354 d\r\n", "250 e\r\n", bye},
     "failed@rcpt 550; delivered@dot 250; ",
     "a\r\n.\r\nQUIT\r\n"},
    {"552 to RCPT is read as 452",
     {"250 a\r\n250 b\r\n552 too many\r\n354 d\r\n", "250 e\r\n", bye},
     "delivered@dot 250; queued@rcpt 552; ",
     "a\r\n.\r\nQUIT\r\n"},
    {"MAIL refused for good, the rest out of order",
     {"550 5.7.1 no\r\n503 a\r\n503 b\r\n503 c\r\n", bye},
     "failed@mail 550; failed@mail 550; ",
     "QUIT\r\n"},
    {"MAIL deferred",
     {"451 later\r\n503 a\r\n503 b\r\n503 c\r\n", bye},
     "queued@mail 451; queued@mail 451; ",
     "QUIT\r\n"},
    {"MAIL refused and yet RCPT accepted: nothing is sent to anybody",
     {"550 no\r\n250 a\r\n250 b\r\n354 c\r\n", "554 no recipients\r\n", bye},
     "failed@mail 550; failed@mail 550; ",
     ".\r\nQUIT\r\n"},
    {"nobody accepted and DATA refused: RSET",
     {"250 a\r\n550 no\r\n450 4.2.0 later\r\n554 none\r\n", "250 reset\r\n", bye},
     "failed@rcpt 550; queued@rcpt 450; ",
     "RSET\r\nQUIT\r\n"},
    {"nobody accepted and 354: a lone dot, and success is not believed",
     {"250 a\r\n550 no\r\n550 no\r\n354 c\r\n", "250 took it\r\n", "250 reset\r\n", bye},
     "failed@rcpt 550; failed@rcpt 550; ",
     ".\r\nRSET\r\nQUIT\r\n"},
    {"DATA refused for good",
     {"250 a\r\n250 b\r\n250 c\r\n554 no\r\n", "250 reset\r\n", bye},
     "failed@data 554; failed@data 554; ",
     "RSET\r\nQUIT\r\n"},
    {"DATA deferred",
     {"250 a\r\n550 x\r\n250 c\r\n451 no\r\n", "250 reset\r\n", bye},
     "failed@rcpt 550; queued@data 451; ",
     "RSET\r\nQUIT\r\n"},
    {"the content refused for good",
     {"250 a\r\n250 b\r\n250 c\r\n354 d\r\n", "550 5.7.1 spam\r\n", "250 reset\r\n", bye},
     "failed@dot 550; failed@dot 550; ",
     "a\r\n.\r\nRSET\r\nQUIT\r\n"},
    {"the content deferred",
     {"250 a\r\n250 b\r\n250 c\r\n354 d\r\n", "452 full\r\n", "250 reset\r\n", bye},
     "queued@dot 452; queued@dot 452; ",
     "a\r\n.\r\nRSET\r\nQUIT\r\n"},
    {"unknown codes count by the first digit",
     {"299 a\r\n599 b\r\n499 c\r\n599 d\r\n", "250 reset\r\n", bye},
     "failed@rcpt 599; queued@rcpt 499; ",
     "RSET\r\nQUIT\r\n"},
    {"421 to MAIL ends it",
     {"421 4.3.2 closing\r\n"},
     "queued@mail 421; queued@mail 421; ",
     "",
     true},
    {"421 to RCPT ends it; what was decided stays",
     {"250 a\r\n550 no\r\n421 closing\r\n"},
     "failed@rcpt 550; queued@rcpt 421; ",
     "",
     true},
    {"421 to DATA ends it",
     {"250 a\r\n250 b\r\n250 c\r\n421 closing\r\n"},
     "queued@data 421; queued@data 421; ",
     "",
     true},
    {"421 to the dot is no success and no doubt",
     {"250 a\r\n250 b\r\n250 c\r\n354 d\r\n", "421 closing\r\n"},
     "queued@dot 421; queued@dot 421; ",
     "a\r\n.\r\n",
     true},
    {"lost in the envelope", {"250 a\r\n550 no\r\n"}, "failed@rcpt 550; queued@rcpt 0; ", "", true},
    {"lost after the dot: in doubt",
     {"250 a\r\n550 b\r\n250 c\r\n354 d\r\n"},
     "failed@rcpt 550; queued@dot 0?; ",
     "a\r\n.\r\n",
     true},
    {"half a reply to the dot is none",
     {"250 a\r\n250 b\r\n250 c\r\n354 d\r\n", "250 o"},
     "queued@dot 0?; queued@dot 0?; ",
     "a\r\n.\r\n",
     true},
    {"221 to the dot is no success",
     {"250 a\r\n250 b\r\n250 c\r\n354 d\r\n", "221 bye\r\n"},
     "queued@dot 0?; queued@dot 0?; ",
     "a\r\n.\r\n",
     true},
    {"354 to the dot is no success",
     {"250 a\r\n250 b\r\n250 c\r\n354 d\r\n", "354 d\r\n"},
     "queued@dot 0?; queued@dot 0?; ",
     "a\r\n.\r\n",
     true},
    {"codes that differ at the dot are no success",
     {"250 a\r\n250 b\r\n250 c\r\n354 d\r\n", "250-ok\r\n550 no\r\n"},
     "queued@dot 0?; queued@dot 0?; ",
     "a\r\n.\r\n",
     true},
    {"junk at the dot is no success",
     {"250 a\r\n250 b\r\n250 c\r\n354 d\r\n", "ok!\r\n"},
     "queued@dot 0?; queued@dot 0?; ",
     "a\r\n.\r\n",
     true},
    {"the answer to the dot given before the dot is not believed",
     {"250 a\r\n250 b\r\n250 c\r\n354 d\r\n250 took it\r\n"},
     "queued@data 0; queued@data 0; ",
     "",
     true},
    {"a refusal amid the content counts",
     {"250 a\r\n250 b\r\n250 c\r\n354 d\r\n552 too big\r\n"},
     "failed@data 552; failed@data 552; ",
     "",
     true},
    {"354 to RCPT is a protocol error",
     {"250 a\r\n354 b\r\n"},
     "queued@rcpt 0; queued@rcpt 0; ",
     "",
     true},
    {"250 to DATA is a protocol error",
     {"250 a\r\n250 b\r\n250 c\r\n250 d\r\n"},
     "queued@data 0; queued@data 0; ",
     "",
     true},
    {"RSET refused: the session ends, the results stand",
     {"250 a\r\n550 no\r\n550 no\r\n554 none\r\n", "500 what?\r\n"},
     "failed@rcpt 550; failed@rcpt 550; ",
     "RSET\r\nQUIT\r\n",
     true},
    {"a farewell after the last transaction is heard",
     {"250 a\r\n250 b\r\n250 c\r\n354 d\r\n", "250 ok\r\n421 too many\r\n"},
     "delivered@dot 250; delivered@dot 250; ",
     "a\r\n.\r\n",
     true},
};

TEST(Client, TakesEveryTurnOfAPipelinedEnvelope) {
  const std::string envelope =
      "EHLO me\r\nMAIL FROM:<s@a.pl>\r\nRCPT TO:<x@b.pl>\r\nRCPT TO:<y@b.pl>\r\nDATA\r\n";
  for (const auto& expected : envelope_cases) {
    Script script;
    script.transactions = {mail({to("x@b.pl"), to("y@b.pl")})};
    script.server = {"220 mx\r\n", pipelining};
    for (const auto& said : expected.server) script.server.push_back(said);
    const auto got = talk(script);
    EXPECT_EQ(got.shown(), expected.results) << expected.name;
    EXPECT_EQ(got.sent, envelope + std::string(expected.said)) << expected.name;
    EXPECT_EQ(got.failed.has_value(), expected.failed) << expected.name;
    EXPECT_EQ(got.dones, 1) << expected.name;
  }
}

TEST(Client, StopsInLockstepAtTheFirstThatEndsTheTransaction) {
  Script script;
  script.transactions = {mail({to("x@b.pl"), to("y@b.pl")}), mail({to("x@b.pl")})};
  script.server = {"220 mx\r\n", "250 mx\r\n", "550 no\r\n", "250 a\r\n",
                   "550 b\r\n",  "250 r\r\n",  bye};
  const auto got = talk(script);
  EXPECT_EQ(got.sent,
            "EHLO me\r\nMAIL FROM:<s@a.pl>\r\nMAIL FROM:<s@a.pl>\r\nRCPT TO:<x@b.pl>\r\nRSET\r\n"
            "QUIT\r\n");
  EXPECT_EQ(got.shown(), "failed@mail 550; failed@mail 550; failed@rcpt 550; ");
}

TEST(Client, DrainsTheRepliesAfterARefusedChunk) {
  Script script;
  script.transactions = {mail({to("x@b.pl")})};
  script.content = {"a\r\n", "b\r\n", "c\r\n"};
  const std::string offers = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
  script.server = {"220 mx\r\n",    offers, "250 a\r\n250 b\r\n", "552 big\r\n503 x\r\n503 y\r\n",
                   "250 reset\r\n", bye};
  auto got = talk(script);
  EXPECT_EQ(got.shown(), "failed@data 552; ");
  EXPECT_TRUE(got.sent.ends_with("BDAT 3 LAST\r\nc\r\nRSET\r\nQUIT\r\n")) << got.sent;
  // Without PIPELINING the refusal is heard before the next chunk.
  script.server = {"220 mx\r\n",
                   "250-mx\r\n250 CHUNKING\r\n",
                   "250 a\r\n",
                   "250 b\r\n",
                   "552 big\r\n",
                   "250 reset\r\n",
                   bye};
  got = talk(script);
  EXPECT_EQ(got.shown(), "failed@data 552; ");
  EXPECT_TRUE(got.sent.ends_with("BDAT 3\r\na\r\nRSET\r\nQUIT\r\n")) << got.sent;
}

struct OpeningCase {
  std::string_view name;
  ClientTls tls;
  std::vector<std::string> server;
  std::string_view sent;
  std::string_view failed;  // "code phase text"; "": it is ready, and quits
};

const OpeningCase opening_cases[] = {
    {"a plain server",
     ClientTls::none,
     {"220 mx\r\n", "250 mx\r\n", bye},
     "EHLO me\r\nQUIT\r\n",
     ""},
    {"a long banner",
     ClientTls::none,
     {"220-a\r\n220-b\r\n220 c\r\n", "250 mx\r\n", bye},
     "EHLO me\r\nQUIT\r\n",
     ""},
    {"HELO after 502",
     ClientTls::none,
     {"220 mx\r\n", "502 what?\r\n", "250 mx\r\n", bye},
     "EHLO me\r\nHELO me\r\nQUIT\r\n",
     ""},
    {"HELO refused too",
     ClientTls::none,
     {"220 mx\r\n", "500 what?\r\n", "500 what?\r\n"},
     "EHLO me\r\nHELO me\r\nQUIT\r\n",
     "500 helo what?"},
    {"no HELO after 550",
     ClientTls::none,
     {"220 mx\r\n", "550 go away\r\n"},
     "EHLO me\r\nQUIT\r\n",
     "550 helo go away"},
    {"no HELO after 451",
     ClientTls::none,
     {"220 mx\r\n", "451 later\r\n"},
     "EHLO me\r\nQUIT\r\n",
     "451 helo later"},
    {"greeted with 554",
     ClientTls::none,
     {"554 no mail here\r\n"},
     "QUIT\r\n",
     "554 greeting no mail here"},
    {"greeted with 521",
     ClientTls::none,
     {"521 no mail here\r\n"},
     "QUIT\r\n",
     "521 greeting no mail here"},
    {"greeted with 450", ClientTls::none, {"450 busy\r\n"}, "QUIT\r\n", "450 greeting busy"},
    {"greeted with 421", ClientTls::none, {"421 busy\r\n"}, "", "421 greeting busy"},
    {"greeted with junk",
     ClientTls::none,
     {"SSH-2.0-x\r\n"},
     "",
     "0 greeting not a reply of SMTP: \"SSH-2.0-x\""},
    {"not greeted", ClientTls::none, {}, "", "0 greeting closed (at greeting)"},
    {"an early 221",
     ClientTls::none,
     {"221 bye\r\n"},
     "",
     "0 greeting protocol error at greeting: the server said 221 bye"},
    {"an answer before EHLO",
     ClientTls::none,
     {"220 mx\r\n250 mx\r\n"},
     "",
     "0 helo the server spoke out of turn: 250 mx"},
    {"a farewell before EHLO", ClientTls::none, {"220 mx\r\n421 busy\r\n"}, "", "421 helo busy"},
    {"STARTTLS where it is offered",
     ClientTls::opportunistic,
     {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n", "250 mx\r\n", bye},
     "EHLO me\r\nSTARTTLS\r\n<tls>EHLO me\r\nQUIT\r\n",
     ""},
    {"STARTTLS not wanted",
     ClientTls::none,
     {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", bye},
     "EHLO me\r\nQUIT\r\n",
     ""},
    {"STARTTLS not offered",
     ClientTls::opportunistic,
     {"220 mx\r\n", "250 mx\r\n", bye},
     "EHLO me\r\nQUIT\r\n",
     ""},
    {"STARTTLS refused: in clear",
     ClientTls::opportunistic,
     {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "454 no key\r\n", bye},
     "EHLO me\r\nSTARTTLS\r\nQUIT\r\n",
     ""},
    {"what was said in clear after the 220 is forgotten",
     ClientTls::opportunistic,
     {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n",
      "250 mx\r\n", bye},
     "EHLO me\r\nSTARTTLS\r\n<tls>EHLO me\r\nQUIT\r\n",
     ""},
    {"TLS required and offered",
     ClientTls::required,
     {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n", "250 mx\r\n", bye},
     "EHLO me\r\nSTARTTLS\r\n<tls>EHLO me\r\nQUIT\r\n",
     ""},
    {"TLS required and not offered",
     ClientTls::required,
     {"220 mx\r\n", "250 mx\r\n"},
     "EHLO me\r\nQUIT\r\n",
     "0 starttls TLS is required, but the server does not offer STARTTLS"},
    {"TLS required and refused",
     ClientTls::required,
     {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "454 no key\r\n"},
     "EHLO me\r\nSTARTTLS\r\nQUIT\r\n",
     "454 starttls no key"},
    {"TLS required of a server without EHLO",
     ClientTls::required,
     {"220 mx\r\n", "502 what?\r\n", "250 mx\r\n"},
     "EHLO me\r\nHELO me\r\nQUIT\r\n",
     "0 starttls TLS is required, but the server does not offer STARTTLS"},
    {"TLS is there already",
     ClientTls::active,
     {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", bye},
     "EHLO me\r\nQUIT\r\n",
     ""},
    {"lost at QUIT is no failure",
     ClientTls::none,
     {"220 mx\r\n", "250 mx\r\n"},
     "EHLO me\r\nQUIT\r\n",
     ""},
};

TEST(Client, OpensASessionOrSaysWhyNot) {
  for (const auto& expected : opening_cases) {
    Script script;
    script.options.tls = expected.tls;
    script.server = expected.server;
    const auto got = talk(script);
    EXPECT_EQ(got.sent, expected.sent) << expected.name;
    std::string failed;
    if (got.failed) {
      failed = std::to_string(got.failed->reply.code) + " " +
               std::string(name_of(got.failed->phase)) + " " + got.failed->reply.lines.at(0);
    }
    EXPECT_EQ(failed, expected.failed) << expected.name;
  }
}

TEST(Client, SaysThatStartTlsWasRefusedAndTheHandshakeFailed) {
  ClientSession session({.hostname = "me"});
  session.receive("220 mx\r\n");
  EXPECT_TRUE(std::holds_alternative<client::Send>(session.next()));
  session.receive("250-mx\r\n250 STARTTLS\r\n");
  EXPECT_TRUE(std::holds_alternative<client::Send>(session.next()));
  session.receive("220 go\r\n");
  EXPECT_TRUE(std::holds_alternative<client::StartTls>(session.next()));
  session.tls_failed("wrong version number");
  const auto step = session.next();
  EXPECT_EQ(std::get<client::Failed>(step).reply.one_line(), "TLS: wrong version number");
  EXPECT_TRUE(std::holds_alternative<client::Close>(session.next()));
  EXPECT_TRUE(std::holds_alternative<client::Close>(session.next()));
}

std::string auth_server(std::string_view mechanisms) {
  return "250-mx\r\n250 AUTH " + std::string(mechanisms) + "\r\n";
}

Script login_script() {
  Script script;
  script.options.tls = ClientTls::opportunistic;
  script.options.login = ClientLogin{.user = "ala", .password = Secret("kot")};
  script.options.client_nonce = "nonce";
  script.server = {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"};
  return script;
}

std::string after_tls(const Talk& talk) {
  return talk.sent.substr(talk.sent.find("<tls>EHLO me\r\n") + 14);
}

TEST(Client, LogsInWithPlainAndWithLogin) {
  auto script = login_script();
  script.server.insert(script.server.end(), {auth_server("LOGIN PLAIN"), "235 ok\r\n", bye});
  EXPECT_EQ(after_tls(talk(script)),
            "AUTH PLAIN " + to_base64(std::string_view("\0ala\0kot", 8)) + "\r\nQUIT\r\n");
  script = login_script();
  script.server.insert(script.server.end(), {auth_server("login"), "334 VXNlcm5hbWU6\r\n",
                                             "334 UGFzc3dvcmQ6\r\n", "235 ok\r\n", bye});
  EXPECT_EQ(after_tls(talk(script)),
            "AUTH LOGIN\r\n" + to_base64("ala") + "\r\n" + to_base64("kot") + "\r\nQUIT\r\n");
}

TEST(Client, LogsInWithScramAndAsksTheServerForItsProof) {
  for (const bool honest : {true, false}) {
    auto script = login_script();
    ScramServer scram("+server");
    const auto keys = derive_scram_keys("kot", "salt", 4096);
    ScramClient twin("ala", Secret("kot"), "nonce");
    ASSERT_TRUE(scram.client_first(twin.client_first()));
    const auto server_first = scram.server_first(keys);
    const auto client_final = twin.client_final(server_first);
    ASSERT_TRUE(client_final);
    const auto server_final = *scram.client_final(*client_final);
    script.server.insert(
        script.server.end(),
        {auth_server("PLAIN SCRAM-SHA-256"), "334 " + to_base64(server_first) + "\r\n",
         honest ? "334 " + to_base64(server_final) + "\r\n" : "235 believe me\r\n",
         honest ? "235 ok\r\n" : bye, bye});
    const auto got = talk(script);
    EXPECT_EQ(got.failed.has_value(), !honest);
    const auto client_first = ScramClient("ala", Secret("kot"), "nonce").client_first();
    EXPECT_EQ(after_tls(got), "AUTH SCRAM-SHA-256 " + to_base64(client_first) + "\r\n" +
                                  to_base64(*client_final) + "\r\n" + (honest ? "\r\n" : "") +
                                  "QUIT\r\n");
  }
}

TEST(Client, GivesNoPasswordToAServerThatLiesInScram) {
  auto script = login_script();
  script.server.insert(script.server.end(),
                       {auth_server("PLAIN SCRAM-SHA-256"),
                        "334 " + to_base64("r=other,s=c2FsdA==,i=4096") + "\r\n", "501 ok\r\n"});
  const auto got = talk(script);
  EXPECT_TRUE(got.sent.ends_with("\r\n*\r\nQUIT\r\n")) << got.sent;
  EXPECT_FALSE(got.sent.contains("AUTH PLAIN"));
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->phase, Phase::auth);
}

TEST(Client, TriesTheNextMechanismAndKeepsTheLastRefusal) {
  auto script = login_script();
  script.server.insert(script.server.end(),
                       {auth_server("PLAIN SCRAM-SHA-256"), "535 no\r\n", "535 5.7.8 wrong\r\n"});
  const auto got = talk(script);
  EXPECT_TRUE(after_tls(got).starts_with("AUTH SCRAM-SHA-256 "));
  EXPECT_TRUE(got.sent.contains("AUTH PLAIN "));
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->reply.one_line(), "535 5.7.8 wrong");
}

TEST(Client, RefusesToLogInWhereThePasswordIsNotSafe) {
  auto in_clear = login_script();
  in_clear.options.tls = ClientTls::none;
  in_clear.server = {"220 mx\r\n", auth_server("PLAIN"), "235 ok\r\n", bye};
  auto got = talk(in_clear);
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->reply.lines.at(0), "no login over a connection in clear");
  EXPECT_FALSE(got.sent.contains("AUTH"));
  in_clear.options.login_in_clear = true;
  EXPECT_FALSE(talk(in_clear).failed);

  auto unverified = login_script();
  unverified.facts.verified = "none";
  unverified.server.insert(unverified.server.end(), {auth_server("PLAIN"), "235 ok\r\n", bye});
  got = talk(unverified);
  ASSERT_TRUE(got.failed);
  EXPECT_FALSE(got.sent.contains("AUTH"));
  unverified.options.login_unverified = true;
  EXPECT_FALSE(talk(unverified).failed);

  auto nothing = login_script();
  nothing.server.insert(nothing.server.end(), {auth_server("CRAM-MD5")});
  ASSERT_TRUE(talk(nothing).failed);
}

struct ParameterCase {
  std::string_view name, offers;
  ClientTransaction transaction;
  std::string_view envelope;  // what is sent of it; "": nothing
  std::string_view results;
};

std::vector<ParameterCase> parameter_cases() {
  auto base = mail({to("x@b.pl")});
  auto eight_bit = base;
  eight_bit.eight_bit = true;
  auto big = base;
  big.size = 1001;
  auto utf8 = base;
  utf8.sender.smtputf8 = true;
  auto utf8_recipient = mail({to("x@b.pl"), to("żółw@b.pl")});
  auto utf8_sender = base;
  utf8_sender.sender.address = *Address::parse("żółw@a.pl");
  auto dsn = mail({to("x@b.pl", {.success = true, .failure = true}), to("y@b.pl", {.never = true}),
                   to("z@b.pl")});
  dsn.sender.ret = DsnReturn::headers;
  dsn.sender.envelope_id = "QQ+3D1";
  dsn.recipients[0].original_recipient = "rfc822;x+2B@c.pl";
  auto injected = base;
  injected.sender.envelope_id = "a\r\nRSET";
  injected.recipients[0].original_recipient = "rfc822;a b";
  auto bounce = base;
  bounce.sender.address = {};
  return {
      {"nothing offered, nothing said", "HELP", base, "<s@a.pl>|<x@b.pl>", "delivered@dot 250; "},
      {"the null sender", "HELP", bounce, "<>|<x@b.pl>", "delivered@dot 250; "},
      {"SIZE", "SIZE 1000", base, "<s@a.pl> SIZE=3|<x@b.pl>", "delivered@dot 250; "},
      {"SIZE without limit", "SIZE 0", big, "<s@a.pl> SIZE=1001|<x@b.pl>", "delivered@dot 250; "},
      {"SIZE without number", "SIZE", big, "<s@a.pl> SIZE=1001|<x@b.pl>", "delivered@dot 250; "},
      {"larger than SIZE", "size 1000", big, "", "failed@mail 552; "},
      {"8-bit and offered", "8BITMIME", eight_bit, "<s@a.pl> BODY=8BITMIME|<x@b.pl>",
       "delivered@dot 250; "},
      {"8-bit and not offered", "SIZE", eight_bit, "", "failed@mail 554; "},
      {"no BODY without need", "8BITMIME", base, "<s@a.pl>|<x@b.pl>", "delivered@dot 250; "},
      {"SMTPUTF8 header and offered", "SMTPUTF8", utf8, "<s@a.pl> SMTPUTF8|<x@b.pl>",
       "delivered@dot 250; "},
      {"SMTPUTF8 header and not offered", "SIZE", utf8, "", "failed@mail 553; "},
      {"SMTPUTF8 sender and not offered", "SIZE", utf8_sender, "", "failed@mail 553; "},
      {"SMTPUTF8 recipient and offered", "SMTPUTF8", utf8_recipient,
       "<s@a.pl> SMTPUTF8|<x@b.pl>|<żółw@b.pl>", "delivered@dot 250; delivered@dot 250; "},
      {"SMTPUTF8 recipient and not offered: the other gets it", "HELP", utf8_recipient,
       "<s@a.pl>|<x@b.pl>", "delivered@dot 250; failed@mail 553; "},
      {"DSN", "DSN", dsn,
       "<s@a.pl> RET=HDRS ENVID=QQ+3D1|<x@b.pl> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+2B@c.pl|"
       "<y@b.pl> NOTIFY=NEVER|<z@b.pl>",
       "delivered@dot 250; delivered@dot 250; delivered@dot 250; "},
      {"DSN not offered: relayed where success was asked for", "HELP", dsn,
       "<s@a.pl>|<x@b.pl>|<y@b.pl>|<z@b.pl>",
       "relayed@dot 250; delivered@dot 250; delivered@dot 250; "},
      {"broken parameters stay here", "DSN", injected, "<s@a.pl>|<x@b.pl>", "delivered@dot 250; "},
  };
}

TEST(Client, GivesTheParametersThatWereOfferedAndRefusesWhatTheServerCannotTake) {
  for (const auto& expected : parameter_cases()) {
    Script script;
    script.transactions = {expected.transaction};
    script.server = {"220 mx\r\n", "250-mx\r\n250 " + std::string(expected.offers) + "\r\n"};
    std::string sent;
    if (!expected.envelope.empty()) {
      script.server.emplace_back("250 ok\r\n");
      sent = "MAIL FROM:";
      for (char c : expected.envelope) {
        if (c == '|') {
          sent += "\r\nRCPT TO:";
          script.server.emplace_back("250 ok\r\n");
        } else {
          sent += c;
        }
      }
      sent += "\r\nDATA\r\na\r\n.\r\n";
      script.server.insert(script.server.end(), {"354 go\r\n", "250 ok\r\n"});
    }
    script.server.push_back(bye);
    const auto got = talk(script);
    EXPECT_EQ(got.sent, "EHLO me\r\n" + sent + "QUIT\r\n") << expected.name;
    EXPECT_EQ(got.shown(), expected.results) << expected.name;
  }
}

TEST(Client, TakesOneReplyForEachAcceptedRecipientFromLmtp) {
  Script script;
  script.options.lmtp = true;
  script.transactions = {mail({to("x@b.pl"), to("y@b.pl", {.success = true}), to("z@b.pl")})};
  script.server = {"220 mx LMTP\r\n",
                   "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
                   "250 a\r\n250 b\r\n550 c\r\n250 d\r\n",
                   "354 go\r\n",
                   "552 5.2.2 full\r\n250 ok\r\n",
                   "250 reset\r\n",
                   bye};
  auto got = talk(script);
  EXPECT_EQ(got.sent,
            "LHLO me\r\nMAIL FROM:<s@a.pl>\r\nRCPT TO:<x@b.pl>\r\nRCPT TO:<y@b.pl>\r\n"
            "RCPT TO:<z@b.pl>\r\nDATA\r\na\r\n.\r\nRSET\r\nQUIT\r\n");
  EXPECT_EQ(got.shown(), "failed@dot 552; failed@rcpt 550; delivered@dot 250; ");
  // Lost between the replies: what was answered stands, the rest is in doubt.
  script.server.resize(4);
  script.server[2] = "250 a\r\n250 b\r\n250 c\r\n250 d\r\n";
  script.server.emplace_back("250 one\r\n450 two\r\n");
  got = talk(script);
  EXPECT_EQ(got.shown(), "delivered@dot 250; queued@dot 450; queued@dot 0?; ");
}

TEST(Client, HearsAFarewellWhileItIsIdle) {
  for (const bool lost : {false, true}) {
    ClientSession session({.hostname = "me", .tls = ClientTls::none});
    session.receive("220 mx\r\n");
    EXPECT_TRUE(std::holds_alternative<client::Send>(session.next()));
    session.receive("250 mx\r\n");
    EXPECT_TRUE(std::holds_alternative<client::Ready>(session.next()));
    if (lost)
      session.receive_end("closed");
    else
      session.receive("421 4.4.2 timeout\r\n");
    const auto step = session.next();
    EXPECT_EQ(std::get<client::Failed>(step).reply.code, lost ? 0 : 421);
    EXPECT_TRUE(std::holds_alternative<client::Close>(session.next()));
  }
}

TEST(Client, EndsWithoutTheDotWhenTheContentCannotBeRead) {
  ClientSession session({.hostname = "me", .tls = ClientTls::none});
  std::string sent;
  const auto drain = [&session, &sent] {
    auto step = session.next();
    while (auto* send = std::get_if<client::Send>(&step)) {
      sent += send->bytes;
      step = session.next();
    }
    return step;
  };
  session.receive("220 mx\r\n");
  drain();
  session.receive(pipelining);
  EXPECT_TRUE(std::holds_alternative<client::Ready>(drain()));
  session.begin(mail({to("x@b.pl")}));
  drain();
  session.receive("250 a\r\n250 b\r\n354 c\r\n");
  EXPECT_TRUE(std::holds_alternative<client::NeedBody>(drain()));
  session.body("half", false);
  EXPECT_TRUE(std::holds_alternative<client::NeedBody>(drain()));
  session.abort_body();
  const auto done = std::get<client::Done>(drain());
  EXPECT_EQ(done.results.at(0).state, queued);
  EXPECT_FALSE(done.results.at(0).uncertain);
  EXPECT_TRUE(std::holds_alternative<client::Failed>(drain()));
  EXPECT_TRUE(std::holds_alternative<client::Close>(drain()));
  EXPECT_TRUE(sent.ends_with("DATA\r\nhalf")) << sent;
}

TEST(Client, ReadsTheLimitsOfTheServer) {
  ClientSession session({.hostname = "me", .tls = ClientTls::none});
  EXPECT_EQ(session.capacity(), 100u);
  session.receive("220 mx.b.pl ESMTP ready\r\n");
  EXPECT_TRUE(std::holds_alternative<client::Send>(session.next()));
  session.receive(
      "250-mx\r\n250-LIMITS RCPTMAX=20 MAILMAX=5 X=y\r\n250-AUTH=LOGIN\r\n250-AUTH plain\r\n"
      "250 enhancedstatuscodes\r\n");
  EXPECT_TRUE(std::holds_alternative<client::Ready>(session.next()));
  EXPECT_EQ(session.capacity(), 20u);
  EXPECT_EQ(session.extensions().max_mails, 5u);
  EXPECT_EQ(session.extensions().mechanisms, (std::vector<std::string>{"LOGIN", "PLAIN"}));
  EXPECT_TRUE(session.extensions().enhanced_codes);
  EXPECT_EQ(session.greeting(), "mx.b.pl");
}

}  // namespace
}  // namespace goniec::smtp
