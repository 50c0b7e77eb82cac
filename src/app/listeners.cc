// Binding, privileges, and who serves what (node_parts.h).
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "app/node_parts.h"
#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

bool is_mail(ListenerKind kind) {
  return kind == ListenerKind::mx || kind == ListenerKind::submission ||
         kind == ListenerKind::submissions || kind == ListenerKind::lmtp;
}

bool is_mailbox(ListenerKind kind) {
  return kind == ListenerKind::pop3 || kind == ListenerKind::pop3s;
}

bool is_web(ListenerKind kind) {
  return kind == ListenerKind::http || kind == ListenerKind::https;
}

bool is_built(ListenerKind kind) {
  return is_mail(kind) || is_mailbox(kind) || is_web(kind) || kind == ListenerKind::admin;
}

// The user to become, when started as root: nothing when there is none to become.
const passwd* user_to_become(const Config& config) {
  if (::geteuid() != 0 || config.user.empty() || config.user == "root") return nullptr;
  return ::getpwnam(config.user.c_str());
}

}  // namespace

bool same_listeners(const Config& a, const Config& b) {
  return std::equal(a.listeners.begin(), a.listeners.end(), b.listeners.begin(), b.listeners.end(),
                    [](const ListenerOption& x, const ListenerOption& y) {
                      return x.kind == y.kind && x.address == y.address;
                    });
}

Result<void> Node::State::own_storage() {
  const passwd* user = user_to_become(settings());
  if (!user) {
    if (::geteuid() == 0 && settings().user_given && settings().user != "root")
      return fail(ErrorKind::config,
                  fmt::format("{}: user = \"{}\" does not exist; create it, or remove the line",
                              settings().file, settings().user));
    return {};
  }
  TRY(disk.make_directory(storage_path));
  auto names = TRY(disk.list(storage_path));
  names.push_back(".");
  for (const std::string& name : names) {
    const std::string path = storage_path + "/" + name;
    if (::lchown(path.c_str(), user->pw_uid, user->pw_gid) != 0)
      return fail_errno("chown " + path, errno);
  }
  // The store is made by the user it will be read by; root comes back for the ports below 1024.
  if (::setegid(user->pw_gid) != 0 || ::seteuid(user->pw_uid) != 0)
    return fail_errno("seteuid " + settings().user, errno);
  return {};
}

Result<void> Node::State::bind_listeners() {
  if (::getuid() == 0 && ::geteuid() != 0) {
    if (::seteuid(0) != 0 || ::setegid(0) != 0) return fail_errno("seteuid root", errno);
  }
  for (const ListenerOption& option : settings().listeners) {
    if (!is_built(option.kind))
      return fail(
          ErrorKind::config,
          fmt::format("{}:{}: listener kind \"{}\" is not available in this version; remove it",
                      settings().file, option.line, name_of(option.kind)));
    const bool needs_tls = option.kind == ListenerKind::submissions ||
                           option.kind == ListenerKind::pop3s || option.kind == ListenerKind::https;
    if (needs_tls && !inbound_now->tls)
      return fail(ErrorKind::config,
                  fmt::format("{}:{}: a {} listener needs [tls] certificate and key",
                              settings().file, option.line, name_of(option.kind)));
    BoundListener listener;
    listener.option = option;
    listener.address = option.address;
    const bool one = option.kind == ListenerKind::admin || is_web(option.kind);
    const std::size_t count = one ? 1 : shards.size();
    for (std::size_t i = 0; i < count; ++i) {
      ListenOptions listen;
      listen.endpoint = listener.address;
      listen.reuse_port = count > 1;
      auto opened = shards[i]->network.listen(listen);
      if (!opened)
        return fail(
            opened.error().kind,
            fmt::format("{}:{}: {} listener {}: {}", settings().file, option.line,
                        name_of(option.kind), listener.address.text(), opened.error().message),
            opened.error().system_errno);
      listener.address =
          (*opened)->local();  // port 0 became a port: the other shards take the same
      listener.per_shard.push_back(std::move(*opened));
    }
    bound.push_back(std::move(listener));
  }
  return {};
}

