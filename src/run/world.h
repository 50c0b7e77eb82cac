// The doors to the outside world. Everything that Goniec learns from or does to the world goes
// through one of them: Clock, Random, Disk, Network, Resolver, HttpFetch, and the Loop that turns
// it all. The true ones are in net/ and run/, their false twins in sim/ (one seed, one history).
// Keys and TLS use real randomness and decide nothing.
//
// A Loop is one thread (or one simulated thread). Every object that waits belongs to one loop.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "mail/journey.h"
#include "proto/inquiry.h"
#include "run/task.h"

namespace goniec {

using Work = std::move_only_function<void()>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;    // wall time; may jump
  virtual Moment moment() const = 0;  // never goes back
};

class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;
  virtual std::uint64_t below(std::uint64_t bound) { return bound ? next() % bound : 0; }
};

// ---------------------------------------------------------------- loop
class Loop {
 public:
  virtual ~Loop() = default;
  virtual Clock& clock() = 0;
  virtual Random& random() = 0;
  virtual void post(Work work) = 0;  // any thread; runs on the loop, in order
  virtual void at(Moment when,
                  Work work) = 0;       // loop thread; not cancellable: check state when it runs
  virtual bool is_current() const = 0;  // called on the loop's own thread
  // co_await loop.sleep_until(m)
  struct Sleep {
    Loop& loop;
    Moment when;
    bool await_ready() const { return loop.clock().moment() >= when; }
    void await_suspend(std::coroutine_handle<> waiter) {
      loop.at(when, [waiter] { waiter.resume(); });
    }
    void await_resume() const {}
  };
  Sleep sleep_until(Moment when) { return Sleep{*this, when}; }
  Sleep sleep(Duration duration) { return Sleep{*this, clock().moment() + duration}; }
};

// Runs blocking work (argon2, RSA, files) elsewhere, bounded: at most `queue_limit` waiting jobs;
// beyond that run() refuses with try_later. `done` work is posted to the caller's loop.
class Offload {
 public:
  virtual ~Offload() = default;
  virtual bool submit(Work work) = 0;  // any thread; false: queue full

  // The result of `work()` computed on the pool, back on `loop`.
  template <class F>
  Task<Result<std::invoke_result_t<F>>> run(Loop& loop, F work);
};

// ---------------------------------------------------------------- wire
struct PeerCredentials {  // SO_PEERCRED of a unix socket
  unsigned uid = 0, gid = 0;
  int pid = 0;
};

// A byte stream. At most one read and one write pending. After an error or close() every operation
// fails with `closed`. The deadline is one watchdog a stream, moved without cost, that makes
// pending and later operations fail with timed_out; a new deadline gives new time (for a last
// reply).
class Stream {
 public:
  virtual ~Stream() = default;  // closes; REQUIRES no operation pending
  // Waits until read() would not wait (bytes, the end, or an error): an idle session holds no
  // buffer.
  virtual Task<Result<void>> readable() { co_return Result<void>{}; }
  virtual Task<Result<std::size_t>> read(std::span<char> into) = 0;  // 0: the peer ended its side
  virtual Task<Result<void>> write(std::string_view bytes) = 0;  // all of it; bytes live until done
  virtual void set_deadline(Moment deadline) = 0;
  virtual void shutdown_write() = 0;  // FIN (TLS: close_notify first, best effort)
  virtual void close() = 0;           // now; a pending operation fails with `closed`
  virtual Endpoint local() const = 0;
  virtual Endpoint remote() const = 0;
  virtual std::optional<PeerCredentials> credentials() const { return {}; }
};

class Listener {
 public:
  virtual ~Listener() = default;
  virtual Task<Result<std::unique_ptr<Stream>>> accept() = 0;  // closed after close()
  virtual void close() = 0;
  virtual Endpoint local() const = 0;
};

struct ListenOptions {
  Endpoint endpoint;        // port 0: the system chooses
  bool reuse_port = false;  // one listener a shard on the same port
  int backlog = 1024;
};

class Network {
 public:
  virtual ~Network() = default;
  virtual Result<std::unique_ptr<Listener>> listen(ListenOptions options) = 0;
  virtual Result<std::unique_ptr<Listener>> listen_unix(std::string path, unsigned mode) = 0;
  virtual Task<Result<std::unique_ptr<Stream>>> connect(Endpoint to, std::optional<IpAddress> from,
                                                        Moment deadline) = 0;
  virtual Task<Result<std::unique_ptr<Stream>>> connect_unix(std::string path, Moment deadline) = 0;
};

// ---------------------------------------------------------------- names
// Never fails: what went wrong is a status. Deadline, cap in flight and single flight are inside.
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual Task<DnsAnswer> lookup(std::string name, DnsType type, Moment deadline) = 0;
};

// ---------------------------------------------------------------- web
struct HttpRequest {
  std::string method = "GET";
  std::string url;  // http://, https://, or unix:PATH:/path
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::size_t response_limit = 1 << 20;
  // The answer's status is what counts: a body that is longer, breaks off or does not end in time
  // is no error, and what came of it is kept.
  bool body_may_be_cut = false;
  bool only_public = false;  // an address that is loopback, private… is as if it were not there
};
struct HttpResponse {
  unsigned status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};
class HttpFetch {
 public:
  virtual ~HttpFetch() = default;
  virtual Task<Result<HttpResponse>> fetch(HttpRequest request,
                                           Moment deadline) = 0;  // follows no redirect
};

// ---------------------------------------------------------------- disk
enum class OpenMode { read, read_write, create };  // create: opens, or makes with 0600

class DiskFile {
 public:
  virtual ~DiskFile() = default;
  virtual Result<std::size_t> read_at(std::uint64_t offset,
                                      std::span<char> into) = 0;  // short at the end
  virtual Result<void> write_at(std::uint64_t offset, std::string_view bytes) = 0;  // all or error
  virtual Result<void> truncate(std::uint64_t octets) = 0;
  virtual Result<void>
  sync() = 0;  // fdatasync; after an error the file's bytes are in doubt for good
  virtual Result<std::uint64_t> size() = 0;
};

struct DiskSpace {
  std::uint64_t free_octets = 0, total_octets = 0, free_inodes = 0;
};

class Disk {  // synchronous: called on the commit thread and at start-up
 public:
  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<DiskFile>> open(const std::string& path, OpenMode mode) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> make_directory(const std::string& path) = 0;  // 0700; ok when it exists
  virtual Result<void> sync_directory(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;  // names
  virtual Result<DiskSpace> space(const std::string& path) = 0;
  // The file `path` (made with 0600), locked for this process as long as the result lives; conflict
  // when another process has it. A disk of one process need not know of others.
  virtual Result<std::unique_ptr<DiskFile>> lock(const std::string& path) {
    return open(path, OpenMode::create);
  }
};

// What a part of the house that waits is given: the loop it lives on and its doors.
struct World {
  Loop& loop;
  Network& network;
  Resolver& resolver;
  HttpFetch& http;
  Offload& offload;
};

// ---------------------------------------------------------------- details
template <class F>
Task<Result<std::invoke_result_t<F>>> Offload::run(Loop& loop, F work) {
  using Value = std::invoke_result_t<F>;
  Completion<Value> done;
  auto job = [&done, &loop, work = std::move(work)]() mutable {
    auto shared = std::make_shared<Value>(work());
    loop.post([&done, shared] { done.complete(std::move(*shared)); });
  };
  if (!submit(std::move(job)))
    co_return fail(ErrorKind::try_later, "too much work waits for the offload pool");
  co_return co_await done;
}

}  // namespace goniec
