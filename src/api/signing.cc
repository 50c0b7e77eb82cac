// See signing.h.
#include "api/signing.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

struct KeyOrder {
  Domain domain;
  std::string selector;
  std::vector<KeyAlgorithm> algorithms;
  SigningKeyState state = SigningKeyState::pending;
};

bool is_selector(std::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  return std::ranges::all_of(text,
                             [](char c) {
                               return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
                             }) &&
         text.front() != '-' && text.back() != '-';
}

Result<JsonValue> object_of(const std::string& body,
                            std::initializer_list<std::string_view> known) {
  auto json = TRY(JsonValue::parse(body));
  if (!json.is_object()) return fail(ErrorKind::bad_data, "the body must be a JSON object");
  for (const auto& key : json.keys()) {
    if (std::ranges::find(known, key) == known.end())
      return fail(ErrorKind::bad_data, fmt::format("unknown member \"{}\"", printable(key, 60)));
  }
  return json;
}

Result<std::vector<KeyAlgorithm>> algorithms_of(const std::string& name) {
  if (name == "rsa") return std::vector{KeyAlgorithm::rsa};
  if (name == "ed25519") return std::vector{KeyAlgorithm::ed25519};
  if (name == "both" || name.empty()) return std::vector{KeyAlgorithm::rsa, KeyAlgorithm::ed25519};
  return fail(ErrorKind::bad_data, "\"algorithm\" must be \"rsa\", \"ed25519\" or \"both\"");
}

Result<KeyOrder> order_of(const ApiContext& context, const std::string& body) {
  const auto json = TRY(object_of(body, {"domain", "selector", "algorithm", "now"}));
  KeyOrder order;
  order.domain = TRY(Domain::parse(json.text_at("domain")));
  const std::string host = context.intake().hostname;
  if (!context.directory.is_local_domain(order.domain) && order.domain.ascii() != host &&
      !host.ends_with("." + order.domain.ascii()))
    return fail(ErrorKind::not_found,
                fmt::format("{} is no domain of this server: `goniec domain add {}` first",
                            order.domain.ascii(), order.domain.ascii()));
  order.selector = to_lower(json.text_at("selector"));
  if (!order.selector.empty() && !is_selector(order.selector))
    return fail(ErrorKind::bad_data,
                "a selector is a DNS label: letters, digits and '-', at most 63");
  order.algorithms = TRY(algorithms_of(json.text_at("algorithm")));
  order.state = json.boolean_at("now") ? SigningKeyState::active : SigningKeyState::pending;
  return order;
}

void write_key(JsonWriter& w, const SigningKey& key) {
  w.object().key("domain").text(key.domain.ascii()).key("selector").text(key.selector);
  w.key("algorithm")
      .text(name_of(key.algorithm))
      .key("bits")
      .number(static_cast<std::int64_t>(key.bits));
  w.key("state").text(name_of(key.state)).key("created_at").text(to_rfc3339(key.created));
  w.key("changed_at").text(to_rfc3339(key.changed));
  w.key("record").object().key("name").text(key.record_name()).key("type").text("TXT");
  w.key("value").text(key.record()).end().end();
}

ApiReply reply_of(const std::vector<SigningKey>& keys) {
  JsonWriter w;
  w.array();
  for (const SigningKey& key : keys) write_key(w, key);
  w.end();
  return json_reply(std::move(w));
}

// The year and month, a letter for the algorithm, and a number when that is taken: "202611r2".
std::string free_selector(const SigningKeys& keys, const KeyOrder& order, KeyAlgorithm algorithm,
                          Instant now) {
  const std::string month = to_rfc3339(now);
  const std::string base =
      order.selector.empty() ? month.substr(0, 4) + month.substr(5, 2) : order.selector;
  const bool alone = !order.selector.empty() && order.algorithms.size() == 1;
  const std::string wanted = alone ? base : base + (algorithm == KeyAlgorithm::rsa ? "r" : "e");
  const auto all = keys.all();
  const auto taken = [&](const std::string& selector) {
    return std::ranges::any_of(all, [&](const SigningKey& key) {
      return key.domain == order.domain && key.selector == selector;
    });
  };
  if (!order.selector.empty()) return wanted;  // what was asked for, or a conflict
  std::string selector = wanted;
  for (int number = 2; taken(selector); ++number) selector = wanted + std::to_string(number);
  return selector;
}

