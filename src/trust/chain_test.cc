// Chains of certificates: which are trusted, for which names, and what is said of the others. The
// certificates are those of tests/data/dane; their root is in "full".
#include "trust/chain.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace goniec {
namespace {

std::string pem_of(const std::string& name) {
  std::ifstream file(GONIEC_SOURCE_DIR "/tests/data/dane/chain-" + name + ".pem");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> chain_of(const std::string& name) {
  return certificates_of_pem(pem_of(name));
}

std::shared_ptr<const TrustRoots> root() {
  const std::string full = pem_of("full");
  return TrustRoots::of_pem(full.substr(full.rfind("-----BEGIN"))).value();
}

const Instant in_2027 = parse_rfc3339("2027-01-01T00:00:00Z").value();
const std::string host = "mx1.open-vectors.example";

ChainVerdict verify(const std::string& name, const std::string& wanted = host,
                    Instant now = in_2027) {
  return verify_pkix(chain_of(name), *root(), {wanted}, now);
}

TEST(Chain, that_ends_at_a_root_is_good_in_any_order_and_without_the_root) {
  for (const char* name : {"full", "no-root", "shuffled", "wildcard"})
    EXPECT_TRUE(verify(name).good()) << name << ": " << verify(name).why;
}

TEST(Chain, faults_are_told_apart) {
  struct Case {
    const char* chain;
    ChainFault fault;
  };
  for (const Case& each :
       {Case{"leaf-only", ChainFault::not_trusted}, Case{"self-signed", ChainFault::not_trusted},
        Case{"expired", ChainFault::expired}, Case{"wrong-name", ChainFault::host_mismatch},
        Case{"cn-only", ChainFault::host_mismatch},
        Case{"nexthop-name", ChainFault::host_mismatch}}) {
    const ChainVerdict verdict = verify(each.chain);
    EXPECT_EQ(verdict.fault, each.fault) << each.chain << ": " << verdict.why;
    EXPECT_FALSE(verdict.why.empty());
  }
  EXPECT_EQ(verify("full", host, parse_rfc3339("2020-01-01T00:00:00Z").value()).fault,
            ChainFault::expired)
      << "not yet valid";
}

TEST(Chain, a_wildcard_is_one_whole_label) {
  EXPECT_TRUE(verify("wildcard", "mx2.open-vectors.example").good());
  EXPECT_FALSE(verify("wildcard", "open-vectors.example").good());
  EXPECT_FALSE(verify("wildcard", "a.b.open-vectors.example").good());
  EXPECT_FALSE(verify("full", ".open-vectors.example").good()) << "a dot is no pattern";
}

TEST(Chain, a_common_name_counts_only_under_an_anchor) {
  const auto chain = chain_of("cn-only");
  EXPECT_TRUE(verify_to_anchors(chain, {chain.back()}, {host}, in_2027).good());
  EXPECT_EQ(verify_to_anchors(chain, {chain.back()}, {"other.example"}, in_2027).fault,
            ChainFault::host_mismatch);
}

TEST(Chain, anchors_may_stand_anywhere_above_the_first) {
  const auto chain = chain_of("full");
  EXPECT_TRUE(verify_to_anchors(chain, {chain[1]}, {host}, in_2027).good());
  EXPECT_TRUE(verify_to_anchors(chain_of("no-root"), {chain[2]}, {host}, in_2027).good());
  EXPECT_EQ(verify_to_anchors(chain, {chain_of("self-signed")[0]}, {host}, in_2027).fault,
            ChainFault::not_trusted);
}

TEST(Chain, what_cannot_be_read_is_refused_and_bounded) {
  const auto full = chain_of("full");
  EXPECT_EQ(verify_pkix({}, *root(), {host}, in_2027).fault, ChainFault::unreadable);
  EXPECT_EQ(verify_pkix({"garbage"}, *root(), {host}, in_2027).fault, ChainFault::unreadable);
  EXPECT_EQ(verify_pkix({full[0] + "x"}, *root(), {host}, in_2027).fault, ChainFault::unreadable);
  EXPECT_EQ(verify_pkix(std::vector(21, full[0]), *root(), {host}, in_2027).fault,
            ChainFault::unreadable);
  EXPECT_FALSE(TrustRoots::of_pem("no roots").has_value());
}

}  // namespace
}  // namespace goniec
