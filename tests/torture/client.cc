// The sending side of the auditor. Each of N connections takes the next number, makes its message,
// and sends it until there is an answer, as a true client would: after a lost connection or a 4xx
// the same message with the same number comes again.
//
// Log, each line on the disk before the step it speaks of goes on (T is in microseconds, that of an
// ack the moment the server sent it, however late this program reads or writes):
//   try SEQ T                        before the final dot is sent
//   ack SEQ T MICROSECONDS K,K,… TEXT  after the 250, with the recipients that were accepted
//   no SEQ T CODE TEXT               another answer to the message
//   gone SEQ T                       no answer: the fate of that try is not known
//   denied SEQ K CODE                an answer to RCPT
// SIGUSR1: no new numbers until SIGUSR2.
// SIGTERM: no new numbers; what is under way is sent until it is answered, for `patience` seconds.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/torture/letter.h"
#include "tests/torture/wire.h"

namespace audit {
namespace {

std::atomic<bool> stopping = false, held = false;
void on_signal(int number) {
  if (number == SIGUSR1 || number == SIGUSR2) {
    held = number == SIGUSR1;
  } else {
    stopping = true;
  }
}

struct Client {
  Mix mix;
  std::uint16_t port = 0;
  std::uint64_t most = 0, patience_us = 0;
  int pace_ms = 0;
  SyncedLog log;
  std::atomic<std::uint64_t> next = 0, stopped_at = 0;

  explicit Client(const Options& options) : log(text(options, "log")) {
    mix.run = text(options, "run", "1");
    mix.seed = number(options, "seed", 1);
    mix.largest = number(options, "largest", mix.largest);
    mix.most_recipients = static_cast<unsigned>(number(options, "recipients", 50));
    mix.tempers.clear();
    std::istringstream names(text(options, "tempers", "ok"));
    for (std::string name; std::getline(names, name, ',');) mix.tempers.push_back(name);
    port = static_cast<std::uint16_t>(number(options, "port", 0));
    next = number(options, "first", 0);
    most = number(options, "count", 0);
    patience_us = number(options, "patience", 60) * 1000000;
    pace_ms = static_cast<int>(number(options, "pace", 0));
  }
  bool patient() {
    if (!stopping) return true;
    std::uint64_t none = 0;
    stopped_at.compare_exchange_strong(none, now_us());
    return now_us() < stopped_at + patience_us;
  }
};

enum class Fate { acked, refused, again };

class Connection {
 public:
  explicit Connection(Client& client) : client_(client) {}

  void run() {
    while (!stopping) {
      if (held) {
        pause_ms(20);
        continue;
      }
      const std::uint64_t seq = client_.next++;
      if (client_.most > 0 && seq >= client_.most) return;
      const Letter letter = make_letter(client_.mix, seq);
      while (send(letter) == Fate::again && client_.patient()) pause_ms(20);
      if (client_.pace_ms > 0) pause_ms(client_.pace_ms);
    }
  }

 private:
  bool ready() {
    if (wire_.open()) return true;
    int code = 0;
    std::string said;
    if (!wire_.connect(client_.port, 30)) return false;
    if (wire_.read_reply(code, said) && code == 220 && wire_.write("EHLO client.test\r\n") &&
        wire_.read_reply(code, said) && code == 250) {
      return true;
    }
    wire_.close();
    return false;
  }

  bool ask(const std::string& line, int& code, std::string& said) {
    return wire_.write(line + "\r\n") && wire_.read_reply(code, said);
  }

  Fate send(const Letter& letter) {
    int code = 0;
    std::string said, accepted;
    const std::string seq = std::to_string(letter.seq);
    if (!ready() || !ask("MAIL FROM:<audit@sender.test> BODY=8BITMIME", code, said)) {
      return Fate::again;
    }
    if (code != 250) return answered(seq, code, said);
    for (std::size_t k = 0; k < letter.recipients.size(); ++k) {
      if (!ask("RCPT TO:<" + letter.recipients[k] + ">", code, said)) return Fate::again;
      if (code == 250) {
        accepted += (accepted.empty() ? "" : ",") + std::to_string(k);
      } else {
        client_.log.append("denied " + seq + " " + std::to_string(k) + " " + said.substr(0, 3) +
                           "\n");
      }
    }
    if (accepted.empty()) return answered(seq, code, said);
    if (!ask("DATA", code, said)) return Fate::again;
    if (code != 354) return answered(seq, code, said);
    if (!wire_.write(letter.wire)) return Fate::again;
    client_.log.append("try " + seq + " " + std::to_string(now_us()) + "\n");
    const std::uint64_t began = now_us();
    if (!wire_.write(".\r\n") || !wire_.read_reply(code, said)) {
      client_.log.append("gone " + seq + " " + std::to_string(now_us()) + "\n");
      return Fate::again;
    }
    if (code != 250) return answered(seq, code, said);
    const std::uint64_t now = wire_.arrived_us();
    client_.log.append("ack " + seq + " " + std::to_string(now) + " " +
                       std::to_string(now - began) + " " + accepted + " " + said + "\n");
    return Fate::acked;
  }

  Fate answered(const std::string& seq, int code, const std::string& said) {
    client_.log.append("no " + seq + " " + std::to_string(now_us()) + " " + said + "\n");
    wire_.close();  // a fresh transaction on a fresh connection: no state to guess
    return code >= 500 ? Fate::refused : Fate::again;
  }

  Client& client_;
  Wire wire_;
};

}  // namespace

int run_client(const Options& options) {
  for (const int each : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) std::signal(each, on_signal);
  Client client(options);
  std::vector<std::thread> threads;
  const std::uint64_t connections = number(options, "connections", 8);
  for (std::uint64_t i = 0; i < connections; ++i) {
    threads.emplace_back([&client] { Connection(client).run(); });
  }
  for (auto& each : threads) each.join();
  return 0;
}

}  // namespace audit
