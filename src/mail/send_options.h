// What a sender asks for a message beside its envelope: the options of the API and their mirror in
// SMTP header fields. They are facts: they ride in the Received event (queue/event_data.h), from
// which every projection reads them.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"

namespace goniec {

struct SendOptionLimits {
  std::size_t tags = 50, tag_octets = 256;  // of each name and value
  std::size_t metadata = 50, metadata_octets = 1024;
};

struct SendOptions {
  std::string stream;  // "" until intake knows it: then of the key, or "transactional"
  std::vector<std::pair<std::string, std::string>> tags, metadata;
  std::optional<bool> track_opens, track_clicks;  // not given: as the stream says
  Instant send_at{}, expires_at{};                // zero: now; as the retry policy says
  std::string pool;
  bool sandbox = false;
  std::string key_id;  // of the API key that sent it
  // Of the header, filled in by intake: decoded, as people read it; multipart/mixed.
  std::string subject;
  bool attachments = false;
};

}  // namespace goniec
