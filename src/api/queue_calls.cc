// The queue as JSON, and its changes by hand (queue_calls.h).
#include "api/queue_calls.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "api/event_page.h"
#include "api/observe.h"
#include "api/search_query.h"
#include "base/text.h"

namespace goniec {

namespace {

constexpr std::size_t page_entries = 1000;

struct QueueSelection {
  QueueFilter filter;
  Principal who;         // a key that is bound sees its own mail alone
  std::string provider;  // substring of the last host tried
  std::string state;     // incoming, active, …
  bool empty() const {
    return filter.ids.empty() && filter.to.empty() && filter.from.empty() &&
           filter.domain.empty() && filter.stream.empty() && !filter.older_than &&
           provider.empty() && state.empty();
  }
};

Result<MessageId> parse_id(std::string_view text) {
  const auto id = parse_email_id(text);
  if (!id)
    return fail(ErrorKind::not_found, fmt::format("{} is not a queue id", printable(text, 60)));
  return *id;
}

std::string cursor_text(const EntryId& id) {
  return fmt::format("{}.{}", id.message.text(), id.number);
}

Result<EntryId> parse_cursor(std::string_view text) {
  const auto dot = text.find('.');
  const auto number =
      dot == std::string_view::npos ? std::nullopt : parse_unsigned(text.substr(dot + 1));
  if (!number || *number > UINT32_MAX)
    return fail(ErrorKind::bad_data, "\"after\" is not a cursor of a list before");
  return EntryId{TRY(parse_id(text.substr(0, dot))), static_cast<std::uint32_t>(*number)};
}

// `text_of(name)` gives a filter's text, "" when not given.
template <class TextOf>
Result<QueueSelection> selection_of(TextOf text_of, const std::vector<std::string>& ids,
                                    Instant now) {
  QueueSelection selection;
  for (const auto& id : ids) selection.filter.ids.push_back(TRY(parse_id(id)));
  selection.filter.to = text_of("to");
  selection.filter.from = text_of("from");
  selection.filter.stream = text_of("stream");
  selection.provider = to_lower(text_of("provider"));
  selection.state = text_of("state");
  if (const std::string domain = text_of("domain"); !domain.empty()) {
    selection.filter.domain = TRY(Domain::parse(domain)).ascii();
  }
  if (const std::string age = text_of("older_than"); !age.empty()) {
    selection.filter.older_than = now - TRY(parse_duration(age));
  }
  const auto& state = selection.state;
  if (!state.empty() && state != "incoming" && state != "active" && state != "deferred" &&
      state != "held" && state != "scheduled") {
    return fail(ErrorKind::bad_data,
                "\"state\" must be incoming, active, deferred, held or scheduled");
  }
  selection.filter.limit = page_entries;
  return selection;
}

// As may_see() of api/email_story.h; a queue knows the envelope only.
bool is_within_bounds(const Principal& who, const Message& message) {
  if (!who.key) return true;
  if (!who.key->stream.empty() && message.stream != who.key->stream) return false;
  return who.key->domain.empty() ||
         is_or_is_below(message.sender.address.domain(), who.key->domain);
}

bool matches(const QueueSelection& selection, const QueueItem& item, Instant now) {
  if (!is_within_bounds(selection.who, item.message)) return false;
  if (!selection.state.empty() && queue_state_of(item.message, item.entry, now) != selection.state)
    return false;
  if (selection.provider.empty()) return true;
  return std::ranges::any_of(item.entry.recipients, [&selection](const EntryRecipient& recipient) {
    return to_lower(recipient.site).find(selection.provider) != std::string::npos;
  });
}

struct ListPage {
  std::vector<QueueItem> items;
  std::string next;  // "" at the end
};

// Pages until `limit` matching entries were found. `submitter` "": everybody's.
Task<Result<ListPage>> collect(ApiContext& context, QueueSelection selection, std::string submitter,
                               std::size_t limit) {
  ListPage page;
  const auto now = context.world.loop.clock().now();
  while (true) {
    auto items = CO_TRY(co_await context.queue.list(context.world.loop, selection.filter));
    for (auto& item : items) {
      selection.filter.after = item.entry.id;
      if ((submitter.empty() || item.message.submitter == submitter) &&
          matches(selection, item, now)) {
        page.items.push_back(std::move(item));
      }
      if (page.items.size() < limit) continue;
      page.next = cursor_text(*selection.filter.after);
      co_return page;
    }
    if (items.size() < page_entries) co_return page;
  }
}

// Why what waits was refused. Much of a queue waits for one reason: each answer is read once a
// page.
class Reasons {
 public:
  explicit Reasons(const ApiContext& context) : rules_(rules_of(context)) {}
  struct Reason {
    std::string provider, klass;
  };
  const Reason& of(const std::string& site, const std::string& domain, const std::string& reply) {
    auto [at, fresh] = known_.try_emplace({site, domain, reply});
    if (!fresh) return at->second;
    at->second.provider = rules_->provider_of(site, domain);
    if (!reply.empty()) {
      const BounceFacts facts{.provider = at->second.provider, .site = site, .domain = domain};
      at->second.klass = name_of(rules_->classify(read_reply(reply), facts).klass);
    }
    return at->second;
  }

 private:
  std::shared_ptr<const BounceRules> rules_;
  std::map<std::tuple<std::string, std::string, std::string>, Reason> known_;
};

void write_recipients(JsonWriter& w, const QueueItem& item, Instant now, Reasons& reasons) {
  const auto waiting = queue_state_of(item.message, item.entry, now);
  for (const auto& each : item.entry.recipients) {
    const bool queued = each.state == RecipientState::queued;
    w.object()
        .key("to")
        .text(each.recipient.address.text())
        .key("domain")
        .text(item.entry.domain.ascii());
    w.key("site").text(each.site).key("state").text(queued ? waiting : name_of(each.state));
    w.key("tries").number(each.tries).key("next_at");
    if (queued && item.entry.state == EntryState::due) {
      w.text(to_rfc3339(item.entry.due));
    } else {
      w.null();
    }
    w.key("reply").text(each.reply);
    const auto& reason = reasons.of(each.site, item.entry.domain.ascii(), each.reply);
    w.key("provider").text(reason.provider).key("class").text(reason.klass).end();
  }
}

// The state of a message is that of its most alive entry.
int rank_of(std::string_view state) {
  if (state == "active") return 0;
  if (state == "incoming") return 1;
  if (state == "deferred") return 2;
  if (state == "scheduled") return 3;
  return 4;
}

void write_messages(JsonWriter& w, const std::vector<QueueItem>& items, Instant now,
                    Reasons& reasons) {
  for (std::size_t first = 0; first < items.size();) {
    std::size_t end = first;
    std::string_view state = "held";
    for (; end < items.size() && items[end].message.id == items[first].message.id; ++end) {
      const auto of_entry = queue_state_of(items[end].message, items[end].entry, now);
      if (rank_of(of_entry) < rank_of(state)) state = of_entry;
    }
    const auto& message = items[first].message;
    w.object().key("id").text(message.id.text()).key("state").text(state);
    w.key("from").text(message.sender.address.text()).key("size").number(items[first].octets);
    w.key("received_at").text(to_rfc3339(message.received_at)).key("stream").text(message.stream);
    w.key("recipients").array();
    for (; first < end; ++first) write_recipients(w, items[first], now, reasons);
    w.end().end();
  }
}

std::string submitter_of_peer(const ApiContext& context, const ApiCall& call) {
  if (!call.peer || call.peer->uid == 0 || call.peer->uid == context.own_uid) return {};
  if (context.is_trusted_user(call.peer->uid)) return {};
  return fmt::format("uid={}", call.peer->uid);
}

std::optional<QueueAction> action_of(std::string_view name) {
  if (name == "retry") return QueueAction::retry;
  if (name == "hold") return QueueAction::hold;
  if (name == "release") return QueueAction::release;
  if (name == "bounce") return QueueAction::expire;
  if (name == "delete") return QueueAction::remove;
  return std::nullopt;
}

// Actions have a sense for some states only; by filter the others are left alone, by id they are
// told.
bool applies(QueueAction action, const Entry& entry) {
  switch (action) {
    case QueueAction::hold:
      return entry.state != EntryState::held;
    case QueueAction::release:
      return entry.state == EntryState::held;
    case QueueAction::retry:
      return entry.state == EntryState::due;
    case QueueAction::expire:
    case QueueAction::remove:
      return true;
  }
  CHECK(false);
}

struct ChangeRequest {
  QueueAction action = QueueAction::retry;
  QueueSelection selection;
  bool dry_run = false;
  std::string reason;
};

Result<ChangeRequest> change_of(const ApiCall& call, Instant now) {
  const auto action = action_of(call.argument);
  if (!action)
    return fail(ErrorKind::not_found,
                fmt::format("there is no action \"{}\"", printable(call.argument, 40)));
  const auto json = TRY(JsonValue::parse(call.body));
  static const std::vector<std::string> known = {"ids",      "to",     "from",   "domain",
                                                 "provider", "stream", "state",  "older_than",
                                                 "all",      "reason", "dry_run"};
  for (const auto& key : json.keys()) {
    if (std::ranges::find(known, key) == known.end()) {
      return fail(ErrorKind::bad_data, fmt::format("unknown member \"{}\"", printable(key, 60)));
    }
  }
  std::vector<std::string> ids;
  if (const auto list = json.at("ids")) {
    for (const auto& item : list->items()) ids.push_back(item.text().value_or(""));
  }
  ChangeRequest request;
  request.action = *action;
  request.selection =
      TRY(selection_of([&json](std::string_view name) { return json.text_at(name); }, ids, now));
  if (request.selection.empty() && !json.boolean_at("all")) {
    return fail(ErrorKind::usage, "give ids or a filter, or say that all is meant");
  }
  request.dry_run = json.boolean_at("dry_run");
  request.reason = json.text_at("reason", fmt::format("{} by hand", call.argument));
  return request;
}

void write_change(JsonWriter& w, const QueueItem& item, const Result<Entry>& changed,
                  bool dry_run) {
  w.object().key("id").text(item.message.id.text()).key("domain").text(item.entry.domain.ascii());
  w.key("recipients").array();
  for (const auto& each : item.entry.recipients) w.text(each.recipient.address.text());
  w.end();
  w.key("done").boolean(changed.has_value() && !dry_run);
  w.key("reason").text(changed ? "" : changed.error().message).end();
}

}  // namespace

std::string_view queue_state_of(const Message&, const Entry& entry, Instant now) {
  switch (entry.state) {
    case EntryState::leased:
      return "active";
    case EntryState::held:
      return "held";
    case EntryState::due:
    case EntryState::settled:
      break;
  }
  if (entry.tries > 0) return "deferred";
  return entry.due > now ? "scheduled" : "incoming";
}

Task<ApiReply> list_queue(ApiContext& context, ApiCall call) {
  const auto now = context.world.loop.clock().now();
  auto selection =
      selection_of([&call](std::string_view name) { return std::string(call.parameter(name)); },
                   call.parameters("id"), now);
  if (!selection) co_return error_reply(selection.error());
  if (const auto after = call.parameter("after"); !after.empty()) {
    const auto cursor = parse_cursor(after);
    if (!cursor) co_return error_reply(cursor.error());
    selection->filter.after = *cursor;
  }
  const auto limit = std::clamp<std::uint64_t>(
      parse_unsigned(call.parameter("limit")).value_or(page_entries), 1, 10000);
  const bool by_id = !selection->filter.ids.empty();
  selection->who = call.principal;
  const auto page =
      co_await collect(context, std::move(*selection), submitter_of_peer(context, call), limit);
  if (!page) co_return error_reply(page.error());
  if (by_id && page->items.empty()) {
    co_return error_reply(
        {ErrorKind::not_found,
         "no such message in the queue; a delivered one is found by goniec trace"});
  }
  Reasons reasons(context);
  JsonWriter w;
  w.object().key("queue").array();
  write_messages(w, page->items, now, reasons);
  w.end().key("next").text(page->next).end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> show_queue_stats(ApiContext& context, ApiCall call) {
  const auto stats = co_await context.queue.stats(context.world.loop);
  if (!stats) co_return error_reply(stats.error());
  JsonWriter w;
  if (call.parameter("history") == "true" && context.queue_history) {
    write_queue_stats(w, *stats, context.queue_history());
  } else {
    write_queue_stats(w, *stats);
  }
  co_return json_reply(std::move(w));
}

Task<ApiReply> change_queue(ApiContext& context, ApiCall call) {
  auto request = change_of(call, context.world.loop.clock().now());
  if (!request) co_return error_reply(request.error());
  const bool by_id = !request->selection.filter.ids.empty();
  request->selection.who = call.principal;
  const auto page = co_await collect(context, request->selection, {}, SIZE_MAX);
  if (!page) co_return error_reply(page.error());
  if (by_id && page->items.empty())
    co_return error_reply({ErrorKind::not_found, "no such message in the queue"});
  JsonWriter w;
  w.object().key("changes").array();
  for (const auto& item : page->items) {
    if (!by_id && !applies(request->action, item.entry)) continue;
    Result<Entry> changed = item.entry;
    if (!request->dry_run) {
      changed =
          co_await context.queue.change(context.world.loop, item, request->action, request->reason);
    }
    write_change(w, item, changed, request->dry_run);
  }
  w.end().key("dry_run").boolean(request->dry_run).end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
