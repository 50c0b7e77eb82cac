// goniec explain REPLY|ID: what an answer of another server means, who must act, and how, in
// English or Polish. A text is explained without a server; a queue id or a Message-ID is looked up
// in the running server's trace, and the last answer for each recipient is explained.
// Exit: 0; 64 nothing to explain; 67 no such message; 69 no server; 78 a rule file is broken.
#pragma once
#include <string>
#include <vector>

#include "app/command.h"

namespace goniec {

struct ExplainReplyOptions {
  std::vector<std::string> words;  // the answer, or an id
  std::string language;            // "pl", "en"; "": by the environment
  std::string host;                // who said it, for the rules of providers
};
int run_explain_reply(const Common& common, const ExplainReplyOptions& options);

}  // namespace goniec
