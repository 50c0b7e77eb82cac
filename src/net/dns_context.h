// Internal to net/resolver: one libunbound context in the reactor of a Shard. Its worker thread
// does the work; results come back on the loop. No cache, no queue, no deadline here: net/resolver
// has those.
#pragma once
#include <functional>
#include <memory>

#include "net/resolver.h"
#include "run/descriptor.h"

struct ub_ctx;
struct ub_result;

namespace goniec {

class DnsContext : public std::enable_shared_from_this<DnsContext> {
 public:
  enum class Validation { on, off };
  static Result<std::shared_ptr<DnsContext>> open(Shard& shard, const ResolverOptions& options,
                                                  Validation validation);
  ~DnsContext();
  DnsContext(const DnsContext&) = delete;
  DnsContext& operator=(const DnsContext&) = delete;

  using Answered = std::move_only_function<void(DnsAnswer)>;
  // `answered` is called on the loop, never from inside ask(), unless cancelled first.
  struct Question;
  Question* ask(const std::string& name, DnsType type, Answered answered);
  void cancel(Question* question);
  void close();  // no callback after this

 private:
  struct Pipe;
  DnsContext(Shard& shard, ub_ctx* context);
  static void arrived(void* question, int error, ub_result* result);

  Shard& shard_;
  ub_ctx* context_;
  std::unique_ptr<Descriptor> pipe_;  // libunbound's: readable when it has results
};

// The names below which the anchors of a file validate ("." when it is empty: the root's own).
std::vector<std::string> anchor_names(const std::string& trust_anchor_file);

}  // namespace goniec
