// The few pages that everybody may load: what links in mail lead to. No login, no cookie, no
// script.
//
//   GET  /u/WORD       a page with a button; unsubscribes nobody, for scanners follow links
//   POST /u/WORD       RFC 8058: unsubscribes at once. From the page: action=unsubscribe, and
//                      action=resubscribe, which takes back an unsubscribe and nothing else
//   GET  /o/WORD.gif   an image of one point: `opened`
//   GET  /c/WORD       303 to the target in the signed word: `clicked`
//
// A word that this house did not sign is 404. Machines are told from people (machine_loads.h).
// What one word may cause is bounded, so that who replays it cannot fill the log: an image and a
// redirect are then given without an event, a change is 429. Lives on one loop.
#pragma once
#include <string>

#include "accounts/bounded_table.h"
#include "accounts/links.h"
#include "accounts/streams.h"
#include "accounts/suppressions.h"
#include "base/metrics.h"
#include "net/http_server.h"
#include "run/world.h"

namespace goniec {

struct PublicPagesLimits {
  std::size_t words = 50'000;      // remembered, those seen last
  unsigned events_a_word = 50;     // until it is forgotten
  std::size_t agent_octets = 200;  // kept of a User-Agent
  std::size_t form_octets = 4096;
};

struct PublicPagesParts {
  World& world;
  Committer& committer;
  ReaderPool& readers;
  const Streams& streams;
  Suppressions& suppressions;
  const Links& links;
  Metrics& metrics;
};

bool is_public_page(std::string_view path);  // "/u/…", "/o/…", "/c/…"

class PublicPages {
 public:
  explicit PublicPages(PublicPagesParts parts, PublicPagesLimits limits = {});
  // REQUIRES is_public_page().
  Task<HttpReply> answer(HttpCall call);

 private:
  struct Seen {
    unsigned events = 0;
    bool opened = false;
    Instant last_click{};
    std::size_t last_link = 0;  // hash of the target
  };
  Task<HttpReply> answer_unsubscribe(HttpCall call, LinkToken token);
  Task<HttpReply> change(LinkToken token, std::string action, bool polish);
  Task<Result<void>> resubscribe(LinkToken token);
  Task<HttpReply> show(LinkToken token, bool polish);
  HttpReply answer_open(const HttpCall& call, const LinkToken& token);
  HttpReply answer_click(const HttpCall& call, const LinkToken& token);
  void tell_load(const HttpCall& call, const LinkToken& token);
  bool may_cause_event(const LinkToken& token);
  Seen& seen(const LinkToken& token);
  enum class Load { first_open, other };
  Task<void> keep(Event event, Load load);

  PublicPagesParts parts_;
  PublicPagesLimits limits_;
  BoundedTable<std::string, Seen> seen_;
};

}  // namespace goniec
