// The records of the group journal: what a verb says to the database later, in the rows it will
// have there. Three kinds are enough, for only these verbs are hot (docs/INTERNALS.md):
//
//   spool   a message: its row, content, entries, events
//   settle  an entry: gone, or its new row; events
//   facts   objects that are put or removed; events
//
// Promises: decode(encode(x)) has the same rows; a record that is cut or of a newer version is
// `damaged`. The rows keep their own checksums, which are tested when they are read; the journal's
// chain covers the record as a whole.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/codec.h"
#include "store/store.h"

namespace goniec {

constexpr std::uint8_t spool_record = 1, settle_record = 2, facts_record = 3;

struct EventRow {
  MessageId message;
  std::uint64_t name = 0;  // hash of the Message-ID with the first event of a spool; 0: none
  std::string_view row;
};

struct EntryRow {
  std::uint32_t number = 0;
  std::int64_t due = 0;  // microseconds since 1970
  bool held = false;
  std::string_view row;
};

// Views live as long as the bytes they were decoded from.
struct SpoolRecord {
  MessageId id;
  Instant keep_until{};
  std::uint32_t chunks_before = 0;  // in the database already
  std::string_view envelope, prepend, header;
  std::vector<std::string_view> chunks;
  std::vector<EntryRow> entries;
  std::vector<EventRow> events;
  bool body_in_row() const { return chunks_before == 0 && chunks.size() == 1; }
};

struct SettleRecord {
  EntryId entry;
  bool settled = false;
  EntryRow row;  // when it is not settled
  Instant now{}, keep_until{};
  bool chunked = false;  // the message has rows in `chunks`
  std::vector<EventRow> events;
};

struct FactsRecord {
  std::vector<std::pair<ObjectKey, std::string_view>> puts;
  std::vector<ObjectKey> removes;
  std::vector<EventRow> events;
};

// `out` is cleared first; its memory is used again, that of `scratch` too.
void encode_spool(const SpoolRequest& request, const StoredMessage& stored,
                  std::uint32_t chunks_before, std::string& out, std::string& scratch);
void encode_settle(const StoredEntry& after, const SettleRequest& request, std::string& out,
                   std::string& scratch);

void encode_facts(std::span<const ObjectPut> puts, std::span<const ObjectKey> removes,
                  std::span<const Event> events, std::string& out, std::string& scratch);

Result<SpoolRecord> decode_spool(std::string_view octets);
Result<SettleRecord> decode_settle(std::string_view octets);
Result<FactsRecord> decode_facts(std::string_view octets);

// An entry of a spool as its row holds it.
StoredEntry stored_entry(const SpoolRequest& request, const StoredMessage& stored,
                         const Entry& entry);

}  // namespace goniec
