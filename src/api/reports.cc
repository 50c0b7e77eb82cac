// Received reports (reports.h).
// All of a kind are read and filtered by the domain in their key; parsing happens on a reader's
// thread, not on the loop.
#include "api/reports.h"

#include <algorithm>

#include "net/ask.h"
#include "trust/iprev.h"
#include "trust/report_store.h"

namespace goniec {
namespace {

constexpr std::size_t named_sources = 100;
constexpr Duration naming_time = std::chrono::seconds(5);

template <class Report, class Read>
Result<std::vector<Report>> read_kept(Reader& reader, std::string_view kind,
                                      const std::string& domain, Read read) {
  std::vector<Report> reports;
  for (const auto& [key, value] : TRY(reader.objects(kind))) {
    if (!domain.empty() && domain_of_key(key) != domain) continue;
    if (auto report = read(value)) reports.push_back(std::move(*report));
  }
  return reports;
}

struct ReadDmarc {
  std::string domain;
  Result<std::vector<DmarcReport>> operator()(Reader& reader) {
    auto reports =
        TRY(read_kept<DmarcReport>(reader, dmarc_report_kind, domain, kept_dmarc_report));
    std::ranges::sort(reports, {}, &DmarcReport::begin);
    return reports;
  }
};
struct ReadSources {
  std::string domain;
  Result<DmarcSources> operator()(Reader& reader) {
    DmarcSources sources;
    for (const auto& [key, value] : TRY(reader.objects(dmarc_report_kind))) {
      if (!domain.empty() && domain_of_key(key) != domain) continue;
      if (const auto report = kept_dmarc_report(value)) add_sources(sources, *report);
    }
    return sources;
  }
};
struct ReadTls {
  std::string domain;
  Result<std::vector<TlsReport>> operator()(Reader& reader) {
    auto reports = TRY(read_kept<TlsReport>(reader, tls_report_kind, domain, kept_tls_report));
    std::ranges::sort(reports, {}, &TlsReport::begin);
    return reports;
  }
};

// "": all. A domain that is none is an error.
Result<std::string> domain_of(const ApiCall& call) {
  const auto text = call.parameter("domain");
  if (text.empty()) return std::string();
  return TRY(Domain::parse(text)).ascii();
}

std::vector<IpAddress> busiest(const DmarcSources& sources) {
  std::vector<std::pair<std::uint64_t, IpAddress>> order;
  for (const auto& [address, source] : sources) order.emplace_back(source.messages, address);
  std::ranges::sort(order, std::greater{});
  if (order.size() > named_sources) order.resize(named_sources);
  std::vector<IpAddress> addresses;
  for (const auto& [messages, address] : order) addresses.push_back(address);
  return addresses;
}

Task<std::map<IpAddress, std::string>> names_of(World& world, std::vector<IpAddress> addresses) {
  std::map<IpAddress, std::string> names;
  Findings findings(named_sources * 12);
  const Moment deadline = world.loop.clock().moment() + naming_time;
  for (bool complete = false; !complete;) {
    complete = true;
    for (const auto& address : addresses) {
      const auto verdict = check_iprev(findings, address);
      complete = complete && verdict;
      if (verdict && verdict->result == IprevResult::pass) names[address] = verdict->name;
    }
    if (!complete) co_await answer_missing(world.loop, world.resolver, findings, deadline);
  }
  co_return names;
}

ApiReply json_text(std::string json) {
  return ApiReply{200, "application/json", std::move(json) + "\n"};
}

}  // namespace

Task<ApiReply> list_dmarc_reports(ApiContext& context, ApiCall call) {
  auto domain = domain_of(call);
  if (!domain) co_return error_reply(domain.error());
  const auto reports =
      co_await context.readers.read(context.world.loop, ReadDmarc{std::move(*domain)});
  if (!reports) co_return error_reply(reports.error());
  co_return json_text(dmarc_reports_json(*reports));
}

Task<ApiReply> list_dmarc_sources(ApiContext& context, ApiCall call) {
  auto domain = domain_of(call);
  if (!domain) co_return error_reply(domain.error());
  const auto sources =
      co_await context.readers.read(context.world.loop, ReadSources{std::move(*domain)});
  if (!sources) co_return error_reply(sources.error());
  const auto names = co_await names_of(context.world, busiest(*sources));
  co_return json_text(dmarc_sources_json(*sources, names));
}

Task<ApiReply> list_tls_reports(ApiContext& context, ApiCall call) {
  auto domain = domain_of(call);
  if (!domain) co_return error_reply(domain.error());
  const auto reports =
      co_await context.readers.read(context.world.loop, ReadTls{std::move(*domain)});
  if (!reports) co_return error_reply(reports.error());
  co_return json_text(tls_reports_json(*reports));
}

Task<ApiReply> send_reports(ApiContext& context, ApiCall) {
  const auto sent = co_await context.send_reports();
  JsonWriter w;
  w.object().key("sent").number(sent).end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
