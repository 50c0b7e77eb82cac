// A blocking call to the running server over one of its two sockets: HTTP and JSON, for the
// commands. Not running, not permitted and every refusal come as an Error with the fix in its text.
// One call, one connection; the answer is read whole, up to 256 MiB.
#pragma once
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "run/world.h"

namespace goniec {

class ServerClient {
 public:
  explicit ServerClient(std::string socket) : socket_(std::move(socket)) {}
  // The parsed body of a 2xx reply. `target` is encoded already: "/api/v1/queue?to=x".
  Result<JsonValue> call(std::string_view method, std::string_view target,
                         std::string body = {}) const;
  // A page of lines (api/export.h); `next` "": it was the last.
  struct Lines {
    std::string text, next;
  };
  Result<Lines> lines(std::string_view target) const;
  Duration patience = std::chrono::minutes(10);

 private:
  Result<HttpResponse> fetch(std::string_view method, std::string_view target,
                             std::string body) const;
  std::string socket_;
};

}  // namespace goniec