Result<void> become_user(const std::string& name) {
  const passwd* user = ::getpwnam(name.c_str());
  if (!user) return fail(ErrorKind::config, fmt::format("user \"{}\" does not exist", name));
  if (::initgroups(name.c_str(), user->pw_gid) != 0 || ::setgid(user->pw_gid) != 0 ||
      ::setuid(user->pw_uid) != 0)
    return fail_errno("becoming " + name, errno);
  return {};
}

Result<void> Node::State::drop_privileges() {
  if (!user_to_become(settings())) return {};
  return become_user(settings().user);
}

void Node::State::serve_listeners() {
  for (BoundListener& listener : bound) {
    for (std::size_t i = 0; i < listener.per_shard.size(); ++i) {
      NodeShard& shard = *shards[i];
      ListenerOptions options{.kind = listener.option.kind,
                              .trust = listener.option.trust,
                              .proxy_from = listener.option.proxy_from};
      shard.run([&] {
        if (is_mail(listener.option.kind))
          shard.acceptor->add(std::move(listener.per_shard[i]), std::move(options));
        else if (is_mailbox(listener.option.kind))
          shard.pop3_acceptor->add(
              std::move(listener.per_shard[i]),
              Pop3Listener{.kind = listener.option.kind, .proxy_from = options.proxy_from});
        else if (listener.option.kind == ListenerKind::https)
          shard.web->add(
              std::move(listener.per_shard[i]),
              web_door(listener.option, [this](std::unique_ptr<Stream> plain, Moment deadline) {
                return secure_visitor(std::move(plain), deadline);
              }));
        else
          shard.web->add(std::move(listener.per_shard[i]), web_door(listener.option));
      });
    }
    say(LogLevel::info, "listener.open",
        fmt::format("listening: {} on {}", name_of(listener.option.kind), listener.address.text()));
  }
}

Result<void> Node::State::open_sockets() {
  NodeShard& first = *shards.front();
  auto open = [&](const std::string& path, unsigned mode, ApiDoor door) -> Result<void> {
    return first.run([&]() -> Result<void> {
      auto listener = TRY(first.network.listen_unix(path, mode));
      first.web->add(std::move(listener), {.handler = handler(door)});
      return {};
    });
  };
  TRY(open(storage_path + "/goniec.sock", 0600, ApiDoor::admin_socket));
  if (!settings().local.socket.empty())
    return open(settings().local.socket, 0666, ApiDoor::submit_socket);
  // /run/goniec is there when systemd or the package made it.
  struct stat info{};
  if (::stat("/run/goniec", &info) == 0 && ::access("/run/goniec", W_OK) == 0 &&
      storage_path == "/var/lib/goniec")
    return open("/run/goniec/submit.sock", 0666, ApiDoor::submit_socket);
  return open(storage_path + "/submit.sock", 0666, ApiDoor::submit_socket);
}

std::string Node::State::listeners_json() const {
  JsonWriter json;
  json.array();
  for (const BoundListener& listener : bound)
    json.object()
        .key("kind")
        .text(name_of(listener.option.kind))
        .key("address")
        .text(listener.address.text())
        .end();
  json.end();
  return std::move(json).take();
}

Result<void> Node::State::write_listeners_file() const {
  const std::string path = storage_path + "/listeners.json", fresh = path + ".new";
  SystemDisk door;
  {
    auto file = TRY(door.open(fresh, OpenMode::create));
    TRY(file->truncate(0));
    TRY(file->write_at(0, listeners_json() + "\n"));
  }
  return door.rename(fresh, path);
}

void notify_service_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (!path || !*path) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof address.sun_path) return;
  std::strcpy(address.sun_path, path);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  (void)::sendto(fd, state.data(), state.size(), 0, reinterpret_cast<sockaddr*>(&address), length);
  ::close(fd);
}

}  // namespace goniec
