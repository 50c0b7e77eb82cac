// A call and its answer, as the handlers see them: HTTP without its wire. net/http_server gives the
// call, api/routes finds the handler. JSON in, JSON out; an error is always
//   {"statusCode": 422, "name": "validation_error", "message": "…", "field": "to[1]"}
// An Error of the rooms below is named by its ErrorKind, so that a command line turns it back into
// its exit code; an ApiError, for programs on the web, by the names that clients of hosted services
// know (ApiError::name) and the member of the body that is to blame.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "accounts/api_keys.h"
#include "accounts/directory.h"
#include "accounts/forwarding.h"
#include "accounts/links.h"
#include "accounts/login.h"
#include "accounts/sessions.h"
#include "accounts/signing_keys.h"
#include "accounts/streams.h"
#include "accounts/suppressions.h"
#include "accounts/templates.h"
#include "accounts/webhooks.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "intake/draft.h"
#include "intake/idempotency.h"
#include "mail/bounce.h"
#include "net/http_server.h"
#include "queue/depth.h"
#include "queue/queue.h"
#include "run/world.h"
#include "store/committer.h"
#include "store/hook_log.h"
#include "store/search.h"
#include "store/transcript_log.h"
#include "trust/dns_advice.h"

namespace goniec {

// Where a call came in decides what it may do.
enum class ApiDoor {
  admin_socket,   // goniec.sock, 0600: everything
  submit_socket,  // 0666: submission and the caller's own queue, by peer credentials
  observe,        // the admin listener: /metrics and /health
  web,            // http, https and admin listeners: who shows a key, within its scopes
};

// Who calls, as far as it is proved.
struct Principal {
  enum class Kind { nobody, admin_socket, peer, key, session } kind = Kind::nobody;
  KeyScopes scopes;
  std::optional<ApiKey> key;
  std::optional<unsigned> uid;  // peer
  Address user;                 // session
  bool may(KeyScope scope) const { return scopes.has(scope); }
  bool sandbox() const { return key && key->sandbox; }
  std::string submitter() const;  // as Message::submitter: "key=ID", "uid=33", "anna@example.pl"
};

struct ApiCall {
  std::string method;  // "GET"
  std::string path;    // decoded, without query: "/api/v1/queue"
  std::vector<std::pair<std::string, std::string>> query;    // decoded, in order
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string body_digest;  // SHA-256, of who repeats a call by its body
  std::optional<PeerCredentials> peer;
  Endpoint remote;                     // who asks, on the web
  bool secure = false;                 // over TLS
  Principal principal;                 // set by answer_call
  std::string argument;                // what stood for the first {} in the route's pattern
  std::vector<std::string> arguments;  // for each
  std::string_view header(std::string_view name) const;              // "" = not given
  std::string_view parameter(std::string_view name) const;           // "" = not given
  std::vector<std::string> parameters(std::string_view name) const;  // all of that name
};

struct ApiReply {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::function<Task<void>(HttpSink& sink)> stream = {};  // instead of a body (net/http_server.h)
};

// Why a call was refused, for programs.
struct ApiError {
  unsigned status = 422;
  std::string name = "validation_error";  // or missing_required_field, invalid_from_address…
  std::string message;
  std::string field;               // of the body: "to[1]"; "" = none
  std::int64_t retry_after_s = 0;  // 0: not known; of 503: soon
};
template <class T = void>
using ApiResult = std::expected<T, ApiError>;
ApiError api_error(const Error& error, std::string field = {});  // of an Error of a room below
std::unexpected<ApiError> refuse_field(std::string field, std::string message);  // 422
ApiReply error_reply(const ApiError& error);

ApiReply json_reply(JsonWriter&& writer, unsigned status = 200);
ApiReply error_reply(const Error& error);
unsigned http_status(ErrorKind kind);
// The inverse of error_reply, for the command line: what a reply that is not 2xx says.
Error error_of_reply(unsigned status, std::string_view body);

// "a=b&c=%20d" to pairs; '+' is a blank. Broken escapes stay as they are.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);
std::string decode_percent(std::string_view text, bool plus_is_blank);
std::string encode_percent(std::string_view text);  // all but unreserved (RFC 3986 §2.3)

class LiveTails;  // api/event_list.h

struct PasswordRecord {
  std::string hash;
  std::optional<ScramKeys> scram;
};

// What DNS said of a domain when it was asked.
struct CheckedDomain {
  DnsAdvice advice;
  Instant at{};
};

// What the handlers use. Lives on one loop; everything referred to outlives it.
struct ApiContext {
  World& world;
  Queue& queue;
  Directory& directory;
  Committer& committer;
  ReaderPool& readers;
  Metrics& metrics;
  LogSink& log;
  SigningKeys& signing_keys;
  Forwarding& forwarding;
  Templates& templates;
  ApiKeys& api_keys;
  Logins& logins;
  Idempotency& idempotency;
  Webhooks& webhooks;
  HookLog& hook_log;
  Sessions& sessions;
  Streams& streams;
  Suppressions& suppressions;
  Links& links;
  std::string version;
  int pid = 0;
  unsigned own_uid = 0;  // that the server runs as
  Instant started_at{};
  // What api needs of app, as functions.
  std::function<void(const std::string& id)> look_at_webhook;  // it changed, or has work again
  std::function<Task<HookAttempt>(std::shared_ptr<const Webhook>)> test_webhook;
  std::function<std::string()> web_url;            // "https://mail.example.pl", no slash at its end
  std::function<std::string()> smtp_ports_json;    // {"submission": 587, …}
  std::function<IntakeOptions()> intake;           // as configured now
  std::function<std::uint64_t()> message_octets;   // [limits] message_size
  std::function<std::string()> listeners_json;     // as in listeners.json
  std::function<std::string()> certificates_json;  // those in use
  std::function<Task<std::size_t>()> send_reports;  // those that are pending: how many mails
  std::function<Result<void>()> reload;             // error text: all problems, one a line
  std::function<Result<void>()> reload_aliases;     // newaliases
  std::function<Task<void>()> look_for_keys;        // asks DNS for pending signing keys
  std::function<Task<Result<DnsAdvice>>(Domain)> dns_advice;  // asks DNS
  std::function<Task<std::string>(Address)> explain_route;    // JSON object
  std::function<Result<PasswordRecord>(std::string password, bool scram)>
      make_password;  // blocks: offloaded
  std::map<Domain, CheckedDomain> checked_domains = {};
  std::function<std::optional<std::string>(unsigned uid)> user_name;  // of the system
  std::function<bool(unsigned uid)> is_trusted_user;                  // [local] trusted_users
  std::function<std::shared_ptr<const BounceRules>()> bounces;        // null: none
  LiveTails* live_tails = nullptr;                                    // null: none
  const Search* search = nullptr;        // null: it cannot be read, the log says why
  Offload* search_threads = nullptr;     // of what is asked of it (ask_search.h); null: the world's
  TranscriptLog* transcripts = nullptr;  // null: none are kept
  std::function<void()> rebuild_search;
  // Of the projection: in how many rows an address stood (accounts/erasure.h).
  std::function<Task<Result<std::uint64_t>>(std::string address, std::string by, bool dry_run)>
      erase_rows;
  std::function<std::vector<DepthSample>()> queue_history;  // oldest first
  std::function<std::string()> settings_json;               // in force, each with its line
  std::function<std::string()> retention_json;              // {"events":"90d",…}
  std::function<std::map<std::string, std::uint64_t>()>
      storage_octets;                             // by kind; blocks: offloaded
  std::function<std::string()> config_file_json;  // what a reload would say; blocks: offloaded
};

}  // namespace goniec
