// The client's side of AUTH (RFC 4954 §4), without I/O: which mechanism, which response. It tries
// SCRAM-SHA-256, PLAIN, LOGIN in this order among what the server offers: an account may have no
// SCRAM keys, and a server may offer what it cannot do.
//
// It promises: base64 lines without CRLF; an initial response only where the line stays within 512
// octets; after SCRAM no success without the server's proof, and no weaker mechanism once that
// proof was wrong (who lies there gets no password). Whether a login is allowed on this connection
// is the session's business.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/sasl.h"
#include "proto/smtp/client.h"

namespace goniec::smtp {

class ClientLoginExchange {
 public:
  ClientLoginExchange() = default;
  ClientLoginExchange(ClientLogin login, std::string client_nonce,
                      const std::vector<std::string>& offered);
  bool can_go_on() const { return !untried_.empty(); }  // another mechanism is left
  std::string next_command();                           // "AUTH PLAIN …"; REQUIRES can_go_on()
  // The line to answer a 334 with: "*" when the exchange makes no sense (broken() then says why).
  std::string respond(std::string_view challenge);
  const std::string& broken() const { return broken_; }  // "": not
  // 235 came: may it be believed?
  bool is_proved() const { return mechanism_ != "SCRAM-SHA-256" || server_proved_; }

 private:
  std::optional<std::string> response(std::string_view challenge);
  std::optional<std::string> scram_response(int step, std::string_view challenge);
  std::nullopt_t give_up(std::string why);

  ClientLogin login_;
  std::string client_nonce_;
  std::vector<std::string> untried_;  // the best last
  std::string mechanism_, broken_;
  int responses_ = 0;
  bool server_proved_ = false;
  std::optional<ScramClient> scram_;
};

}  // namespace goniec::smtp
