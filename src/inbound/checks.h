// What is found out about a stranger while they talk, and what is done about it. One object a
// session on an mx listener whose caller is not trusted (nor of a private network that is skipped);
// others have none, and pay nothing: no question, no copy.
//
//   connect     iprev is asked                                      (trust/iprev)
//   MAIL FROM   SPF is asked, of HELO too; nobody waits             (trust/spf)
//   header      the author's DMARC records are asked, DKIM keys too (trust/dmarc, trust/dkim)
//   body        hashed as it comes, for DKIM and for a chain of ARC   (trust/arc)
//   the end     all is joined, DMARC judged, the policy's table read (policy.h)
//
// Then Authentication-Results goes behind our Received, what was found into the Received event as
// stages "check" (`goniec trace`), and metrics count it. Every question has an answer `check_time`
// after the end of the message at the latest: what is not known then is temperror. Where nothing
// can come of it (a private network that is only observed) `observed_time` is the bound, and while
// DNS is silent nobody is asked. Such mail is not told to `judged`.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "inbound/policy.h"
#include "intake/arrival_check.h"
#include "run/world.h"
#include "trust/arc.h"
#include "trust/authentication_results.h"
#include "trust/dkim.h"
#include "trust/iprev.h"

namespace goniec {

struct CheckOptions {
  bool check = true;
  std::string hostname;  // authserv-id (RFC 8601 §2.5)
  TrustPolicy policy;
  JunkWay junk = JunkWay::folder;
  Duration check_time = std::chrono::seconds(10);
  Duration observed_time = std::chrono::seconds(1);  // in its place for who is only observed
};

// All that was found about one message, for reports on others' mail (RFC 9990).
struct JudgedMessage {
  IpAddress client;
  Address sender;
  const SpfVerdict& spf;
  const std::vector<DkimResult>& dkim;
  const std::vector<DmarcVerdict>& dmarc;
  const ContentVerdict& verdict;
};

// Does DNS answer at all? One a shard: a laboratory without DNS would pay the patience of every
// message anew. Some names that stay without an answer, one after the other, are silence; an answer
// about any name, or a while, ends it.
class DnsSilence {
 public:
  void answered() { unanswered_ = 0; }
  void unanswered(Moment now) {
    ++unanswered_;
    last_ = now;
  }
  bool lasts(Moment now) const { return unanswered_ >= enough && now < last_ + pause; }

 private:
  static constexpr unsigned enough = 4;  // two messages, by SPF and DMARC
  static constexpr Duration pause = std::chrono::seconds(5);
  unsigned unanswered_ = 0;
  Moment last_{};
};

struct CheckParts {
  Loop& loop;
  Resolver& resolver;
  Metrics& metrics;
  // May be unset. Called once a judged message, also a refused one.
  std::function<void(const JudgedMessage&)> judged;
  DnsSilence& silence;
};

class Checks final : public ArrivalCheck {
 public:
  // Begins with iprev. `options` may be a part of what is shared longer.
  Checks(CheckParts parts, std::shared_ptr<const CheckOptions> options, IpAddress client);
  ~Checks() override;  // REQUIRES settled()
  Checks(const Checks&) = delete;
  Checks& operator=(const Checks&) = delete;

  void begin(std::string helo, Address sender);  // MAIL FROM: a new message; SPF is asked

  void header(std::string_view block) override;
  void body(std::string_view octets) override;
  Task<ArrivalResult> finish() override;

  Task<void> settled();  // no question is under way

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec
