// The configuration as the API and the dashboard show it: what is in force, and what the file says
// now. Values are TOML as text; secrets are never among them, for a config names files that hold
// them.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/config.h"

namespace goniec {

// [{"key", "value", "line" or null, "file", "default", "sentence"}], in the order of the schema.
std::string settings_json(const LoadedConfig& in_force);
// {"events": "90d", …}: [retention].
std::string retention_json(const LoadedConfig& in_force);
// Octets by kind: the database, the files of a folder ("journal", "search", "transcripts"…), not of
// folders in it. What cannot be read counts nothing. Reads the disk.
std::map<std::string, std::uint64_t> storage_octets(const std::string& path);
// {"file", "problems": [{"file", "line", "message"}], "changes": [{"key", "now", "then"}]}: what a
// reload of the file would say and bring. Reads files.
std::string config_file_json(const std::string& file, const std::vector<Setting>& in_force);

}  // namespace goniec
