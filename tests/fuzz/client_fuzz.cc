// Any server against ClientSession: the first octets choose the client's options and transactions,
// the rest is what the server says, cut into pieces by its own octets.
//
// Laws: the client always ends; one Done a transaction with one result a recipient; Failed once and
// then Close; no password without TLS; nothing that was reported delivered lacks a 2xx reply of the
// dot; no line of the client holds a bare CR, bare LF or NUL.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "proto/smtp/client.h"

namespace {

using namespace goniec;
using namespace goniec::smtp;

constexpr std::string_view content("Subject: x\n\n.dot\r\rbare\0nul\r\nend", 31);

struct Harness {
  explicit Harness(std::uint8_t flags, std::string_view said) : server(said), flags_(flags) {}

  ClientOptions options() const {
    ClientOptions options{.hostname = "fuzz.test", .lmtp = (flags_ & 4) != 0};
    options.tls = static_cast<ClientTls>(flags_ & 3);
    options.client_nonce = (flags_ & 8) != 0 ? "nonce" : "";
    if ((flags_ & 16) != 0)
      options.login = ClientLogin{.user = "u", .password = Secret("hemmelig")};
    options.limits = {.reply_octets = 400, .reply_lines = 10, .line_octets = 80};
    return options;
  }

  ClientTransaction transaction() const {
    ClientTransaction transaction{.sender = {.address = *Address::parse("s@a.test")}};
    for (int i = 0; i < 1 + ((flags_ >> 5) & 1) * 2; ++i) {
      transaction.recipients.push_back({.address = *Address::parse("r@b.test")});
    }
    transaction.size = content.size();
    transaction.eight_bit = (flags_ & 64) != 0;
    return transaction;
  }

  void feed(ClientSession& session) {
    if (server.empty()) return session.receive_end("end");
    const auto octet = static_cast<std::uint8_t>(server[0]);
    const std::size_t piece = octet < 128 ? server.size() : 1 + octet % 16;
    session.receive(server.substr(0, piece));
    server.remove_prefix(std::min(piece, server.size()));
  }

  void check_sent(std::string_view bytes) {
    sent += bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      CHECK(bytes[i] != '\0');
      if (bytes[i] == '\n') CHECK(i > 0 && bytes[i - 1] == '\r');
      if (bytes[i] == '\r') CHECK(i + 1 < bytes.size() && bytes[i + 1] == '\n');
    }
    const bool secret = bytes.find("AHUAaGVtbWVsaWc=") != std::string_view::npos ||
                        bytes.find("aGVtbWVsaWc=") != std::string_view::npos;
    CHECK(!secret || tls);
  }

  void check_results(const std::vector<ClientResult>& results) {
    CHECK(begun == ++dones);
    CHECK(results.size() == transaction().recipients.size());
    for (const auto& result : results) {
      const bool delivered = result.state == RecipientState::delivered;
      CHECK(delivered || result.state == RecipientState::queued ||
            result.state == RecipientState::failed);
      CHECK(!delivered || (result.reply.is_positive() && result.phase == "dot"));
      CHECK(!delivered || sent.find("\r\n.\r\n") != std::string::npos ||
            sent.find(" LAST\r\n") != std::string::npos);
      CHECK(!result.phase.empty() && !result.reply.lines.empty());
    }
  }

  void run() {
    ClientSession session(options());
    tls = (flags_ & 3) == 3;
    if (tls) session.tls_started({.version = "TLSv1.3", .verified = "pkix"});
    for (int steps = 0; steps < 100000; ++steps) {
      auto step = session.next();
      if (auto* send = std::get_if<client::Send>(&step))
        check_sent(send->bytes);
      else if (std::holds_alternative<client::NeedInput>(step))
        feed(session);
      else if (std::holds_alternative<client::StartTls>(step))
        start_tls(session);
      else if (std::holds_alternative<client::Ready>(step))
        begin(session);
      else if (std::holds_alternative<client::NeedBody>(step))
        give_body(session);
      else if (auto* done = std::get_if<client::Done>(&step))
        check_results(done->results);
      else if (std::holds_alternative<client::Failed>(step))
        CHECK(++failures == 1);
      else
        return CHECK(begun == dones);
    }
    CHECK(false && "the client does not end");
  }

  void start_tls(ClientSession& session) {
    if ((flags_ & 128) != 0) return session.tls_failed("no");
    tls = true;
    session.tls_started({.version = "TLSv1.3", .verified = "pkix"});
  }

  void begin(ClientSession& session) {
    if (begun == 3) return session.quit();
    ++begun;
    given = 0;
    session.begin(transaction());
  }

  void give_body(ClientSession& session) {
    const auto length = std::min<std::size_t>(7, content.size() - given);
    session.body(content.substr(given, length), given + length == content.size());
    given += length;
  }

  std::string_view server;
  std::string sent;
  bool tls = false;
  int begun = 0, dones = 0, failures = 0;
  std::size_t given = 0;

 private:
  std::uint8_t flags_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Harness(data[0], {reinterpret_cast<const char*>(data + 1), size - 1}).run();
  return 0;
}