Task<ApiReply> make_keys(ApiContext& context, KeyOrder order) {
  World& world = context.world;
  std::vector<std::string> made;
  for (const KeyAlgorithm algorithm : order.algorithms) {
    auto key = co_await world.offload.run(world.loop,
                                          [algorithm] { return PrivateKey::generate(algorithm); });
    if (!key) co_return error_reply(key.error());
    if (!*key) co_return error_reply(key->error());
    SigningKey fresh;
    fresh.domain = order.domain;
    fresh.selector =
        free_selector(context.signing_keys, order, algorithm, world.loop.clock().now());
    fresh.state = order.state;
    fresh.key = std::make_shared<const PrivateKey>(std::move(**key));
    made.push_back(fresh.selector);
    const auto added = co_await context.signing_keys.add(world.loop, std::move(fresh));
    if (!added && added.error().kind == ErrorKind::conflict)
      co_return error_reply(
          {ErrorKind::conflict, fmt::format("the selector {} of {} is taken: give another, or none",
                                            made.back(), order.domain.ascii())});
    if (!added) co_return error_reply(added.error());
  }
  auto keys = context.signing_keys.all();
  std::erase_if(keys, [&](const SigningKey& key) {
    return key.domain != order.domain || std::ranges::find(made, key.selector) == made.end();
  });
  co_return reply_of(keys);
}

}  // namespace

Task<ApiReply> list_signing_keys(ApiContext& context, ApiCall) {
  co_return reply_of(context.signing_keys.all());
}

Task<ApiReply> create_signing_keys(ApiContext& context, ApiCall call) {
  auto order = order_of(context, call.body);
  if (!order) co_return error_reply(order.error());
  co_return co_await make_keys(context, std::move(*order));
}

Task<ApiReply> rotate_signing_keys(ApiContext& context, ApiCall call) {
  auto order = order_of(context, call.body);
  if (!order) co_return error_reply(order.error());
  std::vector<KeyAlgorithm> active;
  for (const SigningKey& key : context.signing_keys.all()) {
    if (key.domain != order->domain) continue;
    if (key.state == SigningKeyState::pending)
      co_return error_reply({ErrorKind::conflict,
                             fmt::format("the key {} waits for its record in DNS already: publish "
                                         "it, or `goniec dkim retire {} --selector {}`",
                                         key.selector, key.domain.ascii(), key.selector)});
    if (key.state == SigningKeyState::active) active.push_back(key.algorithm);
  }
  if (active.empty())
    co_return error_reply(
        {ErrorKind::not_found, fmt::format("{} has no key in use: `goniec dkim create {}`",
                                           order->domain.ascii(), order->domain.ascii())});
  const auto given = JsonValue::parse(call.body);
  if (given && given->text_at("algorithm").empty()) {
    std::ranges::sort(active);
    active.erase(std::ranges::unique(active).begin(), active.end());
    order->algorithms = std::move(active);
  }
  co_return co_await make_keys(context, std::move(*order));
}

Task<ApiReply> retire_signing_keys(ApiContext& context, ApiCall call) {
  const auto json = object_of(call.body, {"domain", "selector"});
  if (!json) co_return error_reply(json.error());
  const auto domain = Domain::parse(json->text_at("domain"));
  if (!domain) co_return error_reply(domain.error());
  const std::string selector = to_lower(json->text_at("selector"));
  std::vector<std::string> wanted;
  if (!selector.empty()) wanted.push_back(selector);
  for (const SigningKey& key : context.signing_keys.all()) {
    if (selector.empty() && key.domain == *domain && key.state == SigningKeyState::retiring)
      wanted.push_back(key.selector);
  }
  if (wanted.empty())
    co_return error_reply(
        {ErrorKind::not_found,
         fmt::format("{} has no key that is retiring; name one with --selector", domain->ascii())});
  for (const std::string& each : wanted) {
    const auto changed = co_await context.signing_keys.set_state(context.world.loop, *domain, each,
                                                                 SigningKeyState::retired);
    if (!changed) co_return error_reply(changed.error());
  }
  auto keys = context.signing_keys.all();
  std::erase_if(keys, [&](const SigningKey& key) {
    return key.domain != *domain || std::ranges::find(wanted, key.selector) == wanted.end();
  });
  co_return reply_of(keys);
}

Task<ApiReply> check_signing_keys(ApiContext& context, ApiCall) {
  co_await context.look_for_keys();
  co_return reply_of(context.signing_keys.all());
}

Task<ApiReply> rotate_srs_secret(ApiContext& context, ApiCall call) {
  const auto json = object_of(call.body, {"drop"});
  if (!json) co_return error_reply(json.error());
  const auto older =
      json->boolean_at("drop") ? Forwarding::OlderSecrets::dropped : Forwarding::OlderSecrets::kept;
  const auto secrets = co_await context.forwarding.rotate_secret(context.world.loop, older);
  if (!secrets) co_return error_reply(secrets.error());
  JsonWriter w;
  w.object().key("secrets").number(static_cast<std::int64_t>(*secrets)).end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
