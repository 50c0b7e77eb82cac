// Senders and what they become, as a table; and what comes back: forged, changed, folded, expired,
// too long, not in its form.
#include "trust/srs.h"

#include <gtest/gtest.h>

#include "base/result.h"
#include "base/text.h"

namespace goniec {
namespace {

Address address(std::string_view text) {
  auto parsed = Address::parse(text);
  CHECK(parsed.has_value());
  return *parsed;
}
Domain ours() {
  return *Domain::parse("ours.test");
}
Instant day(int number) {
  return from_microseconds(number * 86'400'000'000LL);
}
constexpr unsigned valid = 21;

Srs scheme(std::vector<std::string> secrets = {"a secret of this house"}) {
  return Srs(std::move(secrets));
}

std::string forwarded(std::string_view sender, int at = 20'000) {
  const auto made = scheme().forward(address(sender), ours(), day(at));
  return made ? made->sender.text() : "too long";
}

// "good anna@a.test", "forged"…
std::string returned(std::string_view recipient, int at = 20'000, const Srs& srs = scheme()) {
  const Address to = address(recipient);
  if (!looks_like_srs(to.local())) return "ordinary";
  const SrsReturned back = srs.reverse(to, day(at), valid);
  switch (back.status) {
    case SrsStatus::good:
      return "good " + back.sender.text();
    case SrsStatus::malformed:
      return "malformed";
    case SrsStatus::forged:
      return "forged";
    case SrsStatus::expired:
      return "expired";
  }
  return "";
}

// A stable form: what was made by an older goniec, or another machine, is read by this one.
TEST(Srs, what_becomes_of_a_sender) {
  const struct {
    const char *sender, *becomes;
  } table[] = {
      {"anna@a.test", "SRS0=HASH=RA=a.test=anna@ours.test"},
      {"Anna.B+tag@a.test", "SRS0=HASH=RA=a.test=Anna.B+tag@ours.test"},
      {"x=y=z@a.test", "SRS0=HASH=RA=a.test=x=y=z@ours.test"},
      {"\"a b\"@a.test", "\"SRS0=HASH=RA=a.test=a b\"@ours.test"},
      {"a@[192.0.2.1]", "\"SRS0=HASH=RA=[192.0.2.1]=a\"@ours.test"},
      {"żółw@żółw.test", "SRS0=HASH=RA=xn--w-uga1v8h.test=żółw@ours.test"},
      {"SRS0=AbCd=XY=a.test=anna@first.test",
       "SRS1=HASH=first.test==AbCd=XY=a.test=anna@ours.test"},
      {"srs0+AbCd=XY=a.test=x@first.test", "SRS1=HASH=first.test=+AbCd=XY=a.test=x@ours.test"},
      {"SRS0-AbCd=XY=a.test=x@first.test", "SRS1=HASH=first.test=-AbCd=XY=a.test=x@ours.test"},
      {"SRS1=EfGh=first.test==AbCd=XY=a.test=x@second.test",
       "SRS1=HASH=first.test==AbCd=XY=a.test=x@ours.test"},
      {"SRS1=no-form@second.test", "SRS0=HASH=RA=second.test=SRS1=no-form@ours.test"},
      {"SRS1=h=-bad-.test==x@second.test",
       "SRS0=HASH=RA=second.test=SRS1=h=-bad-.test==x@ours.test"},
      {"srs@a.test", "SRS0=HASH=RA=a.test=srs@ours.test"},
  };
  for (const auto& each : table) {
    std::string made = forwarded(each.sender);
    const std::size_t at = made.find('=') + 1;
    ASSERT_GE(made.size(), at + 8) << each.sender << ' ' << made;
    EXPECT_EQ(made.substr(at, 8).find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
              std::string::npos);
    made.replace(at, 8, "HASH");
    EXPECT_EQ(made, each.becomes) << each.sender;
  }
}

TEST(Srs, the_form_is_the_same_as_ever) {
  EXPECT_EQ(forwarded("anna@a.test"), "SRS0=E7LOW65C=RA=a.test=anna@ours.test");
}

TEST(Srs, what_was_made_here_comes_back_to_the_sender) {
  for (const char* sender :
       {"anna@a.test", "Anna.B+tag@a.test", "x=y=z@a.test", "\"a b\"@a.test", "a@[192.0.2.1]",
        "=@a.test", "\"\"@a.test", "żółw@żółw.test", "SRS1=no-form@second.test"})
    EXPECT_EQ(returned(forwarded(sender)), "good " + address(sender).text());
  EXPECT_EQ(returned(forwarded("SRS0=AbCd=XY=a.test=anna@first.test")),
            "good SRS0=AbCd=XY=a.test=anna@first.test");
  EXPECT_EQ(returned(forwarded("srs0+AbCd=XY=a.test=x@first.test")),
            "good SRS0+AbCd=XY=a.test=x@first.test");
  EXPECT_EQ(returned(forwarded("SRS1=EfGh=first.test==AbCd=XY=a.test=x@second.test")),
            "good SRS0=AbCd=XY=a.test=x@first.test");
}

TEST(Srs, hosts_that_fold_case_do_no_harm) {
  const std::string made = forwarded("Anna@a.test");
  EXPECT_EQ(returned(to_lower(made)), "good anna@a.test");
  std::string upper = made.substr(0, made.find('@'));
  for (char& each : upper)
    if (each >= 'a' && each <= 'z') each = static_cast<char>(each - 32);
  EXPECT_EQ(returned(upper + "@OURS.test"), "good ANNA@a.test");
}

TEST(Srs, what_was_changed_or_made_by_others_is_forged) {
  const std::string made = forwarded("anna@a.test");
  const std::size_t hash_at = 5, day_at = hash_at + 9;
  for (std::size_t at = hash_at; at < hash_at + 8; ++at) {
    std::string changed = made;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_EQ(returned(changed), "forged") << changed;
  }
  std::string other_day = made;
  other_day[day_at + 1] = 'B';
  EXPECT_EQ(returned(other_day), "forged");
  for (const char* guess :
       {"SRS0=AAAAAAAA=RA=a.test=anna@ours.test", "SRS0==RA=a.test=anna@ours.test",
        "SRS0=A=RA=a.test=anna@ours.test", "SRS0=HASHHASH=RA=a.test=@ours.test",
        "SRS1=AAAAAAAA=first.test==AbCd=XY=a.test=x@ours.test"})
    EXPECT_EQ(returned(guess), "forged") << guess;
  std::string victim = made;
  victim.replace(victim.find("anna"), 4, "bert");
  EXPECT_EQ(returned(victim), "forged");
  std::string shorter = made;
  shorter.erase(hash_at, 4);
  EXPECT_EQ(returned(shorter), "forged") << "a piece of the hash is no hash";
  EXPECT_EQ(returned(made, 20'000, scheme({"another secret"})), "forged");
  // The hash of one form is none of the other.
  std::string as_second = made;
  as_second[3] = '1';
  as_second.replace(day_at, 2, "b.test");
  EXPECT_EQ(returned(as_second).substr(0, 4), "malf") << as_second;
}

TEST(Srs, an_older_secret_still_reads_what_it_made) {
  const std::string made = forwarded("anna@a.test");
  EXPECT_EQ(returned(made, 20'000, scheme({"new", "a secret of this house"})), "good anna@a.test");
}

TEST(Srs, it_ends_after_its_days_and_the_round_of_days_is_no_way_back) {
  const std::string made = forwarded("anna@a.test", 20'000);
  EXPECT_EQ(returned(made, 20'000 + 21), "good anna@a.test");
  EXPECT_EQ(returned(made, 20'000 + 22), "expired");
  EXPECT_EQ(returned(made, 20'000 + 900), "expired");
  EXPECT_EQ(returned(made, 20'000 - 1), "good anna@a.test") << "a clock that is a little behind";
  EXPECT_EQ(returned(made, 20'000 - 2), "expired");
  // Around the end of a round (1024 days), and before 1970.
  EXPECT_EQ(returned(forwarded("anna@a.test", 1020), 1030), "good anna@a.test");
  EXPECT_EQ(returned(forwarded("anna@a.test", 1020), 1042), "expired");
  EXPECT_EQ(returned(forwarded("anna@a.test", -5), 2), "good anna@a.test");
}

TEST(Srs, what_has_not_the_form_is_said_to_be_malformed) {
  for (const char* text :
       {"SRS0=x@ours.test", "SRS0=HASHHASH@ours.test", "SRS0=HASHHASH=RA@ours.test",
        "SRS0=HASHHASH=RA=a.test@ours.test", "SRS0=HASHHASH=R=a.test=x@ours.test",
        "SRS0=HASHHASH=R1=a.test=x@ours.test", "SRS0=HASHHASH=RA=-=x@ours.test",
        "SRS0=HASHHASH=RA==x@ours.test", "SRS0=HASHHASH=RA==@ours.test",
        "SRS0=HASHHASH=RA==0SBJPNA0X2YT@ours.test", "SRS1=HASHHASH@ours.test",
        "SRS1=HASHHASH=first.test@ours.test", "SRS1=HASHHASH=first.test=x=y@ours.test",
        "SRS1=HASHHASH=first.test==@ours.test", "SRS1=HASHHASH===x=y@ours.test"})
    EXPECT_EQ(returned(text), "malformed") << text;
  for (const char* text : {"SRS0@ours.test", "SRS0=@ours.test", "SRS2=a=b=c=d@ours.test",
                           "SRS0+a=b=c=d@ours.test", "xSRS0=a=b=c=d@ours.test", "srs@ours.test"})
    EXPECT_EQ(returned(text), "ordinary") << text;
}

TEST(Srs, a_message_stands_for_a_sender_that_is_too_long) {
  const MessageId id = *MessageId::parse("0SBJPNA0X2YTW");
  const auto made = scheme().forward_message(id, ours(), day(20'000));
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->text().replace(5, 8, "HASH"), "SRS0=HASH=RA==0SBJPNA0X2YTW@ours.test");
  const auto back = [](const Address& to, int at) { return scheme().reverse(to, day(at), valid); };
  const Address folded = Address::make(to_lower(made->local()), ours());
  for (const Address& to : {*made, folded}) {
    EXPECT_EQ(back(to, 20'001).status, SrsStatus::good);
    EXPECT_EQ(back(to, 20'001).message, id);
    EXPECT_TRUE(back(to, 20'001).sender.empty());
  }
  EXPECT_EQ(back(*made, 20'022).status, SrsStatus::expired);
  std::string other = made->local();
  other.back() = 'X';
  EXPECT_EQ(back(Address::make(other, ours()), 20'001).status, SrsStatus::forged);
  // Another forwarder shortens it as any other, and leads back to it.
  const auto second = scheme({"of another"}).forward(*made, *Domain::parse("b.test"), day(20'000));
  ASSERT_TRUE(second && second->form == SrsForm::srs1);
  EXPECT_EQ(scheme({"of another"}).reverse(second->sender, day(20'000), valid).sender, *made);
}

TEST(Srs, what_is_longer_than_a_local_part_may_be_is_not_made) {
  const std::string fits(40, 'a'), over(41, 'a');  // with "a.test": 46 and 47
  EXPECT_EQ(returned(forwarded(fits + "@a.test")), "good " + fits + "@a.test");
  EXPECT_EQ(address(forwarded(fits + "@a.test")).local().size(), 64u);
  EXPECT_EQ(forwarded(over + "@a.test"), "too long");
  // Quotes and backslashes are octets of the local part as it is written.
  const std::string quoted(37, 'a');
  EXPECT_EQ(returned(forwarded("\"" + quoted + " \"@a.test")), "good \"" + quoted + " \"@a.test");
  EXPECT_EQ(forwarded("\"" + quoted + "a \"@a.test"), "too long");
  EXPECT_EQ(forwarded("\"" + quoted.substr(1) + "\\\\ \"@a.test"), "too long");
  const std::string long_domain = std::string(60, 'd') + "." + std::string(60, 'e') + "." +
                                  std::string(60, 'f') + "." + std::string(60, 'g') + ".test";
  EXPECT_FALSE(scheme().forward(address("a@a.test"), *Domain::parse(long_domain), day(1)))
      << "254 octets in all";
}

}  // namespace
}  // namespace goniec
