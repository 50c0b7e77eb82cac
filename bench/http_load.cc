// http_load PORT KEY SESSIONS MESSAGES SIZE: sends messages by POST /api/v1/emails, each session
// one after another over a connection that is kept, and prints JSON:
//   {"messages","seconds","p50_ms","p99_ms"}
// Loopback only; anything but 200 ends it. Blocking sockets, a thread a session: what is measured
// is the server.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "http_load: {}\n", why);
  std::exit(1);
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    give_up("cannot connect");
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// The whole reply; it says how long it is.
std::string read_reply(int fd) {
  std::string reply;
  char buffer[4096];
  for (;;) {
    const auto header = reply.find("\r\n\r\n");
    if (header != std::string::npos) {
      const auto at = reply.find("Content-Length: ");
      if (at == std::string::npos || at > header) give_up("no length: " + reply);
      if (reply.size() >= header + 4 + std::strtoull(reply.c_str() + at + 16, nullptr, 10))
        return reply;
    }
    const auto got = ::read(fd, buffer, sizeof buffer);
    if (got <= 0) give_up("the server closed: " + reply);
    reply.append(buffer, static_cast<std::size_t>(got));
  }
}

void write_all(int fd, const std::string& octets) {
  for (std::size_t done = 0; done < octets.size();) {
    const auto wrote = ::write(fd, octets.data() + done, octets.size() - done);
    if (wrote <= 0) give_up("cannot write");
    done += static_cast<std::size_t>(wrote);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) give_up("PORT KEY SESSIONS MESSAGES SIZE");
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  const int sessions = std::atoi(argv[3]), messages = std::atoi(argv[4]);
  std::string text;
  while (text.size() < static_cast<std::size_t>(std::atoi(argv[5])))
    text += "What is written here is as long as a letter of a shop often is.\\n";
  const std::string body = fmt::format(
      R"({{"from":"a@bench.test","to":"b@far.test","subject":"bench","text":"{}"}})", text);
  const std::string request = fmt::format(
      "POST /api/v1/emails HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n"
      "Content-Length: {}\r\n\r\n{}",
      argv[2], body.size(), body);
  std::atomic<int> left = messages;
  std::vector<std::vector<double>> times(static_cast<std::size_t>(sessions));
  const auto began = Clock::now();
  std::vector<std::thread> threads;
  for (auto& own : times) {
    threads.emplace_back([&own, &left, &request, port] {
      const int fd = connect_to(port);
      while (left.fetch_sub(1) > 0) {
        const auto start = Clock::now();
        write_all(fd, request);
        const auto reply = read_reply(fd);
        if (!reply.starts_with("HTTP/1.1 200 ")) give_up(reply);
        own.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
      }
      ::close(fd);
    });
  }
  for (auto& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  std::vector<double> all;
  for (const auto& own : times) all.insert(all.end(), own.begin(), own.end());
  std::ranges::sort(all);
  const auto at = [&all](double part) {
    return all.at(static_cast<std::size_t>(part * static_cast<double>(all.size() - 1)));
  };
  fmt::print("{{\"messages\":{},\"seconds\":{:.6f},\"p50_ms\":{:.3f},\"p99_ms\":{:.3f}}}\n",
             all.size(), seconds, at(0.5), at(0.99));
}
