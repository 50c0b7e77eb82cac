// Certificates in use: read again when their files change, told before they expire.
//
//   every `interval`: read the files --same octets--> nothing
//                                     --changed, good--> swap: new connections get the new ones
//                                     --changed, bad---> the old ones stay; it is said once
//
// The files themselves are compared, not their times: a renewal by rename, by symbolic link or in
// place is seen alike. Lives on one loop, reads and makes contexts on the offload pool. Promises:
// no connection is touched; a pair that is half written is bad, and looked at again.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"
#include "net/tls.h"
#include "run/world.h"

namespace goniec {

struct CertificateFiles {
  std::string certificate, key;
};

// What is known of one pair in use, for status, doctor and metrics.
struct CertificateInUse {
  std::string file;
  TlsCertificateFacts facts;
};

// Reads the pairs and makes the context of a server; the first pair is the default.
struct LoadedCertificates {
  std::shared_ptr<const TlsContext> context;  // null: there is no pair
  std::vector<CertificateInUse> in_use;
  std::string octets;  // digest of all files
};
Result<LoadedCertificates> load_certificates(Disk& disk,
                                             const std::vector<CertificateFiles>& files);

struct CertificatesOptions {
  Duration interval = std::chrono::seconds(10);
  Duration warning = std::chrono::days(14);  // before the end: a line in the log each day
};

class Certificates {
 public:
  using Files = std::function<std::vector<CertificateFiles>()>;  // as in force
  using Swap = std::function<void(std::shared_ptr<const TlsContext> fresh,
                                  const std::vector<CertificateInUse>& in_use)>;  // on the loop
  Certificates(World& world, Disk& disk, CertificatesOptions options, Files files, Swap swap,
               Metrics& metrics, LogSink& log);
  // What is in use already: at the start, and after a reload that read them. On the loop.
  void set(LoadedCertificates loaded);
  void start();       // spawns run(); stop() before the end
  Task<void> stop();  // after the reading under way

 private:
  Task<void> run();
  Task<void> look();
  void tell_expiry();
  void say(LogLevel level, std::string event, std::string text);

  World& world_;
  Disk& disk_;
  CertificatesOptions options_;
  Files files_;
  Swap swap_;
  Metrics& metrics_;
  LogSink& log_;
  std::vector<CertificateInUse> in_use_;
  std::string octets_, complained_;
  std::vector<std::pair<std::string, Instant>> warned_;
  bool stopping_ = false, running_ = false;
  std::shared_ptr<Signal> woken_ = std::make_shared<Signal>();
  Signal ended_;
};

}  // namespace goniec
