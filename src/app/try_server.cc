// See try_server.h.
// The server is a child of its own, `goniec serve` with a file that is written here; this process
// makes what it needs over its socket, says it, and waits.
#include "app/try_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "api/call.h"
#include "base/text.h"
#include "trust/self_signed.h"

namespace goniec {
namespace {

constexpr const char *host = "try.goniec.test", *domain = "example.test",
                     *account = "you@example.test";
constexpr auto start_patience = std::chrono::seconds(20);

struct Ports {
  std::uint16_t smtp = 1025, submission = 1587, submissions = 1465, pop3s = 1995, web = 8080;
};

// The port when it is free on the loopback, else one that is.
std::uint16_t free_port(std::uint16_t wanted) {
  for (const std::uint16_t port : {wanted, std::uint16_t{0}}) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return wanted;
    const int on = 1;
    (void)::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    socklen_t octets = sizeof address;
    auto* const place = reinterpret_cast<sockaddr*>(&address);
    const bool bound = ::bind(fd, place, sizeof address) == 0 && ::listen(fd, 1) == 0 &&
                       ::getsockname(fd, place, &octets) == 0;
    ::close(fd);
    if (bound) return ntohs(address.sin_port);
  }
  return wanted;
}

Result<void> write_file(const std::string& path, std::string_view text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno(path, errno);
  const bool whole = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  if (!whole) return fail(ErrorKind::io, path + " could not be written");
  return {};
}

std::string config_text(const std::string& folder, const Ports& ports) {
  std::string text = fmt::format(
      "# Made by `goniec try`. Nothing of this server leaves the machine.\n"
      "hostname = \"{0}\"\n{1}\n[storage]\npath = \"{2}/store\"\n\n[tls]\n"
      "certificate = \"{2}/cert.pem\"\nkey = \"{2}/key.pem\"\n\n"
      "[web]\nurl = \"http://127.0.0.1:{3}\"\n\n[sandbox]\neverything = true\n\n"
      "[retry]\nschedule = [\"3s\", \"10s\", \"30s\", \"1m\"]\nexpire = \"1h\"\n\n"
      "[trust]\ncheck = false\n\n[limits]\nmessages_per_account_hour = 0\n\n"
      "[local]\naliases = []\nsocket = \"{2}/submit.sock\"\n\n"
      "[log]\nto = \"{2}/log\"\nstyle = \"postfix\"\n\n"
      "[retention]\nbodies = \"1d\"\n",
      host, ::geteuid() == 0 ? "user = \"root\"\n" : "", folder, ports.web);
  const auto add = [&](std::string_view kind, std::uint16_t port, std::string_view more = "") {
    text += fmt::format("\n[[listener]]\nkind = \"{}\"\naddress = \"127.0.0.1:{}\"\n{}", kind, port,
                        more);
  };
  add("mx", ports.smtp, "trust = [\"127.0.0.0/8\"]\n");
  add("submission", ports.submission);
  add("submissions", ports.submissions);
  add("pop3s", ports.pop3s);
  add("http", ports.web, "trust = [\"127.0.0.0/8\"]\n");
  return text;
}

Result<std::string> make_folder(const TryOptions& options) {
  std::string folder = options.folder;
  if (folder.empty()) {
    const char* base = std::getenv("TMPDIR");
    folder = fmt::format("{}/goniec-try.XXXXXX", base && *base ? base : "/tmp");
    if (!::mkdtemp(folder.data())) return fail_errno("a scratch folder", errno);
    return folder;
  }
  std::error_code error;
  folder = absolute_path(folder);
  std::filesystem::create_directories(folder + "/store", error);
  if (error) return fail(ErrorKind::io, fmt::format("{}: {}", folder, error.message()));
  return folder;
}

Result<pid_t> start_server(const std::string& config) {
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return fail_errno("fork", errno);
  if (child > 0) return child;
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // it does not outlive this process
  if (::getppid() != parent) ::_exit(1);
  ::execl("/proc/self/exe", "goniec", "serve", "--config", config.c_str(), nullptr);
  ::_exit(127);
}

// Until it answers; false: it has ended, or never answers.
bool wait_for_server(const ServerClient& client, pid_t child) {
  const auto until = std::chrono::steady_clock::now() + start_patience;
  while (std::chrono::steady_clock::now() < until) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) return false;
    if (client.call("GET", "/api/v1/status")) return true;
    ::usleep(50'000);
  }
  return false;
}

struct Made {
  std::string password, key;
};

Result<Made> make_objects(const ServerClient& client) {
  Made made;
  made.password = make_password();
  JsonWriter d;
  d.object().key("domain").text(domain).end();
  if (auto added = client.call("POST", "/api/v1/domains", std::move(d).take());
      !added && added.error().kind != ErrorKind::conflict)
    return std::unexpected(added.error());
  JsonWriter u;
  u.object().key("address").text(account).key("password").text(made.password).end();
  if (auto added = client.call("POST", "/api/v1/users", std::move(u).take()); !added) {
    JsonWriter again;
    again.object().key("password").text(made.password).end();
    TRY(client.call("PATCH", fmt::format("/api/v1/users/{}", encode_percent(account)),
                    std::move(again).take()));
  }
  JsonWriter k;
  k.object().key("name").text("goniec try").key("scopes").array();
  k.text("send").text("read").text("manage").end().end();
  const auto key = client.call("POST", "/api/v1/api-keys", std::move(k).take());
  if (!key && key.error().kind != ErrorKind::not_found) return std::unexpected(key.error());
  if (key) made.key = key->text_at("token");
  return made;
}

