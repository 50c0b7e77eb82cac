// libunbound 1.17: configured before anything is asked (later settings are refused), asynchronous
// on a thread of its own, results fetched by ub_process when its pipe is readable.
#include "net/dns_context.h"

#include <sys/mman.h>
#include <unbound.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <mutex>
#include <unordered_set>

#include "base/text.h"
#include "net/dns_decode.h"

namespace goniec {
namespace {

// DS records of the root's keys, KSK-2017 and KSK-2024, as IANA publishes them.
constexpr const char* root_anchors[] = {
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

struct Setting {
  const char* name;
  const char* value;
};
constexpr Setting settings[] = {
    {"do-not-query-localhost:", "no"},  // a server on loopback is asked
    {"unblock-lan-zones:", "yes"},      // PTR of private addresses: the server may know them
    {"insecure-lan-zones:", "yes"},    {"msg-cache-size:", "8m"},
    {"rrset-cache-size:", "16m"},      {"so-rcvbuf:", "1m"},
    {"val-log-level:", "2"},  // why an answer is bogus
};
// Names that libunbound answers by itself (RFC 6761), and a configured server is to be asked for.
constexpr const char* open_zones[] = {"test.",  "example.",   "invalid.",
                                      "onion.", "home.arpa.", "local."};

std::unexpected<Error> fail_unbound(const std::string& what, int code) {
  return fail(ErrorKind::config, what + ": " + ub_strerror(code));
}

// "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53" as libunbound's "address@port".
Result<std::string> server_of(std::string_view text) {
  std::string_view host = text, port = "53";
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    const auto after = end == std::string_view::npos ? "?" : text.substr(end + 1);
    host = text.substr(1, end == std::string_view::npos ? end : end - 1);
    if (!after.empty()) port = after.starts_with(':') ? after.substr(1) : "";
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    host = text.substr(0, text.find(':'));
    port = text.substr(text.find(':') + 1);
  }
  const auto address = IpAddress::parse(host);
  const auto number = parse_unsigned(port);
  if (!address || !number || *number == 0 || *number > 65535) {
    return fail(ErrorKind::config, fmt::format("'{}' is not a DNS server: write ADDRESS or "
                                               "ADDRESS:PORT, with [] around IPv6",
                                               printable(text)));
  }
  return fmt::format("{}@{}", address->text(), *number);
}

Result<void> set(ub_ctx* context, const char* name, const std::string& value) {
  if (const int code = ub_ctx_set_option(context, name, value.c_str())) {
    return fail_unbound(std::string("DNS setting ") + name + " " + value, code);
  }
  return {};
}

// Only the configuration file can say nodefault (the option call ignores it): a file in memory.
Result<void> open_local_zones(ub_ctx* context) {
  std::string text = "server:\n";
  for (const char* zone : open_zones) text += fmt::format("local-zone: \"{}\" nodefault\n", zone);
  const int fd = memfd_create("unbound.conf", MFD_CLOEXEC);
  if (fd < 0) return fail_errno("DNS configuration", errno);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int code = ub_ctx_config(context, fmt::format("/proc/self/fd/{}", fd).c_str());
  ::close(fd);
  if (!written || code) return fail_unbound("DNS configuration", code);
  return {};
}

Result<void> add_anchors(ub_ctx* context, const ResolverOptions& options) {
  if (!options.trust_anchor_file.empty()) {
    const int code = ub_ctx_add_ta_file(context, options.trust_anchor_file.c_str());
    if (code) return fail_unbound("trust anchor file " + options.trust_anchor_file, code);
    return {};
  }
  for (const char* anchor : root_anchors) {
    if (const int code = ub_ctx_add_ta(context, anchor)) return fail_unbound("root anchor", code);
  }
  return {};
}

Result<void> configure(ub_ctx* context, const ResolverOptions& options,
                       DnsContext::Validation validation) {
  for (const Setting& setting : settings) TRY(set(context, setting.name, setting.value));
  const bool validates = validation == DnsContext::Validation::on;
  TRY(set(context, "module-config:", validates ? "validator iterator" : "iterator"));
  if (options.servers.empty()) {
    // Without a resolv.conf libunbound asks the root servers itself.
    const int code = ub_ctx_resolvconf(context, nullptr);
    if (code && code != UB_READFILE) return fail_unbound("/etc/resolv.conf", code);
  } else {
    TRY(open_local_zones(context));
    for (const std::string& server : options.servers) {
      const std::string address = TRY(server_of(server));
      if (const int code = ub_ctx_set_fwd(context, address.c_str())) {
        return fail_unbound("DNS server " + server, code);
      }
    }
  }
  if (validates) TRY(add_anchors(context, options));
  if (const int code = ub_ctx_async(context, 1)) return fail_unbound("DNS thread", code);
  return {};
}

DnsAnswer temporary(std::string why) {
  DnsAnswer answer;
  answer.why = std::move(why);
  return answer;
}

std::string plain_name(const char* name) {
  std::string_view text = name ? name : "";
  if (text.ends_with('.')) text.remove_suffix(1);
  return to_lower(text);
}

std::string rcode_text(int code) {
  switch (code) {
    case 1:
      return "FORMERR";
    case 2:
      return "SERVFAIL";
    case 4:
      return "NOTIMP";
    case 5:
      return "REFUSED";
    default:
      return fmt::format("DNS error {}", code);
  }
}

DnsAnswer to_answer(DnsType type, int error, const ub_result* result) {
  if (error || !result) return temporary(std::string("DNS: ") + ub_strerror(error));
  DnsAnswer answer;
  if (result->bogus) {
    answer.status = DnsStatus::bogus;
    answer.why =
        std::string("DNSSEC: ") + (result->why_bogus ? printable(result->why_bogus) : "bogus");
    return answer;
  }
  if (result->rcode != 0 && result->rcode != 3) return temporary(rcode_text(result->rcode));
  answer.authenticated = result->secure != 0;
  answer.ttl_seconds = result->ttl > 0 ? static_cast<std::uint32_t>(result->ttl) : 0;
  const std::string canonical = plain_name(result->canonname);
  if (!canonical.empty() && canonical != plain_name(result->qname))
    answer.canonical_name = canonical;
  if (result->nxdomain) {
    answer.status = DnsStatus::no_such_domain;
    answer.why = "no such domain (NXDOMAIN)";
    return answer;
  }
  for (int i = 0; result->havedata && result->data[i]; ++i) {
    auto record = decode_rdata(type, {result->data[i], static_cast<std::size_t>(result->len[i])});
    if (!record) return temporary("the DNS answer is broken");
    answer.records.push_back(std::move(*record));
  }
  answer.status = answer.records.empty() ? DnsStatus::no_data : DnsStatus::found;
  if (answer.records.empty()) answer.why = "the name has no such record";
  return answer;
}

// libunbound makes and destroys locks of the whole process in both, and shards may come at once.
std::mutex& library() {
  static std::mutex mutex;
  return mutex;
}
ub_ctx* create_context() {
  std::lock_guard lock(library());
  return ub_ctx_create();
}
void delete_context(ub_ctx* context) {
  std::lock_guard lock(library());
  ub_ctx_delete(context);
}

}  // namespace

struct DnsContext::Question {
  DnsType type;
  Answered answered;
  int id = 0;
  // Set while waiting; a question that could not be asked is answered by a post.
  std::shared_ptr<bool> cancelled = std::make_shared<bool>(false);
  bool asked = false;
};

struct DnsContext::Pipe final : Descriptor {
  Pipe(Shard& shard, DnsContext& owner)
      : Descriptor(shard, ub_fd(owner.context_)), context(owner) {}
  void became_readable() override {
    exhausted(Ready::to_read);
    const auto kept = context.shared_from_this();    // an answer may let go of the context
    if (kept->context_) ub_process(kept->context_);  // all that has come
  }
  DnsContext& context;
};

DnsContext::DnsContext(Shard& shard, ub_ctx* context) : shard_(shard), context_(context) {}

DnsContext::~DnsContext() {
  close();
}

void DnsContext::close() {
  if (!context_) return;
  if (pipe_) pipe_->forget();  // the descriptor is libunbound's
  delete_context(std::exchange(context_, nullptr));
}

Result<std::shared_ptr<DnsContext>> DnsContext::open(Shard& shard, const ResolverOptions& options,
                                                     Validation validation) {
  ub_ctx* context = create_context();
  if (!context) return fail(ErrorKind::try_later, "no memory for a DNS context");
  auto configured = configure(context, options, validation);
  if (!configured) {
    delete_context(context);
    return std::unexpected(std::move(configured).error());
  }
  std::shared_ptr<DnsContext> result(new DnsContext(shard, context));
  result->pipe_ = std::make_unique<Pipe>(shard, *result);
  return result;
}

DnsContext::Question* DnsContext::ask(const std::string& name, DnsType type, Answered answered) {
  auto question = std::make_unique<Question>(Question{type, std::move(answered)});
  const int code = ub_resolve_async(context_, name.c_str(), static_cast<int>(type), 1,
                                    question.get(), &DnsContext::arrived, &question->id);
  if (code == 0) {
    question->asked = true;
  } else {
    shard_.post([code, cancelled = question->cancelled, raw = question.get()] {
      if (!*cancelled) arrived(raw, code, nullptr);
    });
  }
  return question.release();
}

void DnsContext::cancel(Question* question) {
  *question->cancelled = true;
  if (question->asked) (void)ub_cancel(context_, question->id);
  delete question;
}

void DnsContext::arrived(void* raw, int error, ub_result* result) {
  const std::unique_ptr<Question> question(static_cast<Question*>(raw));
  DnsAnswer answer = to_answer(question->type, error, result);
  if (result) ub_resolve_free(result);
  question->answered(std::move(answer));
}

std::vector<std::string> anchor_names(const std::string& trust_anchor_file) {
  std::vector<std::string> names;
  std::unordered_set<std::string> known;
  std::ifstream file(trust_anchor_file);
  std::string line;
  while (names.size() < 8 && std::getline(file, line)) {
    const std::string_view text = trim(line);
    if (text.empty() || text.front() == ';') continue;
    const std::string name = to_lower(text.substr(0, text.find_first_of(" \t")));
    if (known.insert(name).second) names.push_back(name);
  }
  if (names.empty()) names.emplace_back(".");
  return names;
}

}  // namespace goniec
