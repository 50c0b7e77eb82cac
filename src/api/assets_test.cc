// The files of the dashboard: found by name, pages by their address.
#include "api/assets.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace goniec {
namespace {

TEST(Assets, are_sorted_compressed_and_small) {
  const auto all = embedded_assets();
  ASSERT_FALSE(all.empty());
  EXPECT_TRUE(std::ranges::is_sorted(all, {}, &Asset::path));
  std::size_t octets = 0;
  for (const auto& each : all) {
    EXPECT_TRUE(each.gzip.starts_with("\x1f\x8b")) << each.path;
    EXPECT_TRUE(each.etag.starts_with('"') && each.etag.ends_with('"')) << each.path;
    EXPECT_EQ(each.immutable, each.path.starts_with("/assets/"));
    octets += each.gzip.size();
  }
  EXPECT_LE(octets, 200'000u);
}

TEST(Assets, an_address_of_the_dashboard_is_answered_by_its_page) {
  const Asset* page = asset_of("/");
  ASSERT_NE(page, nullptr);
  EXPECT_EQ(page->path, "/index.html");
  EXPECT_FALSE(page->immutable);
  EXPECT_EQ(asset_of("/activity"), page);
  EXPECT_EQ(asset_of("/m/A1B2C3D4E5F6"), page);
  EXPECT_EQ(asset_of("/index.html"), page);
}

TEST(Assets, what_is_neither_file_nor_page_is_not_found) {
  for (const auto path :
       {"", "activity", "/assets/none.js", "/api/v1/status", "/emails", "/metrics"})
    EXPECT_EQ(asset_of(path), nullptr) << path;
}

}  // namespace
}  // namespace goniec
