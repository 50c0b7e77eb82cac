// The JSON inside Event::data: written here, read by traces, logs and later webhooks. One format.
//
// received:
//   {"source":"submission","listener":"submissions","client":"127.0.0.1:4444",
//    "local":"127.0.0.1:465","helo":"c.test","tls":{"version":"TLSv1.3","cipher":"…"},
//    "login":"a@b","mechanism":"PLAIN","submitter":"uid=33","from":"a@b","size":1832,
//    "message_id":"…","subject":"…","stream":"…","tags":{},"metadata":{},"key":"ID of the API key",
//    "send_at":RFC3339,"attachments":true,"sandbox":true,"recipients":["x@y"],
//    "stages":[{"stage":"connect","at":RFC3339,"ms":0.2,"rule":"listener.open","reply":"220 …"},
//              {"stage":"identify",…,"rule":"login.ok"},
//              {"stage":"envelope",…,"recipient":"x@y","rule":"relay.login"},
//              {"stage":"content",…,"rule":"content.ok","reply":"250 2.0.0 …"}]}
// delivered, relayed, deferred, failed, expired (Event::recipient says whom):
//   {"stage":"deliver","ms":12.5,"route":"mx","site":"mx.wp.pl[212.77.101.4]:25","phase":"dot",
//    "reply":"250 2.0.0 Ok","dsn":"2.0.0","tries":1,"delays":[queue,connect,transmit in seconds],
//    "delay":1.2,"next_at":RFC3339,
//    "class":"mailbox_full","permanent":false,"hint":"bounce.mailbox_full","provider":"wp",
//    "class_rule":"wp.quota",
//    "tls":{…},"tls_required":"verified, by DANE (…)","from":"a@b","size":1832,
//    "mail_from":"what an alias forwarded is sent as"}
//   class to class_rule (mail/bounce.h) are of deferred, failed and expired; provider is left out
//   when it is nobody known.
// held, released, retried, deleted: {"reason":"…","domain":"wp.pl"}
// canceled: {"reason":"…"}    rescheduled: {"next_at":RFC3339}
// delay_notice, dsn_sent: {"message":"ID of the DSN","action":"failed"}
// expanded: {"to":["a@b","c@d"],"rule":"alias"}
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mail/journey.h"
#include "mail/send_options.h"

namespace goniec {

std::string outcome_event_data(const Message& message, const Entry& entry, const Outcome& outcome,
                               Instant now, Instant next_at);
std::string reason_event_data(std::string_view reason);  // of a message, or of one recipient
std::string entry_event_data(std::string_view reason, const Entry& entry);
std::string rescheduled_event_data(Instant due);
std::string expanded_event_data(std::span<const Address> targets);  // of an alias
std::string notice_event_data(MessageId notice, std::string_view action);

struct StageFact {
  std::string stage;  // connect, identify, envelope, check, sign, forward, content
  Instant at{};
  Duration took{};
  std::string rule, reply, recipient;
};
struct ReceivedEventFacts {
  const Caller& caller;
  const Transaction& transaction;
  const Message& message;
  std::span<const StageFact> stages;
  const SendOptions& options;
};
std::string received_event_data(const ReceivedEventFacts& facts);
std::optional<Address> sender_in_received(std::string_view data);  // nullopt: <>, or none

}  // namespace goniec
