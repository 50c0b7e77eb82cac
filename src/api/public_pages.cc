// See public_pages.h.
#include "api/public_pages.h"

#include <algorithm>
#include <utility>

#include "api/call.h"
#include "api/machine_loads.h"
#include "api/unsubscribe_page.h"
#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

// A GIF of one transparent point.
constexpr std::string_view point_gif(
    "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xFF\xFF\xFF\x21\xF9\x04\x01\x00\x00\x00\x00"
    "\x2C\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3B",
    43);

std::string_view header_of(const HttpCall& call, std::string_view name) {
  for (const auto& [key, value] : call.headers)
    if (key == name) return value;
  return {};
}

HttpReply plain(unsigned status, std::string body) {
  HttpReply reply;
  reply.status = status;
  reply.content_type = "text/plain; charset=utf-8";
  reply.headers = {{"Cache-Control", "no-store"},
                   {"X-Content-Type-Options", "nosniff"},
                   {"X-Robots-Tag", "noindex"}};
  reply.body = std::move(body);
  return reply;
}

HttpReply page(unsigned status, std::string html) {
  HttpReply reply = plain(status, std::move(html));
  reply.content_type = "text/html; charset=utf-8";
  reply.headers.emplace_back("Content-Security-Policy", std::string(unsubscribe_page_policy()));
  reply.headers.emplace_back("Referrer-Policy", "no-referrer");
  return reply;
}

// The kind and the word of a path that is_public_page().
std::optional<LinkToken> token_of(const LinkTokens& tokens, std::string_view path) {
  std::string_view word = path.substr(3);
  switch (path[1]) {
    case 'u':
      return tokens.read(LinkKind::unsubscribe, word);
    case 'o':
      if (word.ends_with(".gif")) word.remove_suffix(4);
      return tokens.read(LinkKind::open, word);
    default:
      return tokens.read(LinkKind::click, word);
  }
}

// What a form says, urlencoded or multipart: only "action" matters, and what has none is the one
// click of RFC 8058.
std::string action_of(const HttpCall& call) {
  for (const auto& [name, value] : parse_query(call.body))
    if (name == "action") return value;
  return "one_click";
}

std::string key_of(const LinkToken& token) {
  return fmt::format("{}/{}", token.message.value, token.address.text());
}

}  // namespace

bool is_public_page(std::string_view path) {
  return path.starts_with("/u/") || path.starts_with("/o/") || path.starts_with("/c/");
}

PublicPages::PublicPages(PublicPagesParts parts, PublicPagesLimits limits)
    : parts_(parts), limits_(limits), seen_(limits.words) {}

Task<HttpReply> PublicPages::answer(HttpCall call) {
  const std::string path = call.target.substr(0, call.target.find('?'));
  CHECK(is_public_page(path));
  const auto tokens = parts_.links.tokens();
  const auto token = tokens ? token_of(*tokens, path) : std::nullopt;
  const bool polish = prefers_polish(header_of(call, "accept-language"));
  if (!token) {
    if (path[1] != 'u') co_return plain(404, "not found\n");
    co_return page(404, unknown_link_page(polish));
  }
  const bool looks = call.method == "GET" || call.method == "HEAD";
  if (token->kind == LinkKind::unsubscribe) co_return co_await answer_unsubscribe(call, *token);
  if (!looks) co_return plain(405, "GET only\n");
  co_return token->kind == LinkKind::open ? answer_open(call, *token) : answer_click(call, *token);
}

// ---------------------------------------------------------------- unsubscribe
Task<HttpReply> PublicPages::answer_unsubscribe(HttpCall call, LinkToken token) {
  const bool polish = prefers_polish(header_of(call, "accept-language"));
  if (token.address.empty()) co_return page(404, unknown_link_page(polish));
  if (call.method == "GET" || call.method == "HEAD")
    co_return co_await show(std::move(token), polish);
  if (call.method != "POST") co_return plain(405, "GET and POST only\n");
  if (call.body.size() > limits_.form_octets) co_return plain(413, "the form is too large\n");
  if (!may_cause_event(token)) co_return plain(429, "too many changes by this link\n");
  co_return co_await change(std::move(token), action_of(call), polish);
}

Task<Result<void>> PublicPages::resubscribe(LinkToken token) {
  Loop& loop = parts_.world.loop;
  std::vector<std::string> streams{token.stream};
  const auto known =
      CO_TRY(co_await parts_.suppressions.of_address(loop, token.address, std::move(streams)));
  for (const Suppression& entry : known) {
    if (entry.stream != token.stream || entry.reason != SuppressionReason::unsubscribed) continue;
    std::vector<Suppressions::Removal> one{{token.stream, token.address}};
    CO_TRY(co_await parts_.suppressions.remove(loop, std::move(one), "page"));
  }
  co_return Result<void>();
}

