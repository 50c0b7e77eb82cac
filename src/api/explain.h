// What a refusal means, for programs: GET /api/v1/explain, and the member `explanation` of a
// message's recipients. The verdict is that of the rules in force (mail/bounce.h), the words are
// mail/bounce_words.h's; `goniec explain` says the same.
//
//   GET /api/v1/explain?reply=TEXT[&provider=][&host=][&domain=]   -> one explanation
//   GET /api/v1/explain?id=UUID|QUEUEID|MESSAGE-ID           -> {"data":[…]}, of each recipient
//                                                                     that did not get it
// Language: lang=en|pl, else Accept-Language, else English.
#pragma once
#include "api/call.h"
#include "mail/bounce_words.h"

namespace goniec {

struct RefusalFacts {
  std::string reply;  // as it was said; read for its first code
  std::string provider, site, domain, phase;
};

Task<ApiReply> explain_refusal(ApiContext& context, ApiCall call);

// The members of an explanation into an open object.
void write_explanation(JsonWriter& w, const BounceRules* rules, const RefusalFacts& facts,
                       Language language);
// By Accept-Language.
Language language_of(const ApiCall& call);

}  // namespace goniec
