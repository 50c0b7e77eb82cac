// Internal to net/tls: owning pointers and error texts of OpenSSL. No other header includes this.
// An OpenSSL call that failed leaves its reasons in a queue of the thread: openssl_error() takes
// them, so that the next failure does not show them.
#pragma once
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "base/text.h"

namespace goniec {

template <auto release>
struct OpensslRelease {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};
template <class T, auto release>
using OpensslPtr = std::unique_ptr<T, OpensslRelease<release>>;

std::string openssl_error();                                 // takes and empties the thread's queue
std::vector<std::string> names_of(const X509* certificate);  // DNS names, lower case

}  // namespace goniec