Task<HttpReply> PublicPages::change(LinkToken token, std::string action, bool polish) {
  Result<void> done;
  const std::string origin = action == "one_click" || action == "resubscribe" ? action : "page";
  if (origin == "resubscribe") {
    done = co_await resubscribe(token);
  } else {
    Unsubscribe wish{token.message, token.stream, token.address, origin};
    const auto added =
        co_await unsubscribe(parts_.suppressions, parts_.world.loop, std::move(wish));
    if (!added) done = std::unexpected(added.error());
  }
  if (!done) co_return plain(503, "try again later\n");
  parts_.metrics
      .counter("goniec_unsubscribes_total", "Unsubscribe links used", {{"action", origin}})
      .add();
  // RFC 8058 §3.1: no redirect; nobody looks at what is answered.
  if (origin == "one_click") co_return plain(200, "unsubscribed\n");
  co_return co_await show(std::move(token), polish);
}

Task<HttpReply> PublicPages::show(LinkToken token, bool polish) {
  const auto stands =
      co_await parts_.suppressions.find(parts_.world.loop, token.stream, token.address);
  if (!stands) co_return plain(503, "try again later\n");
  const auto stream = parts_.streams.find(token.stream);
  UnsubscribePage facts;
  facts.address = token.address.unicode();
  facts.stream = stream && !stream->name.empty() ? stream->name : token.stream;
  facts.polish = polish;
  facts.state = !*stands ? UnsubscribeState::subscribed
                : (*stands)->reason == SuppressionReason::unsubscribed
                    ? UnsubscribeState::unsubscribed
                    : UnsubscribeState::excluded;
  co_return page(200, unsubscribe_page(facts));
}

// ---------------------------------------------------------------- loads
HttpReply PublicPages::answer_open(const HttpCall& call, const LinkToken& token) {
  tell_load(call, token);
  HttpReply reply = plain(200, std::string(point_gif));
  reply.content_type = "image/gif";
  return reply;
}

HttpReply PublicPages::answer_click(const HttpCall& call, const LinkToken& token) {
  tell_load(call, token);
  HttpReply reply = plain(303, {});
  reply.headers.emplace_back("Location", token.target);
  reply.headers.emplace_back("Referrer-Policy", "no-referrer");
  return reply;
}

PublicPages::Seen& PublicPages::seen(const LinkToken& token) {
  return seen_.at(key_of(token));
}

bool PublicPages::may_cause_event(const LinkToken& token) {
  return ++seen(token).events <= limits_.events_a_word;
}

void PublicPages::tell_load(const HttpCall& call, const LinkToken& token) {
  const Instant now = parts_.world.loop.clock().now();
  Seen& known = seen(token);
  const std::size_t link = std::hash<std::string>()(token.target);
  LoadFacts facts{.method = call.method,
                  .user_agent = header_of(call, "user-agent"),
                  .purpose = header_of(call, "sec-purpose"),
                  .from = call.remote.address,
                  .accepted = token.message.made_at(),
                  .at = now,
                  .other_link_at = {}};
  if (facts.purpose.empty()) facts.purpose = header_of(call, "purpose");
  if (facts.purpose.empty()) facts.purpose = header_of(call, "x-moz");
  if (token.kind == LinkKind::click) {
    if (known.last_click != Instant{} && known.last_link != link)
      facts.other_link_at = known.last_click;
    known.last_click = now;
    known.last_link = link;
  }
  const auto rule = machine_rule(facts);
  const bool is_open = token.kind == LinkKind::open;
  parts_.metrics
      .counter("goniec_loads_total", "Images loaded and links followed in tracked mail",
               {{"kind", is_open ? "open" : "click"}, {"machine", rule.empty() ? "no" : "yes"}})
      .add();
  if (!may_cause_event(token)) return;
  Event event;
  event.kind = is_open ? EventKind::opened : EventKind::clicked;
  event.message = token.message;
  event.at = now;
  event.recipient = token.address.empty() ? std::string() : token.address.text();
  JsonWriter w;
  w.object().key("stream").text(token.stream).key("machine").boolean(!rule.empty());
  if (!rule.empty()) w.key("rule").text(rule);
  w.key("ip").text(call.remote.address.text());
  w.key("user_agent").text(printable(facts.user_agent, limits_.agent_octets));
  if (!is_open) w.key("link").text(token.target);
  w.end();
  event.data = std::move(w).take();
  const bool may_be_first = is_open && !std::exchange(known.opened, true);
  spawn(keep(std::move(event), may_be_first ? Load::first_open : Load::other));
}

// Nobody waits for it: a load that a full disk does not keep is a load the less.
// What is remembered here is forgotten some day; whether an opening is the first is in the log.
Task<void> PublicPages::keep(Event event, Load load) {
  if (load == Load::first_open) {
    const auto before = co_await parts_.readers.read(
        parts_.world.loop, [id = event.message](Reader& reader) { return reader.events_of(id); });
    const bool is_first =
        before && std::ranges::none_of(*before, [&event](const Event& each) {
          return each.kind == EventKind::opened && each.recipient == event.recipient;
        });
    if (is_first) event.data.insert(1, "\"first\":true,");
  }
  FactsRequest request;
  request.events.push_back(std::move(event));
  (void)co_await parts_.committer.record(parts_.world.loop, std::move(request));
}

}  // namespace goniec
