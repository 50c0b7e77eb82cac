// What looks at a message while a Draft takes it in, and has a say before it is made: header()
// once, body() in pieces as they come, finish() when all is there. inbound/checks is one; a Draft
// without a check is taken as it is.
//
// What finish() gives stands in the message for good: its fields behind our Received, its stages in
// the Received event. A refusal ends the Draft with that reply; nothing was kept.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/reply.h"
#include "queue/event_data.h"
#include "run/task.h"
#include "trust/arc.h"

namespace goniec {

struct ArrivalResult {
  std::optional<Reply> refusal;
  std::string rule;    // that decided: "dmarc.pass", "dmarc.reject"
  std::string fields;  // CRLF-ended: Authentication-Results, the mark of junk
  // What Authentication-Results says, unfolded and with our id, for a seal (RFC 8617).
  std::string results;
  ArcStatus arc = ArcStatus::none;  // as it came, for the same seal
  bool arc_unknown = false;  // a key could not be looked up: nothing may be said of the chain
  // SPF says that MAIL FROM is not the sender, and no signature of that domain says otherwise: it
  // is told nothing (no backscatter).
  bool sender_disproved = false;
  std::vector<StageFact> stages;
};

class ArrivalCheck {
 public:
  virtual ~ArrivalCheck() = default;
  // The block as it was received, before anything of it is changed, with its empty line.
  virtual void header(std::string_view block) = 0;
  virtual void body(std::string_view octets) = 0;
  virtual Task<ArrivalResult> finish() = 0;
};

}  // namespace goniec
