// `goniec trace ID|MESSAGE-ID`: the timeline of one message for people, or as JSON.
#pragma once
#include <string>

#include "app/command.h"

namespace goniec {

int run_trace(const Common& common, const std::string& id, bool with_transcript);
// The timeline as text, a stage a line.
std::string trace_text(const JsonValue& trace);

}  // namespace goniec
