// Certificate files: a renewed pair is seen, a broken one is refused and said, none is none.
#include "duties/certificates.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "run/disk.h"

namespace goniec {
namespace {

class CertificateFilesOnDisk : public testing::Test {
 protected:
  std::string folder = testing::TempDir() + "certificates." + std::to_string(::getpid());
  SystemDisk disk;
  std::vector<CertificateFiles> files;

  void SetUp() override { ASSERT_TRUE(disk.make_directory(folder)); }
  void TearDown() override {
    for (const auto& each : files) {
      (void)disk.remove(each.certificate);
      (void)disk.remove(each.key);
    }
    ::rmdir(folder.c_str());
  }
  void put(const std::string& path, const std::string& text) {
    auto file = disk.open(path, OpenMode::create);
    ASSERT_TRUE(file && (*file)->truncate(0) && (*file)->write_at(0, text));
  }
  CertificateFiles make(const std::string& name) {
    const auto pair = make_self_signed({name}, 30);
    CertificateFiles made{folder + "/" + name + ".pem", folder + "/" + name + ".key"};
    put(made.certificate, pair->chain_pem);
    put(made.key, pair->key_pem);
    files.push_back(made);
    return made;
  }
};

TEST_F(CertificateFilesOnDisk, are_loaded_with_their_names_and_seen_when_they_change) {
  make("mx.example.pl");
  make("mail.example.org");
  const auto first = load_certificates(disk, files);
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_EQ(first->in_use.size(), 2u);
  EXPECT_EQ(first->in_use[1].facts.names, std::vector<std::string>{"mail.example.org"});
  EXPECT_EQ(first->in_use[0].facts.public_key_sha256.size(), 32u);
  EXPECT_EQ(load_certificates(disk, files)->octets, first->octets);
  files.pop_back();
  const auto kept = make("mx.example.pl");
  files.pop_back();
  EXPECT_NE(load_certificates(disk, files)->octets, first->octets);
  put(kept.key, make_self_signed({"other"}, 1)->key_pem);
  const auto broken = load_certificates(disk, files);
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("does not belong"), std::string::npos);
  files.push_back({folder + "/mail.example.org.pem", folder + "/mail.example.org.key"});
}

TEST_F(CertificateFilesOnDisk, without_any_there_is_no_context) {
  const auto none = load_certificates(disk, {});
  ASSERT_TRUE(none);
  EXPECT_EQ(none->context, nullptr);
}

}  // namespace
}  // namespace goniec
