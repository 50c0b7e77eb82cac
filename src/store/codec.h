// How messages, entries and events become bytes in a row, and come back.
//
//   byte 0      version of the row, 1
//   fields      unsigned LEB128 numbers, length-prefixed strings, times as 8 octets little-endian
//   last 4      CRC32C of all before them
//
// Promises: decode(encode(x)) == x; a flipped bit, a cut or a longer row is `damaged`, never a
// crash and never a wrong value that looks right. Refuses rows of a newer version. Addresses are
// parsed again when they are read: nothing enters the house unparsed, not even from its own disk.
// The header and the prepend are columns of their own (StoredMessage::row_crc covers them too).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "mail/journey.h"

namespace goniec {

// A row of `messages` without header, prepend and body.
struct StoredMessage {
  Message message;  // content.prepend and content.header empty
  Instant keep_until{};
  std::uint64_t octets = 0;         // prepend + header + body
  std::uint32_t entries = 0;        // at spool
  std::uint32_t inline_octets = 0;  // body kept in the row; 0: in chunks, or empty
  std::uint32_t row_crc = 0;        // over prepend, header and inline body
};

// A row of `entries`: the entry and what lists and statistics want beside it.
struct StoredEntry {
  Entry entry;
  Instant received_at{};
  std::uint64_t octets = 0;  // of the message's content
  Instant keep_until{};      // of the message
  bool chunked = false;      // its body has rows in `chunks`
};

// What statistics need of an entry row, without making the whole Entry.
struct EntrySummary {
  EntryState state = EntryState::due;
  std::uint32_t tries = 0;
  Instant received_at{};
  std::uint64_t octets = 0;
  std::string_view domain;  // into the row
};

// `out` is cleared first; its memory is used again.
void encode_message(const StoredMessage& stored, std::string& out);
void encode_entry(const StoredEntry& stored, std::string& out);
void encode_event(const Event& event, std::string& out);  // without sequence and message

Result<StoredMessage> decode_message(std::string_view row, MessageId id);
Result<StoredEntry> decode_entry(std::string_view row, EntryId id);
// Whose row it says it is, when it is whole.
std::optional<MessageId> id_of_message(std::string_view row);
std::optional<EntryId> id_of_entry(std::string_view row);
Result<EntrySummary> summarize_entry(std::string_view row);
Result<Event> decode_event(std::string_view row, std::uint64_t sequence, MessageId message);

// A stable number of a domain, for the due index and the shares of the window; never 0. 47 bits of
// SHA-256: nobody finds a domain that shares another's.
std::uint64_t domain_lane(std::string_view ascii);

// A stable 63-bit number of a Message-ID for the `names` runs; never 0.
std::uint64_t name_hash(std::string_view message_id);

}  // namespace goniec
