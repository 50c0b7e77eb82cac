// See erasure.h. The log is walked a page at a time on a reader's thread; what must change is
// written in groups of the commit thread, so that mail never waits for long.
#include "accounts/erasure.h"

#include <algorithm>
#include <set>
#include <span>

#include "base/digest.h"
#include "base/json.h"
#include "base/replace_address.h"
#include "base/text.h"
#include "trust/passwords.h"

namespace goniec {
namespace {

constexpr std::size_t page_of_log = 2000;
const ObjectKey key_object{"secret", "erasure"};

// As it stands inside of a JSON text.
std::string in_json(std::string_view text) {
  JsonWriter w;
  w.text(text);
  const auto quoted = std::move(w).take();
  return quoted.substr(1, quoted.size() - 2);
}

std::string code_of_reply(std::string_view reply) {
  std::string out;
  for (const auto word : split(reply, ' ')) {
    const bool is_code =
        !word.empty() && std::ranges::all_of(word, [](char c) { return is_digit(c) || c == '.'; });
    if (!is_code) break;
    out += std::string(word) + " ";
  }
  return out + "(erased)";
}

// Members that go, beside the address itself.
std::vector<std::string_view> members_to_drop(const Event& event, bool by_the_person) {
  std::vector<std::string_view> names;
  if (event.kind == EventKind::received) names = {"subject", "metadata"};
  if (event.kind == EventKind::opened || event.kind == EventKind::clicked)
    names = {"ip", "user_agent"};
  if (by_the_person)
    for (const auto name : {"client", "helo", "login", "submitter"}) names.emplace_back(name);
  return names;
}

std::string without_members(const JsonValue& data, std::span<const std::string_view> drop,
                            bool cut_reply) {
  JsonWriter w;
  w.object();
  for (const auto& name : data.keys()) {
    if (std::ranges::find(drop, name) != drop.end()) continue;
    w.key(name);
    const auto value = *data.at(name);
    if (cut_reply && name == "reply" && value.is_text()) {
      w.text(code_of_reply(*value.text()));
    } else {
      w.raw(value.dump());
    }
  }
  w.end();
  return std::move(w).take();
}

}  // namespace

std::string pseudonym_of(std::string_view key, const Address& address) {
  const auto digest = hmac_sha256(key, to_lower(address.text()));
  return "erased-" + to_hex(view(digest)).substr(0, 16) + "@erased.invalid";
}

std::optional<Event> event_without(const Event& event, const Address& address,
                                   std::string_view pseudonym) {
  const auto text = address.text();
  const bool is_recipient = equal_ignoring_case(event.recipient, text);
  Event out = event;
  if (is_recipient) out.recipient = pseudonym;
  out.data = replace_address(event.data, in_json(text), pseudonym);
  if (!is_recipient && out.data == event.data) return std::nullopt;
  const auto data = JsonValue::parse(out.data.empty() ? "{}" : out.data);
  if (!data || !data->is_object()) {
    out.data.clear();
    return out;
  }
  const bool by_the_person = data->text_at("from") == pseudonym;
  const auto drop = members_to_drop(event, by_the_person && event.kind == EventKind::received);
  out.data = without_members(*data, drop, is_recipient);
  return out;
}

// ---------------------------------------------------------------- the whole
namespace {

struct Page {
  std::vector<Event> changed;
  std::uint64_t last = 0;
  bool more = false;
};

Result<Page> page_after(Reader& reader, std::uint64_t after, const Address& address,
                        const std::string& pseudonym) {
  const auto events = TRY(reader.events_after(after, page_of_log));
  Page page;
  page.more = events.size() == page_of_log;
  page.last = events.empty() ? after : events.back().sequence;
  for (const auto& event : events)
    if (auto changed = event_without(event, address, pseudonym))
      page.changed.push_back(std::move(*changed));
  return page;
}

Task<Result<std::string>> erasure_key(Loop& loop, ErasureParts& parts) {
  const auto kept = CO_TRY(
      co_await parts.readers.read(loop, [](Reader& reader) { return reader.object(key_object); }));
  if (kept) co_return *kept;
  const auto made = to_hex(random_secret(32));
  CO_TRY(co_await parts.committer.put_object(loop, {key_object, made, false}));
  co_return made;
}

Task<Result<std::uint64_t>> erase_events(Loop& loop, ErasureParts& parts,
                                         const ErasureRequest& request, std::string pseudonym) {
  std::uint64_t after = 0, count = 0;
  for (bool more = true; more;) {
    auto page = CO_TRY(co_await parts.readers.read(
        loop, [after, address = request.address, pseudonym](Reader& reader) {
          return page_after(reader, after, address, pseudonym);
        }));
    after = page.last;
    more = page.more;
    count += page.changed.size();
    if (page.changed.empty() || request.dry_run) continue;
    CO_TRY(co_await parts.committer.run(
        loop, [changed = std::move(page.changed)](Store& store) -> Result<void> {
          TRY(store.replace_events(changed));
          TRY(store.commit());
          return {};
        }));
  }
  co_return count;
}

Task<Result<std::uint64_t>> erase_letters(Loop& loop, ErasureParts& parts,
                                          const ErasureRequest& request) {
  const auto letters =
      CO_TRY(co_await parts.readers.read(loop, [mailbox = request.address](Reader& reader) {
        return reader.mailbox(mailbox, "INBOX");
      }));
  if (request.dry_run || letters.empty()) co_return letters.size();
  MailboxRemove remove;
  remove.mailbox = request.address;
  for (const auto& letter : letters) remove.uids.push_back(letter.uid);
  CO_TRY(co_await parts.committer.remove_from_mailbox(loop, std::move(remove)));
  co_return letters.size();
}

Result<std::uint64_t> count_queued(Reader& reader, const std::string& address) {
  std::set<MessageId> found;
  QueueFilter filter;
  filter.to = address;
  for (const auto& item : TRY(reader.list(filter))) found.insert(item.message.id);
  filter.to.clear();
  filter.from = address;
  for (const auto& item : TRY(reader.list(filter))) found.insert(item.message.id);
  return found.size();
}

}  // namespace

Task<Result<ErasureReport>> erase_person(Loop& loop, ErasureParts parts, ErasureRequest request) {
  ErasureReport report;
  const auto key = CO_TRY(co_await erasure_key(loop, parts));
  report.pseudonym = pseudonym_of(key, request.address);
  report.queued =
      CO_TRY(co_await parts.readers.read(loop, [address = request.address.text()](Reader& reader) {
        return count_queued(reader, address);
      }));
  // The log first: were it the other way round, a projection that is filled anew meanwhile would
  // have the address again.
  report.events = CO_TRY(co_await erase_events(loop, parts, request, report.pseudonym));
  if (parts.projection)
    report.messages = CO_TRY(
        co_await parts.projection(request.address.text(), report.pseudonym, request.dry_run));
  if (request.mailbox) report.letters = CO_TRY(co_await erase_letters(loop, parts, request));
  co_return report;
}

}  // namespace goniec
