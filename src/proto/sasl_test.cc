// Tests of SASL on the vectors of tests/data/sasl (RFC 5802, 7677, 4616, 4013), and of the refusals
// that both SCRAM roles owe to each other.
#include "proto/sasl.h"

#include <gtest/gtest.h>

#include "proto/vector_files.h"

namespace goniec {
namespace {

TEST(Sasl, ReadsPlainAsTheVectorsSay) {
  for (const VectorRow& row : read_vectors("sasl/plain_and_others.tsv")) {
    if (row[0] != "PLAIN") continue;
    SCOPED_TRACE(row[1]);
    auto message = from_base64(row[1]);
    if (row[2] == "501") {  // not base64, or the word of cancelling
      EXPECT_FALSE(message);
      continue;
    }
    ASSERT_TRUE(message);
    auto credentials = parse_plain(*message);
    bool own = credentials && (credentials->authorisation.empty() ||
                               credentials->authorisation == credentials->user);
    EXPECT_EQ(own, row[2] == "ok");
  }
}

TEST(Sasl, BoundsThePartsOfPlain) {
  auto plain = [](std::size_t authzid, std::size_t user, std::size_t password) {
    return parse_plain(std::string(authzid, 'a') + '\0' + std::string(user, 'u') + '\0' +
                       std::string(password, 'p'));
  };
  EXPECT_TRUE(plain(255, 255, 1024));
  EXPECT_FALSE(plain(256, 1, 1));
  EXPECT_FALSE(plain(0, 256, 1));
  EXPECT_FALSE(plain(0, 1, 1025));
  EXPECT_FALSE(parse_plain(std::string("\0user\0pass\xff", 11)));
}

TEST(Sasl, MakesThePlainThatItReads) {
  PlainCredentials credentials{"", "user", Secret("test")};
  auto read = parse_plain(make_plain(credentials));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->user, "user");
  EXPECT_EQ(read->password.reveal(), "test");
}

std::optional<std::string> from_json(const std::string& quoted) {
  std::string text;
  std::string_view rest = quoted;
  rest.remove_prefix(1);
  rest.remove_suffix(1);
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest.substr(i, 2) != "\\u") {
      text.push_back(rest[i]);
      continue;
    }
    auto value = static_cast<unsigned>(std::stoul(std::string(rest.substr(i + 2, 4)), nullptr, 16));
    i += 5;
    if (value >= 0xD800 && value <= 0xDBFF) {
      auto low = static_cast<unsigned>(std::stoul(std::string(rest.substr(i + 3, 4)), nullptr, 16));
      value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
      i += 6;
      text.push_back(static_cast<char>(0xF0 | value >> 18));
      text.push_back(static_cast<char>(0x80 | (value >> 12 & 63)));
    } else if (value >= 0x800) {
      text.push_back(static_cast<char>(0xE0 | value >> 12));
    }
    if (value >= 0x800) text.push_back(static_cast<char>(0x80 | (value >> 6 & 63)));
    if (value < 0x80) {
      text.push_back(static_cast<char>(value));
      continue;
    }
    if (value < 0x800) text.push_back(static_cast<char>(0xC0 | value >> 6));
    text.push_back(static_cast<char>(0x80 | (value & 63)));
  }
  return text;
}

TEST(Sasl, PreparesStringsAsTheVectorsSay) {
  for (const VectorRow& row : read_vectors("sasl/saslprep.tsv")) {
    SCOPED_TRACE(row[0]);
    auto prepared = saslprep(*from_json(row[0]));
    if (row[1].starts_with("!ERR")) {
      EXPECT_FALSE(prepared) << *prepared;
    } else {
      ASSERT_TRUE(prepared) << prepared.error().message;
      EXPECT_EQ(*prepared, *from_json(row[1]));
    }
  }
}

TEST(Sasl, PreparesWhatPeopleType) {
  struct Case {
    std::string given, prepared;  // "": refused
  };
  for (const Case& each : std::vector<Case>{
           {"zażółć gęślą jaźń", "zażółć gęślą jaźń"},
           {"z\xcc\x87", "\xc5\xbc"},                 // z + dot above = ż
           {"\xef\xbc\xa1", "A"},                     // full-width A
           {"\xd0\xb9", "\xd0\xb9"},                  // й stays composed
           {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},  // passes as it came
           {"\xe6\xbc\xa2\xe5\xad\x97", "\xe6\xbc\xa2\xe5\xad\x97"},
           {"\x01", ""},
           {"a\xc2\x85", ""},
           {"\xee\x80\x80", ""},  // private use
       }) {
    auto prepared = saslprep(each.given);
    EXPECT_EQ(prepared.value_or(""), each.prepared);
  }
}

