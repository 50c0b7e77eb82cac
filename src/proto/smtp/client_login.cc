// See client_login.h.
#include "proto/smtp/client_login.h"

#include <algorithm>
#include <utility>

#include "base/digest.h"

namespace goniec::smtp {

namespace {

constexpr std::size_t command_line_octets = 512;  // RFC 5321 §4.5.3.1.4

}  // namespace

ClientLoginExchange::ClientLoginExchange(ClientLogin login, std::string client_nonce,
                                         const std::vector<std::string>& offered)
    : login_(std::move(login)), client_nonce_(std::move(client_nonce)) {
  for (const std::string_view name : {"LOGIN", "PLAIN", "SCRAM-SHA-256"}) {
    if (name == "SCRAM-SHA-256" && client_nonce_.empty()) continue;
    if (std::ranges::count(offered, name) > 0) untried_.emplace_back(name);
  }
}

std::string ClientLoginExchange::next_command() {
  CHECK(can_go_on());
  mechanism_ = std::move(untried_.back());
  untried_.pop_back();
  responses_ = 0;
  scram_.reset();
  std::string command = "AUTH " + mechanism_;
  if (mechanism_ == "LOGIN") return command;
  const auto initial = response({});
  if (initial && command.size() + 1 + initial->size() + 2 <= command_line_octets) {
    return command + " " + *initial;
  }
  responses_ = 0;  // RFC 4954 §4: without initial response where the line would be too long
  return command;
}

std::string ClientLoginExchange::respond(std::string_view challenge) {
  return response(challenge).value_or("*");  // RFC 4954 §4: "*" cancels
}

std::nullopt_t ClientLoginExchange::give_up(std::string why) {
  broken_ = std::move(why);
  return std::nullopt;
}

std::optional<std::string> ClientLoginExchange::response(std::string_view challenge) {
  const int step = responses_++;
  if (mechanism_ == "SCRAM-SHA-256") return scram_response(step, challenge);
  if (mechanism_ == "PLAIN") {
    if (step > 0) return give_up("the server asks for more after PLAIN");
    return to_base64(
        make_plain({.authorisation = {}, .user = login_.user, .password = login_.password}));
  }
  if (step > 1) return give_up("the server asks for more after LOGIN");
  return to_base64(step == 0 ? std::string_view(login_.user) : login_.password.reveal());
}

std::optional<std::string> ClientLoginExchange::scram_response(int step,
                                                               std::string_view challenge) {
  if (step == 0) {
    scram_.emplace(login_.user, login_.password, client_nonce_);
    return to_base64(scram_->client_first());
  }
  const auto message = from_base64(challenge);
  if (!message || step > 2) return give_up("the server's part of SCRAM-SHA-256 makes no sense");
  if (step == 2) {
    const auto proof = scram_->check_server_final(*message);
    if (!proof) return give_up(proof.error().message);
    server_proved_ = true;
    return std::string();
  }
  auto final_message = scram_->client_final(*message);
  if (!final_message) return give_up(final_message.error().message);
  return to_base64(*final_message);
}

}  // namespace goniec::smtp
