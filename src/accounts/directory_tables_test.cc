// "Who is this recipient": the order of the rules, told as tables.
#include "accounts/directory_tables.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace goniec {
namespace {

Address address(std::string_view text) {
  auto parsed = Address::parse(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed.value_or(Address());
}

Instant day(int number) {
  return Instant(std::chrono::hours(24 * number));
}

void add_domain(DirectoryTables& tables, std::string_view name, int created) {
  tables.put(DomainObject{.domain = *Domain::parse(name), .created = day(created)});
}

void add_alias(DirectoryTables& tables, std::string_view name,
               std::initializer_list<std::string_view> targets) {
  AliasObject alias{address(name), {}};
  for (const auto target : targets) alias.targets.push_back(address(target));
  tables.put(std::move(alias));
}

void add_file(DirectoryTables& tables, std::string_view text) {
  auto lines = parse_aliases(text, "aliases");
  ASSERT_TRUE(lines.has_value()) << lines.error().message;
  DirectoryTables::FileAliases aliases;
  for (auto& line : *lines) aliases[{line.name.local, line.name.domain}] = std::move(line.targets);
  tables.put_files(std::move(aliases));
}

std::string said(const Resolved& resolved) {
  static constexpr const char* kinds[] = {"mailbox", "alias",  "relay",
                                          "verify",  "remote", "unknown"};
  std::string text = kinds[static_cast<int>(resolved.kind)];
  if (resolved.kind == RecipientKind::mailbox) text += " " + resolved.mailbox.text();
  for (const Address& target : resolved.targets) text += " " + target.text();
  return text + " (" + resolved.rule + ")";
}

// example.pl is older than firma.pl, although it comes later in the alphabet than "a.pl".
DirectoryTables house() {
  DirectoryTables tables({.hostname = "mail.example.pl"});
  add_domain(tables, "example.pl", 1);
  add_domain(tables, "a.pl", 2);
  add_domain(tables, "firma.pl", 3);
  tables.put(UserObject{.address = address("Bob@example.pl"), .created = day(2)});
  tables.put(UserObject{.address = address("ann@example.pl"),
                        .send_as = {"*@a.pl", "Boss@firma.pl"},
                        .created = day(1)});
  tables.put(UserObject{.address = address("ann+shop@example.pl"), .created = day(3)});
  tables.put(
      UserObject{.address = address("root@example.pl"), .send_as = {"*"}, .created = day(4)});
  add_alias(tables, "sales@example.pl", {"ann@example.pl", "x@far.org"});
  add_alias(tables, "info@example.pl", {"bob@example.pl"});
  add_alias(tables, "chain@a.pl", {"info@example.pl"});
  add_alias(tables, "*@firma.pl", {"ann@example.pl"});
  add_alias(tables, "out@a.pl", {"ann@far.org"});
  DomainObject relay{.domain = *Domain::parse("any.org"), .relay = true};
  tables.put(relay);
  relay.domain = *Domain::parse("ask.org");
  relay.recipients = RelayRecipients::verify;
  tables.put(relay);
  relay.domain = *Domain::parse("list.org");
  relay.recipients = RelayRecipients::list;
  relay.listed = {"Ann", "bob@list.org"};
  tables.put(relay);
  return tables;
}

TEST(Directory, answers_who_a_recipient_is) {
  const DirectoryTables tables = house();
  const struct {
    const char* recipient;
    const char* answer;
  } cases[] = {
      {"bob@example.pl", "mailbox bob@example.pl (user)"},
      {"BOB@EXAMPLE.PL", "mailbox bob@example.pl (user)"},
      {"\"bob\"@example.pl", "mailbox bob@example.pl (user)"},
      {"bob+spam@example.pl", "mailbox bob@example.pl (sub-address)"},
      {"bob+a+b@example.pl", "mailbox bob@example.pl (sub-address)"},
      {"ann+shop@example.pl", "mailbox ann+shop@example.pl (user)"},
      {"ann+shop+x@example.pl", "mailbox ann@example.pl (sub-address)"},
      {"+bob@example.pl", "unknown (unknown)"},
      {"sales@example.pl", "alias ann@example.pl x@far.org (alias)"},
      {"Sales+2026@example.pl", "alias ann@example.pl x@far.org (sub-address)"},
      {"nobody@example.pl", "unknown (unknown)"},
      {"bob@a.pl", "unknown (unknown)"},
      {"nobody@firma.pl", "alias ann@example.pl (catch-all)"},
      {"bob@far.org", "remote (remote)"},
      {"bob@sub.example.pl", "remote (remote)"},
      {"x@any.org", "relay (domain)"},
      {"x@ask.org", "verify (domain.verify)"},
      {"ANN@list.org", "relay (domain.list)"},
      {"bob@list.org", "relay (domain.list)"},
      {"carl@list.org", "unknown (unknown)"},
      {"postmaster@list.org", "relay (domain)"},
  };
  for (const auto& one : cases)
    EXPECT_EQ(said(tables.resolve(address(one.recipient))), one.answer) << one.recipient;
}

TEST(Directory, always_has_a_postmaster) {
  DirectoryTables tables = house();
  // Nobody made one: the admin is postmaster@ of the oldest domain, which is the oldest user.
  EXPECT_EQ(said(tables.resolve(address("Postmaster@example.pl"))),
            "mailbox ann@example.pl (postmaster)");
  EXPECT_EQ(said(tables.resolve(address("abuse@a.pl"))),
            "alias postmaster@example.pl (postmaster)");
  EXPECT_EQ(said(tables.resolve(address("abuse@firma.pl"))), "alias ann@example.pl (catch-all)");
  EXPECT_EQ(said(tables.resolve_postmaster()), "mailbox ann@example.pl (postmaster)");
  add_alias(tables, "postmaster@example.pl", {"bob@example.pl"});
  EXPECT_EQ(said(tables.resolve_postmaster()), "alias bob@example.pl (alias)");
}

TEST(Directory, gives_the_roles_to_a_configured_admin) {
  DirectoryTables tables({.hostname = "mx.a.pl", .admin = address("me@far.org")});
  EXPECT_EQ(said(tables.resolve_postmaster()), "alias me@far.org (postmaster)");
  add_domain(tables, "a.pl", 1);
  EXPECT_EQ(said(tables.resolve(address("abuse@a.pl"))), "alias me@far.org (postmaster)");
  EXPECT_EQ(said(tables.resolve(address("abuse@mx.a.pl"))), "alias me@far.org (postmaster)");
  EXPECT_EQ(said(tables.resolve(address("other@mx.a.pl"))), "remote (remote)");
}

TEST(Directory, without_domains_has_no_postmaster_and_no_admin) {
  const DirectoryTables tables({.hostname = "mx.a.pl"});
  EXPECT_EQ(said(tables.resolve_postmaster()), "unknown (unknown)");
  EXPECT_TRUE(tables.admin().empty());
}

TEST(Directory, reads_alias_files_after_the_store) {
  DirectoryTables tables = house();
  add_file(tables, "www: ann, far@x.org\nbob: ann\nsales: bob\nodd@a.pl: www\npostmaster: www\n");
  const struct {
    const char* recipient;
    const char* answer;
  } cases[] = {
      {"www@example.pl", "alias ann@example.pl far@x.org (aliases file)"},
      {"WWW@mail.example.pl", "alias ann@example.pl far@x.org (aliases file)"},
      {"www@a.pl", "unknown (unknown)"},
      {"bob@example.pl", "mailbox bob@example.pl (user)"},
      {"sales@example.pl", "alias ann@example.pl x@far.org (alias)"},
      {"odd@a.pl", "alias www@example.pl (aliases file)"},
      {"abuse@example.pl", "alias postmaster@example.pl (postmaster)"},
      {"postmaster@example.pl", "alias www@example.pl (aliases file)"},
  };
  for (const auto& one : cases)
    EXPECT_EQ(said(tables.resolve(address(one.recipient))), one.answer) << one.recipient;
}

TEST(Directory, knows_whom_a_login_may_send_as) {
  const DirectoryTables tables = house();
  const struct {
    const char* login;
    const char* sender;
    bool may;
  } cases[] = {
      {"bob@example.pl", "bob@example.pl", true},
      {"bob@example.pl", "BOB+x@example.pl", true},
      {"bob@example.pl", "ann@example.pl", false},
      {"bob@example.pl", "info@example.pl", true},       // an alias to him alone
      {"bob@example.pl", "chain@a.pl", true},            // by two steps
      {"bob@example.pl", "sales@example.pl", false},     // not his
      {"ann@example.pl", "sales@example.pl", false},     // not hers alone
      {"ann@example.pl", "ann+shop@example.pl", false},  // a user of its own
      {"ann@example.pl", "anything@a.pl", true},         // a pattern
      {"ann@example.pl", "boss+1@firma.pl", true},       // a pattern's sub-address
      {"ann@example.pl", "new@firma.pl", true},          // her catch-all
      {"bob@example.pl", "new@firma.pl", false},
      {"bob@example.pl", "bob@far.org", false},
      {"ann@example.pl", "ann@far.org", false},
      {"root@example.pl", "anybody@far.org", true},  // "*"
      {"gone@example.pl", "gone@example.pl", false},
  };
  for (const auto& one : cases)
    EXPECT_EQ(tables.may_send_as(address(one.login), address(one.sender)), one.may)
        << one.login << " as " << one.sender;
  EXPECT_TRUE(tables.may_send_as(address("bob@example.pl"), Address())) << "<> is anybody's";
}

TEST(Directory, finds_aliases_that_lead_to_themselves) {
  DirectoryTables tables = house();
  const struct {
    const char* alias;
    const char* target;
    bool loops;
  } cases[] = {
      {"new@a.pl", "new@a.pl", true},
      {"new@a.pl", "NEW@a.pl", true},
      {"new@a.pl", "new+x@a.pl", true},
      {"info@example.pl", "chain@a.pl", true},
      {"new@a.pl", "chain@a.pl", false},
      {"*@a.pl", "none@a.pl", true},
      {"*@a.pl", "chain@a.pl", false},
      {"*@a.pl", "chain+x@a.pl", false},
      {"*@example.pl", "bob@example.pl", false},
      {"bob2@firma.pl", "other@firma.pl", false},
  };
  for (const auto& one : cases)
    EXPECT_EQ(tables.makes_loop({address(one.alias), {address(one.target)}}), one.loops)
        << one.alias << " to " << one.target;
}

TEST(Directory, keeps_objects_as_json_that_it_reads_again) {
  const DomainObject domain{
      *Domain::parse("żółw.pl"), true, RelayRecipients::list, {"a", "b@c"}, day(3)};
  const auto domain_again = domain_from_json(domain.domain.ascii(), to_json(domain));
  ASSERT_TRUE(domain_again.has_value());
  EXPECT_EQ(domain_again->domain, domain.domain);
  EXPECT_EQ(domain_again->listed, domain.listed);
  EXPECT_EQ(domain_again->recipients, domain.recipients);
  EXPECT_EQ(domain_again->created, domain.created);

  UserObject user{.address = address("\"a b\"@c.pl"), .password_hash = "$argon2id$x"};
  user.scram = ScramKeys{std::string("\0\xff", 2), 100000, "stored", "server"};
  user.quota_octets = 5'000'000'000;
  user.send_as = {"*"};
  user.created = day(4);
  const auto user_again = user_from_json(user.address.text(), to_json(user));
  ASSERT_TRUE(user_again.has_value());
  EXPECT_EQ(user_again->address, user.address);
  EXPECT_EQ(user_again->password_hash, user.password_hash);
  EXPECT_EQ(user_again->scram->salt, user.scram->salt);
  EXPECT_EQ(user_again->scram->server_key, "server");
  EXPECT_EQ(user_again->scram->iterations, 100000u);
  EXPECT_EQ(user_again->quota_octets, user.quota_octets);
  EXPECT_EQ(user_again->send_as, user.send_as);
  EXPECT_EQ(user_again->created, user.created);

  const AliasObject alias{address("*@c.pl"), {address("a@b.pl"), address("\"x y\"@z.pl")}};
  const auto alias_again = alias_from_json(alias.address.text(), to_json(alias));
  ASSERT_TRUE(alias_again.has_value());
  EXPECT_EQ(alias_again->targets, alias.targets);
}

TEST(Directory, says_which_stored_object_is_damaged) {
  const auto user = user_from_json("bob@example.pl", "{");
  ASSERT_FALSE(user.has_value());
  EXPECT_EQ(user.error().kind, ErrorKind::damaged);
  EXPECT_NE(user.error().message.find("bob@example.pl"), std::string::npos);
  EXPECT_FALSE(alias_from_json("a@b.pl", R"({"targets":["@"]})").has_value());
  EXPECT_FALSE(domain_from_json("..", "{}").has_value());
}

TEST(SendAs, patterns_are_checked_when_they_are_made) {
  for (const char* good : {"*", "*@a.pl", "Ann@a.pl"}) EXPECT_TRUE(check_send_as(good)) << good;
  for (const char* bad : {"", "a.pl", "@a.pl", "*@", "*@a b", "a*"})
    EXPECT_FALSE(check_send_as(bad)) << bad;
}

}  // namespace
}  // namespace goniec
