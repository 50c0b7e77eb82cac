// The receiving side of the auditor: it is never killed, and what it took is on its disk before its
// own 250. What it does with a recipient is said by the recipient's domain (letter.h).
//
// Log (T in microseconds; of what came, when the last of it came):
//   got SEQ K T good|bad     a message for that recipient, with the digest of its header or not
//   told SEQ K T             … and the 250 was given for it
//   cut SEQ K T              … and then the connection was closed before the 250
//   dsn SEQ K T              a message from <> that names the recipient
//   stray T                  a message without X-Audit that is no DSN
// The file of --port-file appears, with the number in it, when the sink listens.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <set>
#include <thread>
#include <vector>

#include "tests/torture/letter.h"
#include "tests/torture/wire.h"

namespace audit {
namespace {

struct Sink {
  explicit Sink(const std::string& path) : log(path) {}
  SyncedLog log;
  std::mutex mutex;
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  bool first_time(const Address& who) {
    const std::lock_guard lock(mutex);
    return seen.emplace(who.seq, who.number).second;
  }
};

class Session {
 public:
  Session(Sink& sink, int fd) : sink_(sink), wire_(fd) {}

  void run() {
    if (!wire_.write("220 sink.audit.test ESMTP\r\n")) return;
    std::string line;
    while (wire_.read_line(line)) {
      std::string verb = line.substr(0, 4);
      for (char& each : verb) each = each >= 'a' && each <= 'z' ? char(each - 32) : each;
      if (!step(verb, line)) return;
    }
  }

 private:
  bool step(const std::string& verb, const std::string& line) {
    if (verb == "EHLO") {
      return wire_.write(
          "250-sink.audit.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
          "250 DSN\r\n");
    }
    if (verb == "MAIL") {
      recipients_.clear();
      empty_sender_ = line.find("<>") != std::string::npos;
      any_ = false;
      return wire_.write("250 2.1.0 ok\r\n");
    }
    if (verb == "RCPT") return recipient(line);
    if (verb == "DATA") return data();
    if (verb == "QUIT") {
      wire_.write("221 2.0.0 bye\r\n");
      return false;
    }
    return wire_.write("250 2.0.0 ok\r\n");
  }

  bool recipient(const std::string& line) {
    std::size_t at = 0;
    const auto who = find_address(line, at);
    if (who && who->temper == "refuse") return wire_.write("550 5.1.1 no such user\r\n");
    if (who && who->temper == "later") return wire_.write("450 4.2.1 later\r\n");
    if (who && who->temper == "once" && sink_.first_time(*who)) {
      return wire_.write("450 4.2.1 not the first time\r\n");
    }
    if (who) recipients_.push_back(*who);
    any_ = true;
    return wire_.write("250 2.1.5 ok\r\n");
  }

  bool data() {
    if (!any_) return wire_.write("554 5.5.1 no recipients\r\n");
    for (const Address& who : recipients_) {
      if (who.temper == "shut" && sink_.first_time(who)) {
        wire_.write("421 4.3.2 not now\r\n");
        return false;
      }
    }
    std::string text;
    if (!wire_.write("354 go\r\n") || !wire_.read_data(text)) return false;
    const std::string lines = note(text);
    bool cut = false, slow = false;
    std::string cuts, told;
    for (const Address& who : recipients_) {
      slow = slow || who.temper == "slow";
      if (who.temper == "cut" && sink_.first_time(who)) cut = true;
    }
    for (const Address& who : recipients_) {
      if (cut) cuts += "cut " + place(who, now_us()) + "\n";
    }
    sink_.log.append(lines + cuts);
    if (cut) return false;
    if (slow) pause_ms(300);
    for (const Address& who : recipients_) told += "told " + place(who, now_us()) + "\n";
    if (!empty_sender_) sink_.log.remember(told);
    return wire_.write("250 2.0.0 taken\r\n");
  }

  static std::string place(const Address& who, std::uint64_t at) {
    return std::to_string(who.seq) + " " + std::to_string(who.number) + " " + std::to_string(at);
  }

  // What the log says of a message that came.
  std::string note(const std::string& text) const {
    std::string lines;
    const std::uint64_t came = wire_.arrived_us();
    if (empty_sender_) {
      std::size_t at = 0;
      while (const auto who = find_address(text, at)) lines += "dsn " + place(*who, came) + "\n";
      return lines.empty() ? "stray " + std::to_string(came) + "\n" : lines;
    }
    const auto judged = judge_text(text);
    for (const Address& who : recipients_) {
      const bool good = judged && judged->whole && judged->seq == who.seq;
      lines += "got " + place(who, came) + (good ? " good\n" : " bad\n");
    }
    return lines.empty() ? "stray " + std::to_string(came) + "\n" : lines;
  }

  Sink& sink_;
  Wire wire_;
  std::vector<Address> recipients_;
  bool empty_sender_ = false, any_ = false;
};

}  // namespace

int run_sink(const Options& options) {
  Sink sink(text(options, "log"));
  auto port = static_cast<std::uint16_t>(number(options, "port", 0));
  const int listener = listen_on(port);
  const std::string file = text(options, "port-file"), draft = file + ".new";
  if (FILE* out = std::fopen(draft.c_str(), "w")) {
    std::fprintf(out, "%u\n", static_cast<unsigned>(port));
    std::fclose(out);
    std::rename(draft.c_str(), file.c_str());
  }
  for (;;) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    std::thread([&sink, fd] { Session(sink, fd).run(); }).detach();
  }
}

}  // namespace audit
