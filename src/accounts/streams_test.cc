// The streams of a house: which always exist, what may be changed.
#include "accounts/streams.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"

namespace goniec::test {
namespace {

class StreamsTest : public testing::Test {
 protected:
  StreamsTest() { reopen(); }
  void reopen() {
    streams = std::make_unique<Streams>();
    ASSERT_TRUE(streams->open(house.committer, **house.store->reader()));
  }
  Result<MailStream> add(std::string id, StreamKind kind = StreamKind::bulk) {
    MailStream stream;
    stream.id = std::move(id);
    stream.kind = kind;
    return house.wait(streams->add(house.shard, std::move(stream)));
  }
  TestHouse house;
  std::unique_ptr<Streams> streams;
};

TEST_F(StreamsTest, TwoAlwaysExistAndNoneIsTheTransactionalOne) {
  ASSERT_EQ(streams->all().size(), 2u);
  EXPECT_EQ(streams->find("bulk")->kind, StreamKind::bulk);
  EXPECT_EQ(streams->find("")->id, "transactional");
  EXPECT_FALSE(streams->find("transactional")->track_opens);
  EXPECT_FALSE(streams->find("news").has_value());
}

TEST_F(StreamsTest, OneThatIsMadeIsThereAfterARestart) {
  ASSERT_TRUE(add("news"));
  reopen();
  const auto news = streams->find("news");
  ASSERT_TRUE(news.has_value());
  EXPECT_EQ(news->kind, StreamKind::bulk);
  EXPECT_EQ(news->name, "news");
  EXPECT_NE(news->created, Instant{});
}

TEST_F(StreamsTest, WhatMayNotBeAnIdIsRefused) {
  for (const char* id : {"", "-a", "News", "a/b", "a b", "*", "ą"})
    EXPECT_EQ(add(id).error().kind, ErrorKind::bad_data) << id;
  EXPECT_EQ(add("bulk").error().kind, ErrorKind::conflict);
  EXPECT_TRUE(add(std::string(64, 'a')));
  EXPECT_FALSE(add(std::string(65, 'a')));
}

TEST_F(StreamsTest, AChangeKeepsTheKindAndTheTwoAreNotArchived) {
  MailStream bulk = *streams->find("bulk");
  bulk.kind = StreamKind::transactional;
  bulk.track_opens = true;
  const auto changed = house.wait(streams->replace(house.shard, bulk));
  ASSERT_TRUE(changed.has_value());
  reopen();
  EXPECT_EQ(streams->find("bulk")->kind, StreamKind::bulk);
  EXPECT_TRUE(streams->find("bulk")->track_opens);
  bulk.archived = true;
  EXPECT_EQ(house.wait(streams->replace(house.shard, bulk)).error().kind, ErrorKind::conflict);
  bulk.id = "none";
  EXPECT_EQ(house.wait(streams->replace(house.shard, bulk)).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace goniec::test
