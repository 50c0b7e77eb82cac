// Where copies really go, and what each recipient keeps of what the sender asked.
#include "intake/expand.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "accounts/accounts_for_tests.h"

namespace goniec {
namespace {

using test::address;

class ExpandTest : public testing::Test {
 protected:
  ExpandTest() {
    house_.add_domain("a.pl");
    for (const char* name : {"ann@a.pl", "bob@a.pl"}) house_.add_user({.address = address(name)});
    house_.add_alias("one@a.pl", {"ann@a.pl"});
    house_.add_alias("two@a.pl", {"one@a.pl"});
    house_.add_alias("far@a.pl", {"x@far.org"});
    house_.add_alias("list@a.pl", {"ann@a.pl", "bob@a.pl", "x@far.org"});
    house_.add_alias("all@a.pl", {"list@a.pl", "two@a.pl", "y@far.org"});
    house_.add_alias("dead@a.pl", {"gone@a.pl"});
  }

  static Recipient to(const char* text, NotifyOptions notify = {}) {
    return {.address = address(text), .notify = notify};
  }
  // "address[L] notify orcpt; "
  std::string expand(const std::vector<Recipient>& recipients, ExpandLimits limits = {}) {
    const auto expansion = expand_recipients(*house_.directory, recipients, limits);
    if (!expansion) return "error: " + expansion.error().message;
    std::string said;
    for (const FinalRecipient& final : expansion->recipients) {
      said += final.recipient.address.text() + (final.local ? "[L]" : "");
      if (final.recipient.notify.given()) said += " " + final.recipient.notify.text();
      if (final.recipient.original_recipient) said += " " + *final.recipient.original_recipient;
      said += "; ";
    }
    for (const auto& list : expansion->expanded)
      said += "expanded " + list.recipient.address.text() + " to " +
              std::to_string(list.targets.size()) + "; ";
    return said;
  }

