// The inside of Node: what one shard holds, and the state that node.cc, listeners.cc and
// node_calls.cc share.
#pragma once
#include <future>
#include <mutex>
#include <thread>

#include "accounts/sessions.h"
#include "accounts/webhooks.h"
#include "api/call.h"
#include "api/event_list.h"
#include "api/public_pages.h"
#include "app/node.h"
#include "app/node_core.h"
#include "duties/hooks.h"
#include "duties/projector.h"
#include "duties/report_sending.h"
#include "duties/reporting.h"
#include "duties/suppressing.h"
#include "inbound/sandbox.h"
#include "net/http_client.h"
#include "net/resolver.h"
#include "net/tcp.h"
#include "run/disk.h"
#include "run/offload.h"
#include "run/shard.h"
#include "run/system.h"
#include "store/transcript_log.h"

namespace goniec {

// The doors of one thread.
struct SystemShard {
  Shard loop;
  SystemNetwork network;
  std::unique_ptr<UnboundResolver> resolver;
  std::unique_ptr<HttpClient> http;
  SystemShard() : network(loop) {}
};

// One thread and all that lives on its loop.
struct NodeShard : SystemShard, ShardParts {
  std::thread thread;

  // Runs `work` on the loop and waits for it. Not from the loop itself.
  template <class F>
  auto run(F work) {
    std::promise<std::invoke_result_t<F>> done;
    auto future = done.get_future();
    loop.post([&] {
      if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
        work();
        done.set_value();
      } else {
        done.set_value(work());
      }
    });
    return future.get();
  }
};

// A listener that is bound and not yet accepting.
struct BoundListener {
  ListenerOption option;
  std::vector<std::unique_ptr<Listener>> per_shard;  // mail; http and admin: the first shard's only
  Endpoint address;                                  // as bound
};

struct SystemDoors {
  SystemDisk disk;
  SystemClock clock;
  SystemRandom random;
};

struct Node::State : SystemDoors, NodeCore {
  std::unique_ptr<TranscriptLog> transcripts;  // null: it cannot be written; outlives the shards
  std::unique_ptr<OffloadPool> offload;
  std::vector<std::unique_ptr<NodeShard>> shards;
  std::vector<BoundListener> bound;
  std::unique_ptr<Search> search;  // null: it cannot be opened
  std::unique_ptr<OffloadPool> search_threads;
  std::unique_ptr<Projector> projector;
  LiveTails live_tails;
  std::unique_ptr<ApiContext> api;
  std::unique_ptr<Certificates> certificates;  // on the first shard, and:
  std::unique_ptr<ReportIntake> report_intake;
  std::unique_ptr<ReportSending> report_sending;
  Webhooks webhooks;
  Sessions sessions;
  std::unique_ptr<HookLog> hook_log;
  std::unique_ptr<Hooks> hooks;
  std::unique_ptr<Suppressing> suppressing;
  std::unique_ptr<Sandbox> sandbox;
  std::unique_ptr<PublicPages> public_pages;
  std::promise<void> stop_asked;
  bool stop_was_asked = false;

  State(LoadedConfig loaded, LogSink& sink, Metrics& registry)
      : NodeCore(std::move(loaded), sink, registry, NodeDoors{disk, clock, random}) {}

  void say(LogLevel level, std::string event, std::string text);

  // node.cc
  Result<void> open_store();
  Result<void> make_shard();
  void run_shards();
  Result<void> reload();
  void drain();
  void end_shards();
  // projection.cc
  void open_transcripts();  // before the shards run
  void start_projection();
  void stop_projection();
  Task<Result<std::uint64_t>> erase_rows(std::string address, std::string by, bool dry_run);
  // listeners.cc
  Result<void> own_storage();  // root: the folder belongs to the user it will run as
  Result<void> bind_listeners();
  Result<void> drop_privileges();
  void serve_listeners();
  Result<void> open_sockets();
  Result<void> write_listeners_file() const;
  std::string listeners_json() const;
  // web.cc
  void start_certificates(LoadedCertificates loaded);  // on the first shard's loop
  void make_reports();                                 // before the shards run
  void start_reports();                                // on the first shard's loop
  ReportSendingSettings report_sending_settings() const;
  std::string certificates_json() const;
  HttpServer::Door web_door(const ListenerOption& option, HttpServer::Secure secure = {});
  HttpScreening screen_web(const HttpCall& call);
  Task<HttpReply> answer_web(HttpCall call, bool trusted);
  Task<Result<std::unique_ptr<Stream>>> secure_visitor(std::unique_ptr<Stream> plain,
                                                       Moment deadline);
  // webhooks.cc
  Result<void> make_hooks();  // before the shards run
  Task<void> mail_to_owner(Address to, std::string subject, std::string text);
  Task<HookAttempt> test_hook(std::shared_ptr<const Webhook> webhook);
  std::string web_url() const;
  std::string smtp_ports_json() const;
  // streams.cc
  void make_streams();   // before the shards run
  void start_streams();  // on the first shard's loop
  Task<void> stop_streams();
  // node_calls.cc
  std::unique_ptr<ApiContext> make_api();
  void tell_of_itself(ApiContext& context);
  HttpHandler handler(ApiDoor door);
  Task<HttpReply> answer_http(ApiDoor door, HttpCall call);
  Task<Result<DnsAdvice>> advise_on_dns(Domain domain);
  Task<std::string> explain_route(Address address);
};

ApiCall api_call_of(HttpCall call);
HttpReply http_reply_of(ApiReply reply);
bool same_listeners(const Config& a, const Config& b);
// Becomes `user` for good (groups too). not_permitted with the reason.
Result<void> become_user(const std::string& user);
// Tells the service manager (sd_notify), when there is one.
void notify_service_manager(std::string_view state);

}  // namespace goniec
