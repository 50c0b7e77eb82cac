// The search projection: what listing, searching and charts read. It is made of the event log and
// can be rebuilt from it; nothing else writes it, and no trace needs it (docs/analytics.md).
//
//   <storage.path>/search/YYYY-MM-DD.db    one row a message, in the file of the day (UTC) its id
//                                          was made; its recipients; an index of words
//   <storage.path>/search/statistics.db    counts an hour and combination of provider, domain,
//                                          stream, tag, pool, and their sums a day; how far the
//                                          projection is
//
// ONCE. Each file keeps in its own transactions the sequence of the last event it took in, and
// passes over what is not above it. So a batch that a crash cut between two files is given again as
// a whole, and neither lost nor counted twice. The files are synced at settle() alone: after a
// power cut the projector goes on from the last settled sequence.
//
// THREADS. apply(), settle(), forget(), erase(), close_files(): one thread, the projector's.
// list(), get(), statistics(): any thread; each call takes a connection out of a bounded pool.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "mail/journey.h"
#include "run/world.h"

namespace goniec {

struct SearchLimits {
  std::size_t shown_recipients = 50;      // of a message, in a list
  std::size_t indexed_recipients = 1000;  // of a message: found by `to:`
  std::size_t text_octets = 500;          // of a subject, a reply
  std::size_t tags = 10;                  // of a message: counted
  std::size_t combinations = 1000;        // of all names in an hour; what is new then has fewer
  std::size_t all_combinations = 250000;
  std::size_t page = 1000;                      // rows of a list, at most
  std::size_t groups = 1000;                    // rows of a statistic, at most
  std::size_t open_files = 4;                   // of days, for writing
  std::size_t readers = 4;                      // that read at the same time
  Duration patience = std::chrono::seconds(5);  // of one question: then try_later
};

// ---------------------------------------------------------------- states
// Of a recipient, and of a message: that of its worst recipient, in the order of severity().
enum class MailStatus : std::uint8_t {
  queued,
  scheduled,
  delivered,
  deferred,
  bounced,
  expired,
  held,
  suppressed,
  canceled,
  complained
};
inline constexpr std::size_t mail_statuses = 10;
std::string_view name_of(MailStatus status);  // "bounced"
std::optional<MailStatus> mail_status_of(std::string_view name);
int severity(MailStatus status);

// ---------------------------------------------------------------- what comes in
using NamedTexts = std::vector<std::pair<std::string, std::string>>;

// What the event `received` says; it never changes.
struct SearchMessage {
  std::string from, subject, message_id, source;  // source: "api", "submission"…
  std::string stream, pool, key;
  NamedTexts tags, metadata;
  std::vector<std::string> recipients;
  std::uint64_t octets = 0;
  Instant send_at{};  // zero: at once
  bool attachments = false, sandbox = false;
};

// How a delivery to another server was kept from being read under way.
struct SearchTls {
  enum class Proof { not_said, clear, nothing, pkix, mta_sts, dane };  // nothing: opportunistic
  Proof proof = Proof::not_said;
  std::string version;  // "TLSv1.3"
};

// One event, as the projection sees it. Events that change no row are given too: their sequence
// counts.
struct SearchChange {
  std::uint64_t sequence = 0;
  EventKind kind = EventKind::received;
  MessageId message;  // 0: about no message
  Instant at{};
  std::string recipient;                  // "": all of them
  std::optional<SearchMessage> received;  // of `received`
  std::vector<std::string> targets;       // of `expanded`
  std::string domain;                     // of held, released…: the entry's, "": all
  std::uint64_t recipients = 1;           // that it is about when it names none
  // Of outcomes. `klass`: of what refused it (mail/bounce.h), "": nothing did.
  std::string provider, pool, reply, site, klass;
  std::uint32_t tries = 0;
  Duration took{};       // of delivered, relayed: since it was received
  SearchTls tls;         // of relayed
  Instant send_at{};     // of rescheduled
  Instant next_at{};     // of deferred
  bool machine = false;  // of opened, clicked: nobody looked
};

// ---------------------------------------------------------------- what is asked
struct SearchFilter {
  std::string q;                  // words of sender, recipients or subject; all must be there
  std::string to, from, subject;  // the same, of one of them; the last word may be a beginning
  std::string message_id;         // exact, without <>
  std::string tag;                // "name:value", "name" or "value"
  std::string metadata;           // "name:value"
  std::string stream, provider;   // exact
  std::string domain;             // of the sender: this one, or one below it
  std::string key;                // id of the API key it was sent with
  std::optional<MailStatus> status;
  std::string klass;  // of the last refusal; all is delivered: none
  std::optional<bool> attachments, sandbox;
  std::optional<MessageId> id;
  std::optional<Instant> since, until;  // received at or after; before
  std::size_t limit = 20;
  std::optional<MessageId> after;  // `next` of the page before
  // What it finds in this time of a processor; unset: all of the page, or try_later.
  std::optional<Duration> effort;
};

struct SearchRow {
  MessageId id;
  Instant at{};  // received
  MailStatus status = MailStatus::queued;
  std::string from, subject, message_id, source, stream, pool, key;
  NamedTexts tags, metadata;
  std::vector<std::string> to;   // the first shown_recipients
  std::uint64_t recipients = 0;  // all
  std::uint64_t octets = 0;
  bool attachments = false, sandbox = false;
  Instant send_at{};            // zero: at once
  Instant last_at{};            // of the last event
  std::string provider, reply;  // of the last outcome
  std::string klass;            // of the last refusal; all is delivered: ""
  std::uint64_t opens = 0, clicks = 0;
};
struct SearchRecipient {
  std::string address;
  MailStatus status = MailStatus::queued;
  Instant at{};       // of the last event
  Instant next_at{};  // of the next attempt; zero: none, or not known
  std::uint32_t tries = 0;
  std::string provider, reply, site, klass;
};
struct SearchPage {
  std::vector<SearchRow> rows;  // newest first
  bool has_more = false;
  MessageId next;  // when there are more; all rows before it are told
};
struct SearchStory {
  SearchRow row;
  std::vector<SearchRecipient> recipients;  // at most indexed_recipients
};

enum class StatsGroup {
  none,
  provider,
  domain,  // of the sender
  recipient_domain,
  stream,
  tag,
  pool,
  klass,  // of what refused: deferred, bounced, expired
  day,
  hour,
  hour_of_week  // "1-00" (Monday, UTC) to "7-23"
};
std::string_view name_of(StatsGroup group);  // "provider", "class"
std::optional<StatsGroup> stats_group_of(std::string_view name);

struct StatsQuery {
  StatsGroup group_by = StatsGroup::none, then_by = StatsGroup::none;
  Instant since{}, until{};  // of the event, to whole hours; until: before it, zero: no end
  std::string provider, domain, recipient_domain, stream, tag, pool, klass;  // "": any
  // `domain`: this one and those below it, as SearchFilter's.
};

// All but `messages` and `octets` (of messages) count recipients: events of that kind. A message
// may be opened more than once.
enum class StatsCount : std::uint8_t {
  messages,
  octets,
  accepted,
  delivered,
  deferred,  // attempts
  bounced,
  expired,
  suppressed,
  complained,
  opened,
  opened_machine,
  clicked,
  clicked_machine,
  unsubscribed,
  held,
  canceled,
  // Of what another server took: one of these five,
  tls_none,
  tls_opportunistic,
  tls_pkix,  // verified because a route asked for it
  tls_mta_sts,
  tls_dane,
  // and at most one of these.
  tls_1_2,
  tls_1_3
};
inline constexpr std::size_t stats_counts = 23;
std::string_view name_of(StatsCount count);

// Upper bounds of the buckets that times are counted in, ascending; one more is beyond the last.
inline constexpr auto latency_bounds = std::to_array<double>(  // seconds
    {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400});
inline constexpr std::size_t latency_buckets = latency_bounds.size() + 1;
std::size_t latency_bucket(Duration took);

struct StatsRow {
  std::string group, then;  // "o2", "2026-11-26", "2026-11-26T17:00:00Z", "1-17"
  std::array<std::uint64_t, stats_counts> counts{};
  std::array<std::uint64_t, latency_buckets> latency{};  // of what was delivered
  std::uint64_t count(StatsCount which) const { return counts[static_cast<std::size_t>(which)]; }
  // Within the bucket by proportion; nullopt: nothing was delivered. `part` in (0, 1].
  std::optional<double> latency_at(double part) const;
};

// ---------------------------------------------------------------- the projection
struct SearchErased {
  std::uint64_t messages = 0;  // in which the address stood
};

class Search {
 public:
  // Makes the folder. When the file of a day is missing, of another version or cannot be read, it
  // is made again and settled() is 0: the projector gives all events again, of which each file
  // takes what it lacks, and counts stay. When it is the statistics, all files go.
  static Result<std::unique_ptr<Search>> open(Disk& disk, std::string folder,
                                              SearchLimits limits = {});
  ~Search();

  // ---- the projector's thread
  // Events up to here are in every file, and synced: go on behind it.
  std::uint64_t settled() const;
  std::uint64_t position() const;  // as far as apply() got
  // By sequence, without gaps. An error: nothing or a part was taken; give it again from settled().
  Result<void> apply(std::span<const SearchChange> changes);
  Result<void> settle();
  // Rows of messages before, and statistics before. How many days and hours went.
  Result<std::size_t> forget(Instant rows_before, Instant statistics_before);
  // Removes the rows of all messages, and the statistics from the hour of `from` on: what the
  // event log from there will fill anew. position() is then `behind`.
  Result<void> start_anew(Instant from, std::uint64_t behind);
  enum class Erase { dry_run, now };
  // Puts `by` for the address wherever it stands as a whole: in texts, words and names of counts.
  // Of messages to, from or about it, subject, metadata and reply go. Synced when it returns.
  Result<SearchErased> erase(std::string_view address, std::string_view by, Erase how);

  // ---- any thread
  Result<SearchPage> list(const SearchFilter& filter) const;
  Result<std::optional<SearchStory>> get(MessageId message) const;
  Result<std::vector<StatsRow>> statistics(const StatsQuery& query) const;

  struct State;

 private:
  explicit Search(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace goniec
