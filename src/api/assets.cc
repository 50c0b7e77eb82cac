// Which file answers which path (assets.h).
#include "api/assets.h"

#include <algorithm>
#include <array>

namespace goniec {

namespace {

// The first segments of the dashboard's own addresses; web/src/router.ts has the same list.
constexpr std::array<std::string_view, 9> pages = {
    "", "login", "activity", "m", "queue", "deliverability", "recipients", "developers", "system"};

const Asset* find(std::string_view path) {
  const auto all = embedded_assets();
  const auto found = std::ranges::lower_bound(all, path, {}, &Asset::path);
  return found != all.end() && found->path == path ? &*found : nullptr;
}

}  // namespace

const Asset* asset_of(std::string_view path) {
  if (const Asset* file = find(path)) return file;
  if (!path.starts_with('/')) return nullptr;
  const auto first = path.substr(1, path.find('/', 1) - 1);
  return std::ranges::find(pages, first) == pages.end() ? nullptr : find("/index.html");
}

}  // namespace goniec
