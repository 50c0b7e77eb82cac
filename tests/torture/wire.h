// What the programs of the torture test share: a log whose lines are on the disk before append()
// returns (threads that append together share a sync), blocking sockets on loopback with lines and
// the moment at which what was read came from the other side, however late it is read here,
// and the options of a command line. Errors of the log end the program: without it nothing is
// proved.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace audit {

class SyncedLog {
 public:
  explicit SyncedLog(const std::string& path);
  void append(const std::string& lines);    // whole lines, each with its \n
  void remember(const std::string& lines);  // they go with whatever is appended next

 private:
  std::mutex mutex_;
  std::condition_variable synced_;
  std::string waiting_;
  std::uint64_t asked_ = 0, done_ = 0;
  bool syncing_ = false;
  int fd_ = -1;
};

class Wire {
 public:
  Wire() = default;
  explicit Wire(int fd);
  ~Wire() { close(); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  bool connect(std::uint16_t port, int seconds);
  bool open() const { return fd_ >= 0; }
  void close();
  bool write(std::string_view bytes);             // false: the connection is gone, and closed here
  bool read_line(std::string& line);              // without its CRLF; false as above
  bool read_reply(int& code, std::string& text);  // the last line of a reply, or of several
  bool read_data(std::string& text);              // up to the final dot, dots taken off
  std::uint64_t arrived_us() const { return arrived_us_; }  // of what was read last: by the kernel

 private:
  bool fill();
  int fd_ = -1;
  std::uint64_t arrived_us_ = 0;
  std::size_t at_ = 0;
  std::string input_;
};

int listen_on(std::uint16_t& port);  // loopback; 0: any, and port becomes the number
void pause_ms(int milliseconds);

using Options = std::map<std::string, std::string>;
Options read_options(int count, char** words);  // --name value
std::uint64_t number(const Options& options, const std::string& name, std::uint64_t otherwise);
std::string text(const Options& options, const std::string& name,
                 const std::string& otherwise = "");

int run_client(const Options& options);
int run_sink(const Options& options);
int run_judge(const Options& options);
int run_stub(const Options& options);

}  // namespace audit