std::string banner(const std::string& folder, const Ports& ports, const Made& made) {
  return fmt::format(
      "goniec is running in {0}; nothing leaves this machine. Ctrl-C ends it.\n\n"
      "  dashboard   http://127.0.0.1:{1}/        {2}  {3}\n"
      "  API         http://127.0.0.1:{1}/api/v1   key {4}\n"
      "  SMTP        127.0.0.1:{5} without login   127.0.0.1:{6} with STARTTLS and login, the key "
      "is "
      "a password too\n"
      "  mailbox     pop3s 127.0.0.1:{7}           {2}\n\n"
      "Type next, in another terminal:\n\n"
      "  curl -s http://127.0.0.1:{1}/api/v1/emails -H 'Authorization: Bearer {4}' \\\n"
      "    -H 'Content-Type: application/json' -d '{{\"from\":\"{2}\",\"to\":\"hard@sandbox.goniec."
      "test\",\"subject\":\"first\",\"text\":\"hello\"}}'\n\n"
      "and look at it:  goniec event tail --after 0 --once --config {0}/goniec.toml\n"
      "Other recipients of @sandbox.goniec.test: soft greylist mailboxfull blocked ratelimit spam "
      "slow latebounce complaint ooo suppressed\n",
      folder, ports.web, account, made.password, made.key, ports.smtp, ports.submission,
      ports.pop3s);
}

std::string json_banner(const std::string& folder, const Ports& ports, const Made& made) {
  JsonWriter w;
  w.object().key("folder").text(folder).key("config").text(folder + "/goniec.toml");
  w.key("dashboard").text(fmt::format("http://127.0.0.1:{}/", ports.web));
  w.key("api").text(fmt::format("http://127.0.0.1:{}/api/v1", ports.web));
  w.key("key").text(made.key).key("account").text(account).key("password").text(made.password);
  w.key("ports").object().key("smtp").number(ports.smtp).key("submission").number(ports.submission);
  w.key("submissions").number(ports.submissions).key("pop3s").number(ports.pop3s);
  w.key("http").number(ports.web).end().end();
  return std::move(w).take() + "\n";
}

// Until a signal, or the child's own end; its exit code.
int wait_for_end(pid_t child, const sigset_t& signals) {
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) != child) {
    int number = 0;
    if (::sigwait(&signals, &number) != 0 || number == SIGCHLD) continue;
    ::kill(child, SIGTERM);
    ::waitpid(child, &status, 0);
    return exit_done;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

void end_server(pid_t child) {
  int status = 0;
  if (::kill(child, SIGTERM) == 0) ::waitpid(child, &status, 0);
}

Result<void> write_files(const std::string& folder, const Ports& ports) {
  const auto certificate = TRY(make_self_signed({host, "localhost", "127.0.0.1"}, 365));
  TRY(write_file(folder + "/cert.pem", certificate.certificate));
  TRY(write_file(folder + "/key.pem", certificate.key));
  return write_file(folder + "/goniec.toml", config_text(folder, ports));
}

int serve_in(const Common& common, const std::string& folder, const sigset_t& signals) {
  Ports ports;
  for (std::uint16_t* port :
       {&ports.smtp, &ports.submission, &ports.submissions, &ports.pop3s, &ports.web})
    *port = free_port(*port);
  if (auto written = write_files(folder, ports); !written) return print_error(written.error());
  const auto child = start_server(folder + "/goniec.toml");
  if (!child) return print_error(child.error());
  ServerClient client(folder + "/store/goniec.sock");
  client.patience = std::chrono::seconds(10);
  if (!wait_for_server(client, *child)) {
    end_server(*child);
    return print_error({ErrorKind::not_running,
                        fmt::format("the server did not start; its log is {}/log", folder)});
  }
  const auto made = make_objects(client);
  if (!made) {
    end_server(*child);
    return print_error(made.error());
  }
  print(common.json ? json_banner(folder, ports, *made) : banner(folder, ports, *made));
  std::fflush(stdout);
  return wait_for_end(*child, signals);
}

}  // namespace

int run_try(const Common& common, const TryOptions& options) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&signals, number);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  const auto folder = make_folder(options);
  if (!folder) return print_error(folder.error());
  const int code = serve_in(common, *folder, signals);
  if (options.keep || !options.folder.empty()) {
    if (!common.json) print(fmt::format("\n{} stays.\n", *folder));
    return code;
  }
  std::error_code ignored;
  std::filesystem::remove_all(*folder, ignored);
  return code;
}

}  // namespace goniec
