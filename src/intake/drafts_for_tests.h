// A house that takes mail in by Drafts, for tests of streams: a queue whose carrier keeps what it
// would send, and the parts that intake knows (streams, suppressions, links, forwarding). Included
// by tests only.
#pragma once
#include "accounts/accounts_for_tests.h"
#include "intake/draft.h"

namespace goniec::test {

// Settles nothing: what was to be sent waits here.
class KeptMails final : public Carrier {
 public:
  struct Mail {
    std::vector<std::string> recipients;
    std::string mail_from, header, body;
  };
  explicit KeptMails(Queue& the_queue) : queue(the_queue) {}
  void carry(ReadyEntry entry) override {
    Mail mail;
    for (const EntryRecipient& each : entry.entry.recipients)
      mail.recipients.push_back(each.recipient.address.text());
    const Address& own = entry.message->sender.address;
    mail.mail_from = entry.entry.sender.empty() ? own.text() : entry.entry.sender.text();
    if (entry.content) {
      mail.header = entry.content->prepend + entry.content->header;
      mail.body = entry.content->body;
    }
    mails.push_back(std::move(mail));
    queue.give_back(std::move(entry));
  }
  Queue& queue;
  std::vector<Mail> mails;
};

struct DraftHouse {
  TestHouse base;
  TestWorld world{base};
  Queue queue{
      {.hostname = "mail.example.pl"}, base.committer, base.readers, base.metrics, null_log()};
  KeptMails kept{queue};
  Streams streams;
  Suppressions suppressions;
  Links links;
  Forwarding forwarding;
  IntakeOptions intake;

  DraftHouse() {
    queue.add_shard(base.shard, kept);
    base.add_domain("example.pl");
    base.add_user({.address = address("shop@example.pl")});
    auto reader = base.store->reader();
    CHECK(reader && streams.open(base.committer, **reader) && links.open(base.committer, **reader));
    CHECK(suppressions.open(base.committer, base.readers, **reader));
    CHECK(forwarding.open(*base.directory, base.committer, **reader, base.metrics));
    intake.hostname = "mail.example.pl";
    intake.forwarding = &forwarding;
    intake.streams = {&streams, &suppressions, &links, "https://mail.example.pl"};
  }

  struct Order {
    std::vector<std::string> to{"anna@wp.pl"};
    std::string from = "shop@example.pl";
    SendOptions options;
    Source source = Source::api;
    std::string message = "From: shop@example.pl\r\nSubject: x\r\n\r\nhello\r\n";
  };
  struct Sent {
    Reply reply;
    MessageId id;
    std::vector<LeftOut> left_out;
    std::string rule;
  };
  Sent send(Order order) { return base.wait(run(std::move(order))); }
  Task<Sent> run(Order order) {
    DraftFacts facts;
    facts.source = order.source;
    facts.verified_sender = order.source != Source::smtp;
    facts.options = order.options;
    if (!order.from.empty()) facts.transaction.sender.address = address(order.from);
    for (const std::string& each : order.to) {
      Recipient recipient;
      recipient.address = address(each);
      facts.transaction.recipients.push_back(std::move(recipient));
    }
    Draft draft(queue, *base.directory, intake, base.shard, std::move(facts));
    co_await draft.write(order.message);
    Sent sent;
    sent.reply = co_await draft.commit();
    sent.id = draft.id();
    sent.left_out = draft.left_out();
    sent.rule = draft.rule();
    co_return sent;
  }
  bool suppress(std::string stream, std::string_view name,
                SuppressionReason reason = SuppressionReason::unsubscribed) {
    Suppression entry;
    entry.stream = std::move(stream);
    entry.address = address(name);
    entry.reason = reason;
    entry.origin = "api";
    return base.wait(suppressions.add(base.shard, {std::move(entry)})).has_value();
  }
  std::vector<Event> events() { return *(*base.store->reader())->events_after(0, 1000); }
  std::vector<Event> events(EventKind kind) {
    auto all = events();
    std::erase_if(all, [kind](const Event& event) { return event.kind != kind; });
    return all;
  }
};

}  // namespace goniec::test
