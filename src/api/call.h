// A call and its answer, as the handlers see them: HTTP without its wire. net/http_server gives the
// call, api/routes finds the handler. JSON in, JSON out; an error is always
//   {"statusCode": 404, "name": "not_found", "message": "…"}
// whose name is that of an ErrorKind, so that a command line turns it back into its exit code.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "accounts/directory.h"
#include "accounts/signing_keys.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "intake/draft.h"
#include "queue/queue.h"
#include "run/world.h"
#include "store/committer.h"

namespace goniec {

// Where a call came in decides what it may do.
enum class ApiDoor {
  admin_socket,   // goniec.sock, 0600: everything
  submit_socket,  // 0666: submission and the caller's own queue, by peer credentials
  observe,        // the admin listener: /metrics and /health
};

struct ApiCall {
  std::string method;  // "GET"
  std::string path;    // decoded, without query: "/api/v1/queue"
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
  std::string body;
  std::optional<PeerCredentials> peer;
  std::string argument;  // what stood for {…} in the route's pattern
  std::string_view parameter(std::string_view name) const;           // "" = not given
  std::vector<std::string> parameters(std::string_view name) const;  // all of that name
};

struct ApiReply {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
};

ApiReply json_reply(JsonWriter&& writer, unsigned status = 200);
ApiReply error_reply(const Error& error);
unsigned http_status(ErrorKind kind);
// The inverse of error_reply, for the command line: what a reply that is not 2xx says.
Error error_of_reply(unsigned status, std::string_view body);

// "a=b&c=%20d" to pairs; '+' is a blank. Broken escapes stay as they are.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);
std::string decode_percent(std::string_view text, bool plus_is_blank);
std::string encode_percent(std::string_view text);  // all but unreserved (RFC 3986 §2.3)

struct PasswordRecord {
  std::string hash;
  std::optional<ScramKeys> scram;
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
  std::string version;
  int pid = 0;
  unsigned own_uid = 0;  // that the server runs as
  Instant started_at{};
  // What api needs of app, as functions.
  std::function<IntakeOptions()> intake;            // as configured now
  std::function<std::string()> listeners_json;      // as in listeners.json
  std::function<std::string()> certificates_json;   // those in use
  std::function<Task<std::size_t>()> send_reports;  // those that are pending: how many mails
  std::function<Result<void>()> reload;             // error text: all problems, one a line
  std::function<Result<void>()> reload_aliases;     // newaliases
  std::function<Task<void>()> look_for_keys;        // asks DNS for pending signing keys
  std::function<Task<std::string>(Address)> explain_route;  // JSON object
  std::function<Result<PasswordRecord>(std::string password, bool scram)>
      make_password;                                                  // blocks: offloaded
  std::function<std::optional<std::string>(unsigned uid)> user_name;  // of the system
  std::function<bool(unsigned uid)> is_trusted_user;                  // [local] trusted_users
};

}  // namespace goniec
