// sendmail, mailq, newaliases (sendmail.h): flags, sockets, exit codes.
#include "app/sendmail.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "api/call.h"
#include "app/command.h"
#include "app/queue_ops.h"
#include "app/sendmail_smtp.h"
#include "base/digest.h"
#include "base/text.h"
#include "run/system.h"

namespace goniec {

namespace {

constexpr std::string_view default_submit_socket = "/run/goniec/submit.sock";
constexpr std::string_view second_submit_socket = "/var/lib/goniec/submit.sock";
constexpr std::size_t message_octets =
    512u << 20;  // what is read from stdin at most; the server's limit is lower

Error usage(std::string message) {
  return {ErrorKind::usage, std::move(message)};
}

// One argument list, read flag by flag: "-fa@b", "-f a@b", "-ti".
class FlagReader {
 public:
  FlagReader(SendmailArguments& into, const std::vector<std::string>& arguments)
      : into_(into), arguments_(arguments) {}

  Result<void> read() {
    while (next_ < arguments_.size()) {
      const auto& argument = arguments_[next_++];
      if (argument == "--") break;
      if (argument.size() < 2 || argument[0] != '-') {
        --next_;
        break;
      }
      rest_ = std::string_view(argument).substr(1);
      while (!rest_.empty()) {
        const char flag = rest_[0];
        rest_.remove_prefix(1);
        if (auto done = read_flag(flag, argument); !done) return done;
      }
    }
    for (; next_ < arguments_.size(); ++next_) into_.recipients.push_back(arguments_[next_]);
    return {};
  }

 private:
  Result<std::string> value(char flag) {
    if (!rest_.empty()) return std::string(std::exchange(rest_, {}));
    if (next_ < arguments_.size()) return arguments_[next_++];
    return std::unexpected(usage(fmt::format("-{} needs a value", flag)));
  }
  static Result<std::string> one_of(char flag, std::string text,
                                    std::initializer_list<std::string_view> allowed) {
    if (std::ranges::any_of(allowed,
                            [&](std::string_view each) { return equal_ignoring_case(each, text); }))
      return text;
    return std::unexpected(usage(fmt::format("-{} {}: not known", flag, printable(text, 60))));
  }

  Result<std::string> value_of(char flag, std::initializer_list<std::string_view> allowed) {
    return one_of(flag, TRY(value(flag)), allowed);
  }

  Result<void> read_flag(char flag, const std::string& argument) {
    switch (flag) {
      case 't':
        into_.recipients_from_header = true;
        return {};
      case 'i':
        into_.dot_ends = false;
        return {};
      case 'v':
        into_.verbose = true;
        return {};
      case 'I':
        into_.mode = SendmailMode::new_aliases;
        return {};
      case 'f':
      case 'r':
        into_.sender = without_brackets(TRY(value(flag)));
        return {};
      case 'F':
        into_.full_name = TRY(value(flag));
        return {};
      case 'N':
        into_.notify = TRY(value(flag));
        return check_notify();
      case 'R':
        into_.ret = TRY(value_of(flag, {"full", "hdrs"}));
        return {};
      case 'V':
        into_.envid = TRY(value(flag));
        return {};
      case 'B':
        into_.body = TRY(value_of(flag, {"7bit", "8bitmime"}));
        return {};
      case 'C':
        into_.config_file = TRY(value(flag));
        return {};
      case 'b':
        return read_mode(TRY(value(flag)));
      case 'q':
        into_.mode = SendmailMode::run_queue;
        rest_ = {};
        return {};  // -q, -qI, -qR, -qS, -q30m
      case 'o':
        return read_option(TRY(value(flag)));
      // Accepted without effect, as their callers expect.
      case 'G':
      case 'm':
      case 'n':
      case 'U':
      case 'c':
      case 'x':
        return {};
      case 'A':
      case 'e':
      case 'd':
        rest_ = {};
        return {};
      case 'h':
      case 'L':
      case 'O':
      case 'p':
      case 'X':
        TRY(value(flag));
        return {};
      default:
        break;
    }
    return std::unexpected(usage(fmt::format("unknown flag {} in {}",
                                             fmt::format("-{}", printable(std::string(1, flag))),
                                             printable(argument, 60))));
  }

  Result<void> read_option(const std::string& option) {
    if (option == "i") into_.dot_ends = false;
    return {};  // -oem, -odb, -o8, -oA…: Postfix ignores them too
  }

