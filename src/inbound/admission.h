// Who may connect now, and what all sessions together may hold: counts and budgets of the process.
//
//   connections an address       421 4.7.0
//   octets before login          421 4.3.2   each session is charged its limit (64 KiB) until it
//                                            logs in
//   file descriptors             421 4.3.2   a share is kept for delivery
//   memory of the process        421 4.3.2   above `memory_octets`
//   store sealed                 421 4.3.0   nothing can be promised
//   messages being received      452 4.3.1   each is charged its buffers; none above
//                                            `memory_octets`
// limits_for() says what there is to share: budgets follow the limit of the control group, so that
// a small container sheds load and is not killed. Any thread. A Ticket gives back when it goes.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/metrics.h"
#include "mail/journey.h"
#include "run/memory.h"

namespace goniec {

struct AdmissionLimits {
  std::size_t connections_per_address = 50;
  std::size_t connections = 10000;
  std::size_t session_octets = 64 * 1024;  // before login
  std::size_t waiting_octets = 1u << 30;   // all sessions before login
  std::size_t drafts_octets = 1u << 30;    // all messages being received
  std::size_t draft_octets = 384 * 1024;   // charged for one
  std::uint64_t memory_octets = 0;         // of the process; 0: not looked at
};

// Budgets for a process that may have so much memory: never more than the defaults.
AdmissionLimits limits_for(std::uint64_t memory_octets);

class Admission {
 public:
  // `resident`: octets the process has now; it is asked at most every 16th time. `relieve` is
  // called when they are too many, before anything is refused and now and then while they are.
  Admission(AdmissionLimits limits, Metrics& metrics,
            std::function<std::uint64_t()> resident = resident_octets,
            std::function<void()> relieve = return_free_memory);

  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept;
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket();
    void logged_in();  // the session no longer counts against the waiting budget

   private:
    friend class Admission;
    Admission* owner_ = nullptr;
    IpAddress address_;
    bool waiting_ = false;
    void release();
  };
  struct Answer {
    Ticket ticket;
    std::optional<Reply> refusal;
    std::string rule;  // of the refusal
  };
  Answer admit(const IpAddress& address, bool store_sealed);

  bool take_draft();  // false: 452 4.3.1
  void give_draft();
  void set_limits(AdmissionLimits limits);
  std::size_t connections() const { return connections_.load(); }
  std::size_t drafts();  // messages being received

 private:
  bool memory_is_short();  // REQUIRES mutex_

  std::mutex mutex_;
  AdmissionLimits limits_;
  std::function<std::uint64_t()> resident_;
  std::function<void()> relieve_;
  std::unordered_map<std::string, std::size_t> by_address_;
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> waiting_{0};
  std::size_t drafts_ = 0;
  std::uint32_t until_memory_check_ = 0, short_looks_ = 0;
  bool memory_short_ = false;
  Gauge& open_;
};

}  // namespace goniec
