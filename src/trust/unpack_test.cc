// What unpacks, and what is refused before it grows.
#include "trust/unpack.h"

#include <gtest/gtest.h>
#include <zip.h>

namespace goniec {
namespace {

std::string zip_of(const std::vector<std::pair<std::string, std::string>>& files,
                   const char* password = nullptr) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* out = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_source_keep(out);
  zip_t* archive = zip_open_from_source(out, ZIP_TRUNCATE, &error);
  for (const auto& [name, text] : files) {
    zip_source_t* in = zip_source_buffer(archive, text.data(), text.size(), 0);
    const auto index = zip_file_add(archive, name.c_str(), in, ZIP_FL_ENC_UTF_8);
    if (password)
      zip_file_set_encryption(archive, static_cast<zip_uint64_t>(index), ZIP_EM_AES_256, password);
  }
  EXPECT_EQ(zip_close(archive), 0);
  std::string packed(1 << 20, '\0');
  EXPECT_EQ(zip_source_open(out), 0);
  packed.resize(static_cast<std::size_t>(zip_source_read(out, packed.data(), packed.size())));
  zip_source_close(out);
  zip_source_free(out);
  return packed;
}

TEST(Unpack, gives_back_what_was_packed_and_what_was_not) {
  const std::string text = "<feedback/>";
  for (const auto& packed :
       {text, gzip(text), gzip(gzip(text)), zip_of({{"a.xml", text}}),
        zip_of({{"a.xml.gz", gzip(text)}}), gzip(text) + std::string(20, '\0')}) {
    const auto files = unpack(packed);
    ASSERT_TRUE(files) << files.error().message;
    ASSERT_EQ(files->size(), 1u);
    EXPECT_EQ(files->front().octets, text);
  }
  EXPECT_EQ(unpack(gzip("a") + gzip("b"))->front().octets, "ab") << "members follow one another";
  EXPECT_EQ(unpack(zip_of({{"a.xml", "1"}, {"b.xml", "2"}}))->at(1).name, "b.xml");
}

TEST(Unpack, refuses_what_grows_beyond_a_bound) {
  const std::string zeros(8u << 20, '\0');
  const UnpackLimits small{.octets = 1u << 20};
  EXPECT_FALSE(unpack(gzip(zeros), small)) << "octets";
  EXPECT_FALSE(unpack(gzip(zeros))) << "the ratio: 8 MiB of zeros are 8 kB";
  EXPECT_FALSE(unpack(zip_of({{"a", zeros}})));
  EXPECT_FALSE(
      unpack(zip_of({{"a", std::string(700'000, 'x')}, {"b", std::string(700'000, 'y')}}), small))
      << "of all entries together";
  EXPECT_FALSE(unpack(gzip(gzip(gzip("a"))))) << "depth";
  std::vector<std::pair<std::string, std::string>> many;
  for (int i = 0; i < 11; ++i) many.emplace_back(std::to_string(i), "x");
  EXPECT_FALSE(unpack(zip_of(many))) << "entries";
  EXPECT_FALSE(unpack(std::string(100, 'x'), UnpackLimits{.packed_octets = 99}));
}

TEST(Unpack, refuses_what_is_broken_or_encrypted) {
  std::string cut = gzip(std::string(10'000, 'x') + "end");
  cut.resize(cut.size() - 9);
  EXPECT_FALSE(unpack(cut));
  std::string wrong = gzip("text");
  wrong[wrong.size() - 6] ^= 1;  // the checksum
  EXPECT_FALSE(unpack(wrong));
  EXPECT_FALSE(unpack("PK\x03\x04 and nothing more"));
  EXPECT_FALSE(unpack(zip_of({{"a", "secret"}}, "key")));
  std::string damaged = zip_of({{"a", std::string(1000, 'a') + "b"}});
  damaged[40] ^= 0x55;
  const auto files = unpack(damaged);
  EXPECT_TRUE(!files || files->front().octets != std::string(1000, 'a')) << "the checksum is read";
}

}  // namespace
}  // namespace goniec