TEST(Scram, SaysWhatTheVectorsSay) {
  std::size_t tried = 0;
  for (const VectorRow& row : read_vectors("sasl/scram.tsv")) {
    const auto kind = row[0] == "SCRAM-SHA-1"     ? DigestKind::sha1
                      : row[0] == "SCRAM-SHA-512" ? DigestKind::sha512
                                                  : DigestKind::sha256;
    ++tried;
    SCOPED_TRACE(row[7]);
    auto iterations = static_cast<std::uint32_t>(std::stoul(row[4]));
    ScramKeys keys = derive_scram_keys(row[2], *from_base64(row[3]), iterations, kind);
    EXPECT_EQ(to_base64(keys.stored_key), row[11]);
    ScramServer server(row[6], kind);
    auto user = server.client_first(row[7]);
    ASSERT_TRUE(user) << user.error().message;
    EXPECT_EQ(*user, row[1]);
    EXPECT_EQ(server.server_first(keys), row[8]);
    auto final = server.client_final(row[9]);
    ASSERT_TRUE(final) << final.error().message;
    EXPECT_EQ(*final, row[10]);

    ScramClient client(row[1], Secret(row[2]), row[5], kind);
    EXPECT_EQ(client.client_first(), row[7]);
    auto answer = client.client_final(row[8]);
    if (iterations < 4096) {  // RFC 7677 §4
      EXPECT_FALSE(answer);
      continue;
    }
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(*answer, row[9]);
    EXPECT_TRUE(client.check_server_final(row[10]));
    EXPECT_FALSE(client.check_server_final("v=" + to_base64(std::string(32, 'x'))));
    EXPECT_FALSE(client.check_server_final("e=other-error"));
  }
  EXPECT_EQ(tried, 5u);
}

TEST(Scram, RefusesABadClientFirst) {
  for (const VectorRow& row : read_vectors("sasl/scram_bad_client_first.tsv")) {
    ScramServer server("servernonce");
    EXPECT_EQ(server.client_first(unescape(row[1])).has_value(), row[2].starts_with("continue"))
        << row[0];
  }
  ScramServer server("servernonce");
  EXPECT_FALSE(server.client_first("n,a=other,n=user,r=abc"));
}

TEST(Scram, RefusesAFinalThatDoesNotFit) {
  ScramKeys keys = derive_scram_keys("pencil", "salt", 4096);
  for (std::string change : {"none", "nonce", "binding", "proof", "no proof", "password"}) {
    ScramServer server("servernonce");
    ScramClient client("user", Secret(change == "password" ? "pen" : "pencil"), "clientnonce");
    ASSERT_TRUE(server.client_first(client.client_first()));
    auto final = client.client_final(server.server_first(keys));
    ASSERT_TRUE(final);
    std::string text = *final;
    if (change == "nonce") text.replace(text.find("servernonce"), 11, "othersnonce");
    if (change == "binding") text.replace(0, 6, "c=eSws");
    if (change == "proof") text[text.find(",p=") + 4] ^= 3;
    if (change == "no proof") text.resize(text.find(",p="));
    EXPECT_EQ(server.client_final(text).has_value(), change == "none") << change;
  }
}

TEST(Scram, ClientRefusesAServerThatCheats) {
  for (std::string first : {"r=other,s=c2FsdA==,i=4096", "r=clientnonce,s=c2FsdA==,i=4096",
                            "r=clientnonceX,s=c2FsdA==,i=1", "r=clientnonceX,s=,i=4096",
                            "r=clientnonceX,s=c2FsdA==,i=4294967295", "m=x,r=clientnonceX", ""}) {
    ScramClient client("user", Secret("pencil"), "clientnonce");
    client.client_first();
    EXPECT_FALSE(client.client_final(first)) << first;
  }
}

}  // namespace
}  // namespace goniec
