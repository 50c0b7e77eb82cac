// A small mail server with a fault on demand, so that the auditor itself is tested: a tool that has
// never found a loss proves nothing. One file a message in --folder, carried to --sink and removed.
//   --fault none       file and directory are synced before the 250, a sync that fails ends it: the
//   auditor must be content
//   --fault deaf       goes on after a sync that failed (acknowledged after a failure)
//   --fault early      says 250 first and writes 30 ms later: a kill loses mail (LOST)
//   --fault truncate   forgets the last line of every tenth message (CORRUPT)
//   --fault late_sync  writes, says 250, and syncs after that: kill -9 loses nothing, power loss
//   does
// --hold 1: nothing is carried on. It refuses nothing and knows no limits: it is a stub.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/torture/wire.h"

namespace audit {
namespace {

struct Stub {
  std::string folder, fault;
  std::uint16_t sink = 0;
  std::atomic<std::uint64_t> next = 1;
};

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

void sync(const Stub& stub, int (*call)(int), int fd) {
  if (call(fd) < 0 && stub.fault != "deaf") ::_exit(74);
}

// A name with a dot is not carried yet.
void store(const Stub& stub, const std::string& name, const std::string& content) {
  const std::string draft = stub.folder + "/." + name, path = stub.folder + "/" + name;
  const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  write_all(fd, content);
  const bool late = stub.fault == "late_sync";
  if (!late) sync(stub, ::fdatasync, fd);
  ::close(fd);
  ::rename(draft.c_str(), path.c_str());
  if (late) return;
  const int directory = ::open(stub.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  sync(stub, ::fsync, directory);
  ::close(directory);
}

void sync_late(const Stub& stub, const std::string& name) {
  pause_ms(30);
  for (const std::string& path : {stub.folder + "/" + name, stub.folder}) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;  // carried on already
    ::fsync(fd);
    ::close(fd);
  }
}

void keep(Stub& stub, Wire& wire, const std::string& envelope, std::string body) {
  const std::uint64_t number = stub.next++;
  const std::string name = std::to_string(number), told = "250 2.0.0 kept as " + name + "\r\n";
  if (stub.fault == "truncate" && number % 10 == 0 && body.size() > 2) {
    body.resize(body.rfind('\n', body.size() - 2) + 1);
  }
  if (stub.fault == "early") {
    wire.write(told);
    pause_ms(30);
  }
  store(stub, name, envelope + "\n" + body);
  if (stub.fault != "early") wire.write(told);
  if (stub.fault == "late_sync") sync_late(stub, name);
}

void serve(Stub& stub, int fd) {
  Wire wire(fd);
  wire.write("220 stub\r\n");
  std::string line, envelope, body;
  while (wire.read_line(line)) {
    if (line.starts_with("DATA")) {
      if (!wire.write("354 go\r\n") || !wire.read_data(body)) return;
      keep(stub, wire, envelope, body);
      continue;
    }
    if (line.starts_with("MAIL")) envelope.clear();
    if (line.starts_with("RCPT")) envelope += line + "\r\n";
    if (!wire.write("250 ok\r\n")) return;
  }
}

// The answer to the message: 250 or not.
bool carry(Wire& wire, const Stub& stub, const std::string& content) {
  int code = 0;
  std::string said;
  if (!wire.open() && (!wire.connect(stub.sink, 20) || !wire.read_reply(code, said))) return false;
  const std::size_t blank = content.find("\r\n\n");
  if (blank == std::string::npos) return true;  // a torn file: nobody can carry it
  std::istringstream envelope(content.substr(0, blank + 2));
  const auto ask = [&](const std::string& text) {
    return wire.write(text) && wire.read_reply(code, said);
  };
  if (!ask("MAIL FROM:<audit@sender.test>\r\n")) return false;
  for (std::string line; std::getline(envelope, line);) {
    if (!ask(line + "\n")) return false;
  }
  std::string stuffed;
  std::istringstream body(content.substr(blank + 3));
  for (std::string line; std::getline(body, line);) {
    stuffed += (line.starts_with('.') ? "." : "") + line + "\n";
  }
  return ask("DATA\r\n") && ask(stuffed + ".\r\n") && code == 250;
}

std::vector<std::string> waiting(const Stub& stub) {
  std::vector<std::string> names;
  for (const auto& each : std::filesystem::directory_iterator(stub.folder)) {
    const std::string name = each.path().filename();
    if (!name.starts_with('.')) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void carry_all(const Stub& stub) {
  Wire wire;
  for (;;) {
    for (const std::string& name : waiting(stub)) {
      std::ifstream in(stub.folder + "/" + name, std::ios::binary);
      std::ostringstream content;
      content << in.rdbuf();
      if (carry(wire, stub, content.str())) {
        ::unlink((stub.folder + "/" + name).c_str());
      } else {
        wire.close();
      }
    }
    pause_ms(20);
  }
}

}  // namespace

int run_stub(const Options& options) {
  Stub stub;
  stub.folder = text(options, "folder");
  stub.fault = text(options, "fault", "none");
  stub.sink = static_cast<std::uint16_t>(number(options, "sink", 0));
  for (const std::string& name : waiting(stub)) {
    stub.next = std::max<std::uint64_t>(stub.next, std::strtoull(name.c_str(), nullptr, 10) + 1);
  }
  auto port = static_cast<std::uint16_t>(number(options, "port", 0));
  const int listener = listen_on(port);
  if (number(options, "hold", 0) == 0) std::thread([&stub] { carry_all(stub); }).detach();
  for (;;) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) std::thread([&stub, fd] { serve(stub, fd); }).detach();
  }
}

}  // namespace audit
