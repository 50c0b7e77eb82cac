// A certificate of one's own: its names, its time, and that its key is its key.
#include "trust/self_signed.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "trust/openssl.h"

namespace goniec::test {
namespace {

TEST(SelfSigned, HoldsItsNamesAndIsSignedByItsKey) {
  const auto made = make_self_signed({"try.goniec.test", "localhost", "127.0.0.1"}, 30);
  ASSERT_TRUE(made.has_value());
  const std::unique_ptr<BIO, trust::Release<BIO_free>> text(
      BIO_new_mem_buf(made->certificate.data(), static_cast<int>(made->certificate.size())));
  const trust::CertificatePtr certificate(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
  ASSERT_NE(certificate, nullptr);
  const std::unique_ptr<BIO, trust::Release<BIO_free>> secret(
      BIO_new_mem_buf(made->key.data(), static_cast<int>(made->key.size())));
  const trust::KeyPtr key(PEM_read_bio_PrivateKey(secret.get(), nullptr, nullptr, nullptr));
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(X509_check_private_key(certificate.get(), key.get()), 1);
  EXPECT_EQ(X509_verify(certificate.get(), key.get()), 1);
  EXPECT_EQ(X509_check_host(certificate.get(), "localhost", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(certificate.get(), "example.test", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(certificate.get(), "127.0.0.1", 0), 1);
  EXPECT_LT(X509_cmp_current_time(X509_get0_notBefore(certificate.get())), 0);
  EXPECT_GT(X509_cmp_current_time(X509_get0_notAfter(certificate.get())), 0);
}

}  // namespace
}  // namespace goniec::test
