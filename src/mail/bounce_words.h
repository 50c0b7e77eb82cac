// A refusal in the words of people, English and Polish: what happened, who must act, and how. The
// one table of these texts; a verdict's `hint` is the key. DSNs, `goniec explain`, the API and the
// dashboard read it; rules in files may name only what is here.
#pragma once
#include <span>
#include <string_view>

#include "mail/bounce.h"

namespace goniec {

enum class Language { english, polish };

struct BounceWords {
  std::string_view hint;  // "bounce.mailbox_full"
  BounceActor actor = BounceActor::nobody;
  std::string_view english, polish;                // what happened
  std::string_view english_advice, polish_advice;  // what `actor` does; said to the sender
  std::string_view cause(Language language) const {
    return language == Language::english ? english : polish;
  }
  std::string_view fix(Language language) const {
    return language == Language::english ? english_advice : polish_advice;
  }
};

// The words of a hint; an unknown one has those of "bounce.other".
const BounceWords& bounce_words(std::string_view hint);
bool is_bounce_hint(std::string_view hint);
std::span<const BounceWords> all_bounce_words();
// "the sender", "nadawca"
std::string_view actor_words(BounceActor actor, Language language);

}  // namespace goniec
