// See domains.h.
#include "api/domains.h"

#include <algorithm>

#include "api/body.h"
#include "api/signing.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr Duration fresh = std::chrono::minutes(5);  // an answer of DNS, for a look

// Those by which receivers judge who sent it.
bool is_of_the_sender(const AdvisedRecord& record) {
  return record.topic == "SPF" || record.topic == "DKIM" || record.topic == "DMARC";
}

// As Resend says it.
std::string_view status_text(AdviceState state) {
  switch (state) {
    case AdviceState::ok:
      return "verified";
    case AdviceState::wrong:
      return "failed";
    case AdviceState::missing:
      return "not_started";
    case AdviceState::cannot_tell:
      return "pending";
  }
  return "pending";
}

ApiResult<DomainObject> find_domain(const ApiContext& context, std::string_view name) {
  const auto domain = Domain::parse(name);
  if (domain) {
    for (auto& each : context.directory.domains())
      if (each.domain == *domain) return each;
  }
  return std::unexpected(
      ApiError{404, "not_found", fmt::format("there is no domain {}", printable(name, 100)), {}});
}

void write_records(JsonWriter& w, const DnsAdvice& advice) {
  w.key("records").array();
  for (const auto& record : advice.records) {
    if (!is_of_the_sender(record)) continue;
    w.object().key("record").text(record.topic).key("name").text(record.name);
    w.key("type").text(record.type).key("ttl").text("Auto");
    w.key("status").text(status_text(record.state)).key("value").text(record.value).end();
  }
  w.end();
  const auto json = JsonValue::parse(advice_as_json(advice, AdviceDetail::check));
  const auto checks = json ? json->at("records") : std::nullopt;
  w.key("checks").raw(checks ? checks->dump() : "[]");
}

void write_domain(JsonWriter& w, const DomainObject& domain, const CheckedDomain* checked) {
  w.object().key("object").text("domain").key("id").text(domain.domain.ascii());
  w.key("name").text(domain.domain.ascii());
  w.key("status").text(domain_status_of(checked ? &checked->advice : nullptr));
  w.key("created_at").text(to_rfc3339(domain.created)).key("region").text("here");
  w.key("checked_at");
  if (checked)
    w.text(to_rfc3339(checked->at));
  else
    w.null();
  if (checked) write_records(w, checked->advice);
  w.end();
}

const CheckedDomain* checked_of(const ApiContext& context, const Domain& domain) {
  const auto found = context.checked_domains.find(domain);
  return found == context.checked_domains.end() ? nullptr : &found->second;
}

// Asks DNS; what it says is remembered as long as the server runs.
Task<ApiResult<>> check_domain(ApiContext& context, Domain domain) {
  auto advice = co_await context.dns_advice(domain);
  if (!advice) co_return std::unexpected(api_error(advice.error()));
  context.checked_domains[domain] = {*std::move(advice), context.world.loop.clock().now()};
  co_return ApiResult<>();
}

enum class Ask { now, when_old };

Task<ApiReply> tell_domain(ApiContext& context, std::string name, Ask ask, unsigned status = 200) {
  const auto domain = find_domain(context, name);
  if (!domain) co_return error_reply(domain.error());
  const CheckedDomain* known = checked_of(context, domain->domain);
  const Instant now = context.world.loop.clock().now();
  if (ask == Ask::now || !known || known->at + fresh < now) {
    const auto checked = co_await check_domain(context, domain->domain);
    if (!checked && ask == Ask::now) co_return error_reply(checked.error());
  }
  JsonWriter w;
  write_domain(w, *domain, checked_of(context, domain->domain));
  co_return json_reply(std::move(w), status);
}

}  // namespace

std::string_view domain_status_of(const DnsAdvice* advice) {
  if (!advice) return "not_started";
  bool missing = false, wrong = false;
  for (const auto& record : advice->records) {
    if (!is_of_the_sender(record)) continue;
    wrong |= record.state == AdviceState::wrong;
    missing |= record.state == AdviceState::missing || record.state == AdviceState::cannot_tell;
  }
  return wrong ? "failed" : missing ? "pending" : "verified";
}

Task<ApiReply> list_sending_domains(ApiContext& context, ApiCall) {
  JsonWriter w;
  w.object().key("object").text("list").key("data").array();
  for (const auto& domain : context.directory.domains())
    write_domain(w, domain, checked_of(context, domain.domain));
  w.end().key("has_more").boolean(false).key("next").null().end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> create_sending_domain(ApiContext& context, ApiCall call) {
  const auto json = body_object(call.body, {"name", "region"});
  if (!json) co_return error_reply(json.error());
  const auto name = required_text(*json, "name");
  if (!name) co_return error_reply(name.error());
  auto domain = Domain::parse(*name);
  if (!domain || domain->is_literal())
    co_return error_reply(ApiError{
        .message = domain ? "a domain is a name" : domain.error().message, .field = "name"});
  const auto added = co_await context.directory.add_domain(context.world.loop, {.domain = *domain});
  if (!added) co_return error_reply(api_error(added.error(), "name"));
  ApiCall keys;
  JsonWriter w;
  w.object().key("domain").text(domain->ascii()).end();
  keys.body = std::move(w).take();
  const auto made = co_await create_signing_keys(context, std::move(keys));
  // The domain is there; keys can be made by hand when they are not (a conflict: they are).
  if (made.status >= 500) co_return made;
  co_return co_await tell_domain(context, domain->ascii(), Ask::when_old, 201);
}

Task<ApiReply> show_sending_domain(ApiContext& context, ApiCall call) {
  return tell_domain(context, std::move(call.argument), Ask::when_old);
}

Task<ApiReply> verify_sending_domain(ApiContext& context, ApiCall call) {
  return tell_domain(context, std::move(call.argument), Ask::now);
}

Task<ApiReply> delete_sending_domain(ApiContext& context, ApiCall call) {
  const auto domain = find_domain(context, call.argument);
  if (!domain) co_return error_reply(domain.error());
  const auto removed = co_await context.directory.remove_domain(context.world.loop, domain->domain);
  if (!removed) co_return error_reply(api_error(removed.error()));
  context.checked_domains.erase(domain->domain);
  JsonWriter w;
  w.object().key("object").text("domain").key("id").text(domain->domain.ascii());
  w.key("deleted").boolean(true).end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> show_domain_dns(ApiContext& context, ApiCall call) {
  const auto domain = find_domain(context, call.argument);
  if (!domain) co_return error_reply(domain.error());
  const std::string format(call.parameter("format"));
  if (!format.empty() && format != "json" && format != "zone" && format != "table")
    co_return error_reply(ApiError{.message = "json, zone or table is wanted", .field = "format"});
  const auto check = call.parameter("check");
  const auto detail = check == "true" || check == "1" ? AdviceDetail::check : AdviceDetail::records;
  const auto checked = co_await check_domain(context, domain->domain);
  if (!checked) co_return error_reply(checked.error());
  const DnsAdvice& advice = checked_of(context, domain->domain)->advice;
  if (format == "zone")
    co_return ApiReply{200, "text/plain; charset=utf-8", advice_as_zone(advice)};
  if (format == "table")
    co_return ApiReply{200, "text/plain; charset=utf-8", advice_as_table(advice, detail)};
  co_return ApiReply{200, "application/json", advice_as_json(advice, detail) + "\n"};
}

}  // namespace goniec
