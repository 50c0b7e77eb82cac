// Notices on a real loop and the memory store: what a report carries of its message, and what it
// asks of the servers on its way.
#include "duties/notices.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"

namespace goniec {
namespace {

class Kept final : public Carrier {
 public:
  explicit Kept(Queue& the_queue) : queue(the_queue) {}
  void carry(ReadyEntry entry) override {
    message = entry.message;
    recipient = entry.entry.recipients.at(0);
    queue.give_back(std::move(entry));
  }
  Queue& queue;
  std::shared_ptr<const Message> message;
  EntryRecipient recipient;
};

struct House {
  test::TestHouse base{DirectoryOptions{.hostname = "mx.us.test"}};
  Queue queue{{.hostname = "mx.us.test"}, base.committer, base.readers, base.metrics, null_log()};
  Kept kept{queue};
  IntakeOptions intake{.hostname = "mx.us.test"};
  Notices notices{queue, *base.directory, intake, base.metrics, null_log()};

  House() { queue.add_shard(base.shard, kept); }

  void send(Sender sender) {
    DraftFacts facts;
    facts.verified_sender = true;
    facts.transaction.sender = std::move(sender);
    Recipient to;
    to.address = test::address("b@them.test");
    facts.transaction.recipients = {to};
    Draft draft(queue, *base.directory, intake, base.shard, std::move(facts));
    ASSERT_TRUE(base.wait(write_and_commit(draft)).is_positive());
  }
  SpoolRequest report_of_failure() {
    NoticePlan plan;
    DsnRecipient failed;
    failed.recipient = kept.recipient;
    plan.failed = {failed};
    auto made = base.wait(
        notices.make(base.shard, kept.message, std::move(plan), base.shard.clock().now()));
    CHECK(made.size() == 1);
    return std::move(made[0]);
  }
  static Task<Reply> write_and_commit(Draft& draft) {
    co_await draft.write("From: a@us.test\r\nSubject: the head\r\n\r\nthe body of it\r\n");
    co_return co_await draft.commit();
  }
};

std::string whole(const SpoolRequest& request) {
  std::string text = request.message.content.header;
  for (const std::string& chunk : request.chunks) text += chunk;
  return text;
}

TEST(Notices, return_a_small_message_whole_where_nothing_was_said) {
  House house;
  house.send({.address = test::address("a@us.test")});
  const auto report = house.report_of_failure();
  EXPECT_TRUE(whole(report).contains("the body of it"));
  EXPECT_FALSE(report.message.sender.requiretls);
}

TEST(Notices, about_a_message_that_wants_tls_want_it_and_carry_no_body) {
  House house;
  house.send({.address = test::address("a@us.test"), .ret = DsnReturn::full, .requiretls = true});
  const auto report = house.report_of_failure();
  EXPECT_TRUE(report.message.sender.address.empty());
  EXPECT_TRUE(report.message.sender.requiretls) << "RFC 8689 §5";
  EXPECT_TRUE(whole(report).contains("the head"));
  EXPECT_FALSE(whole(report).contains("the body of it")) << "RET=FULL is disregarded";
}

}  // namespace
}  // namespace goniec
