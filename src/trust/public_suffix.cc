// See public_suffix.h. libpsl wants lower case: ASCII is lowered here, the rest by libpsl itself.
// A name with an empty label is no name, whatever libpsl says to it.
#include "trust/public_suffix.h"

#include <fmt/format.h>
#include <libpsl.h>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t name_octets = 1024;  // U-labels; beyond there is no such domain

struct FreeText {
  void operator()(char* text) const { psl_free_string(text); }
};
struct FreeList {
  void operator()(psl_ctx_t* list) const { psl_free(list); }  // leaves the built-in one alone
};

bool has_empty_label(std::string_view name) {
  return name.empty() || name.starts_with('.') || name.ends_with('.') ||
         name.find("..") != std::string_view::npos;
}

}  // namespace

struct PublicSuffixes::List {
  std::unique_ptr<psl_ctx_t, FreeList> rules;
};

PublicSuffixes::PublicSuffixes(std::unique_ptr<List> list) : list_(std::move(list)) {}
PublicSuffixes::PublicSuffixes(PublicSuffixes&&) noexcept = default;
PublicSuffixes& PublicSuffixes::operator=(PublicSuffixes&&) noexcept = default;
PublicSuffixes::~PublicSuffixes() = default;

PublicSuffixes PublicSuffixes::load() {
  auto list = std::make_unique<List>();
  list->rules.reset(psl_latest(nullptr));
  CHECK(list->rules);
  return PublicSuffixes(std::move(list));
}

Result<PublicSuffixes> PublicSuffixes::read(const std::string& path) {
  auto list = std::make_unique<List>();
  list->rules.reset(psl_load_file(path.c_str()));
  if (!list->rules)
    return fail(ErrorKind::not_found, fmt::format("{}: no public suffix list", path));
  return PublicSuffixes(std::move(list));
}

std::string PublicSuffixes::registrable(std::string_view domain) const {
  if (domain.size() > name_octets || domain.find('\0') != std::string_view::npos) return {};
  std::string name = to_lower(domain);
  if (has_empty_label(name) || !is_utf8(name)) return {};
  if (!is_ascii(name)) {
    char* lowered = nullptr;
    if (psl_str_to_utf8lower(name.c_str(), "utf-8", nullptr, &lowered) != PSL_SUCCESS) return {};
    const std::unique_ptr<char, FreeText> owner(lowered);
    name = lowered;
  }
  const char* found = psl_registrable_domain(list_->rules.get(), name.c_str());
  return found ? found : "";
}

}  // namespace goniec