  Result<void> read_mode(const std::string& mode) {
    if (mode == "m") return {};
    if (mode == "s")
      into_.mode = SendmailMode::smtp;
    else if (mode == "p")
      into_.mode = SendmailMode::list_queue;
    else if (mode == "i")
      into_.mode = SendmailMode::new_aliases;
    else if (mode == "v")
      into_.mode = SendmailMode::verify;
    else if (mode == "d" || mode == "l" || mode == "D")
      into_.mode = SendmailMode::refuse_daemon;
    else
      return std::unexpected(usage(fmt::format("unknown flag -b{}", printable(mode, 40))));
    return {};
  }

  Result<void> check_notify() {
    for (const auto word : split(into_.notify, ',')) {
      TRY(one_of('N', std::string(trim(word)), {"success", "failure", "delay", "never"}));
    }
    return {};
  }

  static std::string without_brackets(std::string text) {
    if (text.size() >= 2 && text.starts_with('<') && text.ends_with('>'))
      return text.substr(1, text.size() - 2);
    return text;
  }

  SendmailArguments& into_;
  const std::vector<std::string>& arguments_;
  std::size_t next_ = 0;
  std::string_view rest_;
};

// ---------------------------------------------------------------- this machine and user
struct LocalUser {
  std::string user, full_name;
};

LocalUser caller_of_process() {
  const auto* entry = ::getpwuid(::getuid());
  if (!entry) return {fmt::format("uid{}", ::getuid()), {}};
  std::string name(entry->pw_gecos ? entry->pw_gecos : "");
  name = name.substr(0, name.find(','));
  if (const auto at = name.find('&'); at != std::string::npos) name.replace(at, 1, entry->pw_name);
  return {entry->pw_name, name};
}

std::string mail_domain() {
  std::ifstream in("/etc/mailname");
  std::string line;
  if (std::getline(in, line) && !trim(line).empty()) return std::string(trim(line));
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] ? name.data() : "localhost";
}

std::vector<std::string> socket_candidates(const SendmailArguments& arguments) {
  if (const char* given = std::getenv("GONIEC_SUBMIT_SOCKET"); given && *given) return {given};
  const auto file =
      arguments.config_file.empty() ? std::string(default_config_file) : arguments.config_file;
  if (const auto loaded = load_config(file)) {
    if (!loaded->config.local.socket.empty()) return {loaded->config.local.socket};
    // The socket beside the store belongs to this config for certain, the one in /run to any.
    return {loaded->config.storage.path + "/submit.sock", std::string(default_submit_socket)};
  }
  return {std::string(default_submit_socket), std::string(second_submit_socket)};
}

std::string submit_socket(const SendmailArguments& arguments) {
  const auto candidates = socket_candidates(arguments);
  std::error_code ignored;
  for (const auto& path : candidates) {
    if (std::filesystem::exists(path, ignored)) return path;
  }
  return candidates.front();
}

int say(const Error& error) {
  // A server that does not run is back soon: 75, not 69, so that cron and PHP see "try again".
  const bool later = error.kind == ErrorKind::not_running;
  std::cerr << "sendmail: "
            << (later ? fmt::format("{}; the message was not taken", error.message) : error.message)
            << "\n";
  return later ? exit_code(ErrorKind::try_later) : exit_code(error.kind);
}

Result<std::string> read_message(bool dot_ends) {
  std::string text;
  for (std::string line; std::getline(std::cin, line);) {
    const bool ended = !std::cin.eof();
    if (dot_ends && (line == "." || line == ".\r")) break;
    text += line;
    if (ended) text += '\n';
    if (text.size() > message_octets) return fail(ErrorKind::bad_data, "the message is too large");
  }
  return text;
}

std::string envelope_line(const SendmailArguments& arguments,
                          const std::vector<std::string>& recipients) {
  JsonWriter w;
  w.object();
  if (arguments.sender) w.key("from").text(*arguments.sender);
  w.key("recipients").array();
  for (const auto& to : recipients) {
    w.object().key("to").text(to);
    if (!arguments.notify.empty()) w.key("notify").text(arguments.notify);
    w.end();
  }
  w.end();
  if (!arguments.ret.empty()) w.key("ret").text(arguments.ret);
  if (!arguments.envid.empty()) w.key("envid").text(arguments.envid);
  if (!arguments.body.empty()) w.key("body").text(arguments.body);
  w.end();
  return std::move(w).take() + "\n";
}

int deliver(const SendmailArguments& arguments) {
  if (!arguments.recipients_from_header && arguments.recipients.empty()) {
    return say(usage("no recipient; give addresses, or -t to take them from the header"));
  }
  const auto text = read_message(arguments.dot_ends);
  if (!text) return say(text.error());
  const auto who = caller_of_process();
  SystemClock clock;
  SystemRandom random;
  MessageFacts facts;
  facts.domain = mail_domain();
  facts.from_address =
      arguments.sender && !arguments.sender->empty() ? *arguments.sender : who.user;
  facts.full_name = arguments.full_name.empty() ? who.full_name : arguments.full_name;
  facts.now = clock.now();
  facts.unique = fmt::format("{:016x}", random.next());
  facts.recipients_from_header = arguments.recipients_from_header;
  auto message = complete_message(*text, facts);
  if (!message) return say(message.error());
  auto recipients = arguments.recipients;
  for (auto& each : message->recipients) {
    if (std::ranges::find(recipients, each) == recipients.end())
      recipients.push_back(std::move(each));
  }
  if (recipients.empty()) return say(usage("no recipient in the header"));
  const ServerClient client(submit_socket(arguments));
  const auto answer =
      client.call("POST", "/api/v1/submit", envelope_line(arguments, recipients) + message->text);
  if (!answer) return say(answer.error());
  if (arguments.verbose) print(answer->text_at("reply") + "\n");
  return exit_done;
}

int list_queue(const SendmailArguments& arguments) {
  const ServerClient client(submit_socket(arguments));
  const auto answer = client.call("GET", "/api/v1/queue?limit=10000");
  if (!answer) {
    std::cerr << "mailq: " << answer.error().message << "\n";
    return exit_code(answer.error().kind);
  }
  const auto list = answer->at("queue");
  print(mailq_text(list ? list->items() : std::vector<JsonValue>()));
  return exit_done;
}

int verify(const SendmailArguments& arguments) {
  const ServerClient client(submit_socket(arguments));
  int code = exit_done;
  for (const auto& address : arguments.recipients) {
    const auto answer = client.call("GET", "/api/v1/verify/" + encode_percent(address));
    if (answer) {
      print(fmt::format("{} ... deliverable: {}\n", address, answer->text_at("kind")));
    } else {
      code = say(answer.error());
    }
  }
  return code;
}

int run_queue(const SendmailArguments& arguments) {
  Common common;
  if (!arguments.config_file.empty()) common.config_file = arguments.config_file;
  const auto client = client_of(common);
  if (!client) return client.error();
  const auto answer = client->call("POST", "/api/v1/queue/retry", "{\"all\":true}");
  return answer ? exit_done : say(answer.error());
}

int run(const SendmailArguments& arguments) {
  switch (arguments.mode) {
    case SendmailMode::deliver:
      return deliver(arguments);
    case SendmailMode::smtp:
      return speak_smtp_on_stdin({submit_socket(arguments), mail_domain()});
    case SendmailMode::list_queue:
      return list_queue(arguments);
    case SendmailMode::verify:
      return verify(arguments);
    case SendmailMode::run_queue:
      return run_queue(arguments);
    case SendmailMode::new_aliases: {
      const auto answer =
          ServerClient(submit_socket(arguments)).call("POST", "/api/v1/newaliases", "{}");
      return answer ? exit_done : say(answer.error());
    }
    case SendmailMode::refuse_daemon:
      std::cerr << "sendmail: goniec is a service of its own; fix: systemctl start goniec\n";
      return exit_code(ErrorKind::not_running);
  }
  CHECK(false);
}

}  // namespace

Result<SendmailArguments> parse_sendmail(std::string_view program,
                                         const std::vector<std::string>& arguments) {
  SendmailArguments parsed;
  if (program == "mailq") parsed.mode = SendmailMode::list_queue;
  if (program == "newaliases") parsed.mode = SendmailMode::new_aliases;
  FlagReader reader(parsed, arguments);
  if (auto done = reader.read(); !done) return std::unexpected(done.error());
  return parsed;
}

std::optional<int> run_as_sendmail(int argc, char** argv) {
  if (argc < 1) return std::nullopt;
  std::vector<std::string> arguments(argv + 1, argv + argc);
  auto program = std::filesystem::path(argv[0]).filename().string();
  const auto is_ours = [](const std::string& name) {
    return name == "sendmail" || name == "mailq" || name == "newaliases";
  };
  if (!is_ours(program)) {
    if (arguments.empty() || !is_ours(arguments[0])) return std::nullopt;
    program = arguments[0];
    arguments.erase(arguments.begin());
  }
  const auto parsed = parse_sendmail(program, arguments);
  if (!parsed) {
    std::cerr << program << ": " << parsed.error().message << "\n";
    return exit_code(parsed.error().kind);
  }
  return run(*parsed);
}

}  // namespace goniec