  test::TestHouse house_;
};

TEST_F(ExpandTest, finds_mailboxes_and_remote_addresses) {
  EXPECT_EQ(expand({to("ann@a.pl"), to("z@far.org")}), "ann@a.pl[L]; z@far.org; ");
  EXPECT_EQ(expand({to("bob+x@a.pl")}), "bob@a.pl[L] rfc822;bob+2Bx@a.pl; ");
  EXPECT_EQ(expand({to("two@a.pl")}), "ann@a.pl[L] rfc822;two@a.pl; ");
  EXPECT_EQ(expand({to("far@a.pl")}), "x@far.org rfc822;far@a.pl; ");
}

TEST_F(ExpandTest, takes_each_address_once) {
  EXPECT_EQ(expand({to("ann@a.pl"), to("ANN@a.pl"), to("ann+1@a.pl"), to("one@a.pl")}),
            "ann@a.pl[L]; ");
  EXPECT_EQ(expand({to("x@far.org"), to("X@far.org"), to("x@far.org")}), "x@far.org; X@far.org; ")
      << "only the far side knows about case";
  EXPECT_EQ(expand({to("all@a.pl")}),
            "y@far.org rfc822;all@a.pl; ann@a.pl[L] rfc822;all@a.pl; bob@a.pl[L] rfc822;all@a.pl; "
            "x@far.org rfc822;all@a.pl; expanded all@a.pl to 3; expanded list@a.pl to 3; ");
}

TEST_F(ExpandTest, passes_notify_through_an_alias_of_one_and_answers_success_at_a_list) {
  const NotifyOptions success{.success = true};
  const NotifyOptions both{.success = true, .failure = true};
  const NotifyOptions never{.never = true};
  EXPECT_EQ(expand({to("two@a.pl", both)}), "ann@a.pl[L] SUCCESS,FAILURE rfc822;two@a.pl; ");
  Recipient given = to("one@a.pl", never);
  given.original_recipient = "rfc822;first@z.org";
  EXPECT_EQ(expand({given}), "ann@a.pl[L] NEVER rfc822;first@z.org; ");
  EXPECT_EQ(expand({to("list@a.pl", both)}),
            "ann@a.pl[L] FAILURE rfc822;list@a.pl; bob@a.pl[L] FAILURE rfc822;list@a.pl; "
            "x@far.org FAILURE rfc822;list@a.pl; expanded list@a.pl to 3; ");
  EXPECT_TRUE(expand({to("list@a.pl", success)}).starts_with("ann@a.pl[L] NEVER "));
  EXPECT_TRUE(expand({to("list@a.pl")}).starts_with("ann@a.pl[L] rfc822;list@a.pl; "));
}

TEST_F(ExpandTest, leaves_who_is_unknown_to_local_delivery) {
  EXPECT_EQ(expand({to("gone@a.pl")}), "gone@a.pl[L]; ");
  EXPECT_EQ(expand({to("dead@a.pl")}), "gone@a.pl[L] rfc822;dead@a.pl; ");
}

TEST_F(ExpandTest, gives_postmaster_to_somebody) {
  Recipient postmaster;
  postmaster.address = Address::make("postmaster", Domain());
  EXPECT_EQ(expand({postmaster}), "ann@a.pl[L]; ");
}

TEST_F(ExpandTest, says_in_whose_name_mail_leaves_by_an_alias_and_who_stands_behind_a_return) {
  Forwarding forwarding;
  auto reader = house_.store->reader();
  ASSERT_TRUE(forwarding.open(*house_.directory, house_.committer, **reader, house_.metrics));
  ASSERT_TRUE(house_.wait(forwarding.make_secret(house_.shard)));
  house_.add_domain("b.pl");
  house_.add_alias("out@b.pl", {"far@a.pl", "ann@a.pl"});
  const ForwardingDoor door{&forwarding, {}, from_microseconds(1'800'000'000'000'000)};
  const auto said = [&](const char* name) {
    const auto expansion = expand_recipients(*house_.directory, {to(name)}, {}, door);
    CHECK(expansion.has_value());
    std::string text = expansion->returns ? "returns " : "";
    for (const FinalRecipient& final : expansion->recipients)
      text += final.recipient.address.text() + " by " + final.forwarded_by.ascii() + "; ";
    return text + "all " + expansion->forwarded_by().ascii();
  };
  EXPECT_EQ(said("far@a.pl"), "x@far.org by a.pl; all a.pl");
  EXPECT_EQ(said("out@b.pl"), "ann@a.pl by ; x@far.org by a.pl; all a.pl") << "the last alias";
  EXPECT_EQ(said("x@far.org"), "x@far.org by ; all ") << "no alias led there";
  EXPECT_EQ(said("ann@a.pl"), "ann@a.pl by ; all ");
  const auto made =
      forwarding.sender_for({}, address("s@z.org"), *Domain::parse("b.pl"), {}, door.now);
  EXPECT_EQ(said(made.sender.text().c_str()), "returns s@z.org by b.pl; all b.pl");
  EXPECT_EQ(said("SRS0=HASHHASH=AA=z.org=s@b.pl"), "SRS0=HASHHASH=AA=z.org=s@b.pl by ; all ");
}

TEST_F(ExpandTest, stops_at_its_limits) {
  EXPECT_TRUE(expand({to("all@a.pl")}, {.results = 3})
                  .starts_with("error: the alias all@a.pl leads to more than 3"));
  EXPECT_FALSE(expand({to("all@a.pl")}, {.results = 4}).starts_with("error"));
  std::string last = "ann@a.pl";
  for (int i = 0; i < 11; ++i) {
    const std::string name = "chain" + std::to_string(i) + "@a.pl";
    house_.add_alias(name, {last});
    last = name;
  }
  EXPECT_EQ(expand({to("chain9@a.pl")}), "ann@a.pl[L] rfc822;chain9@a.pl; ");
  EXPECT_TRUE(expand({to("chain10@a.pl")}).starts_with("error: the alias chain10@a.pl leads over"));
}

TEST_F(ExpandTest, ends_in_loops_that_files_can_make) {
  char name[] = "/tmp/goniec-aliases-XXXXXX";
  const int file = mkstemp(name);
  ASSERT_GE(file, 0);
  const std::string text = "egg: hen\nhen: egg\nmixed: egg, bob, mixed\n";
  ASSERT_EQ(write(file, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(file);
  ASSERT_TRUE(house_.directory->reload_alias_files({name}));
  unlink(name);
  EXPECT_EQ(expand({to("egg@a.pl")}), "error: the alias egg@a.pl leads only to itself");
  EXPECT_EQ(expand({to("mixed@a.pl")}),
            "bob@a.pl[L] rfc822;mixed@a.pl; expanded mixed@a.pl to 3; ");
}

}  // namespace
}  // namespace goniec
