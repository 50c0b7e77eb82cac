// Any octets as a tag=value list: what is read lies inside the text and follows its own promises.
// The strict reading refuses exactly what the lenient one names a problem of.
// Neither reads beyond its limits.
#include <cstdint>

#include "base/result.h"
#include "trust/tags.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace goniec;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const TagList list = read_tags(text);
  CHECK(list.tags.size() <= TagLimits{}.tags);
  for (const Tag& tag : list.tags) {
    CHECK(tag.raw.data() >= text.data());
    CHECK(tag.raw.data() + tag.raw.size() <= text.data() + text.size());
    CHECK(!tag.name.empty() && tag.value.find(';') == std::string_view::npos);
    CHECK(tag.value == trim_folding(tag.raw));
  }
  CHECK(parse_tags(text).has_value() == list.problem.empty());
  return 0;
}
