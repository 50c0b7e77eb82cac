// The projection's writing side, and the pool of its readers (store/search.h).
// One batch is: rows folded in memory, then a transaction a day's file, then the statistics with
// the position.
#include <algorithm>

#include "base/replace_address.h"
#include "base/text.h"
#include "store/sqlite/search_state.h"

namespace goniec {
namespace {

constexpr std::size_t files_at_hand = 100;

bool cannot_be_used(const Error& error) {
  return error.kind == ErrorKind::conflict || error.kind == ErrorKind::damaged;
}

}  // namespace

// ---------------------------------------------------------------- opening
Search::Search(std::unique_ptr<State> state) : state_(std::move(state)) {}
Search::~Search() = default;

Result<std::unique_ptr<Search>> Search::open(Disk& disk, std::string folder, SearchLimits limits) {
  auto state = std::make_unique<State>(disk, std::move(folder), limits);
  TRY(disk.make_directory(state->folder));
  auto opened = state->open_files();
  if (!opened && cannot_be_used(opened.error())) {
    TRY(state->remove_files());
    opened = state->open_files();
  }
  if (!opened) return std::unexpected(opened.error());
  return std::unique_ptr<Search>(new Search(std::move(state)));
}

// conflict, damaged: it is the statistics. A day that is missing, damaged or of another version is
// filled again, beside the others and the counts.
Result<void> Search::State::open_files() {
  std::set<std::string> found;
  for (auto& name : TRY(disk.list(folder))) {
    if (day_of_file(name)) found.insert(std::move(name));
  }
  const auto path = fmt::format("{}/{}", folder, statistics_file);
  if (!found.empty() && !TRY(disk.exists(path)))
    return fail(ErrorKind::conflict, path + " is missing");
  counts = TRY(SearchCounts::open(path, limits));
  std::set<std::string> lost;
  for (const auto& name : TRY(counts->days())) {
    if (!found.contains(name)) lost.insert(name);
  }
  for (const auto& name : found) {
    // The newest are met first by whoever writes; each is looked at, so that none is of old.
    const auto opened = SearchDay::open(folder + "/" + name);
    if (!opened && !cannot_be_used(opened.error())) return std::unexpected(opened.error());
    if (!opened) lost.insert(name);
    if (opened) dirty.insert(name);
  }
  if (!lost.empty()) TRY(lose_days(lost));
  for (const auto& name : lost) found.erase(name);
  settled = counts->settled();
  position = counts->settled();
  const std::lock_guard lock(mutex);
  days = std::move(found);
  return {};
}

Result<void> Search::State::lose_days(const std::set<std::string>& lost) {
  TRY(counts->fill_again(lost));
  for (const auto& name : lost) TRY(remove_day_files(name));
  return {};
}

Result<void> Search::State::remove_day_files(const std::string& name) {
  for (const char* end : {"", "-wal", "-shm"}) {
    const auto path = folder + "/" + name + end;
    if (TRY(disk.exists(path))) TRY(disk.remove(path));
  }
  return {};
}

Result<void> Search::State::remove_files() {
  open.clear();
  counts.reset();
  dirty.clear();
  files_went();
  for (const auto& name : TRY(disk.list(folder))) TRY(disk.remove(folder + "/" + name));
  const std::lock_guard lock(mutex);
  days.clear();
  return {};
}

// null: there is none and `make` is false.
Result<SearchDay*> Search::State::day(const std::string& name, bool make) {
  const auto found = std::ranges::find(open, name, [](const auto& each) { return each.first; });
  if (found != open.end()) {
    open.splice(open.begin(), open, found);
    return open.front().second.get();
  }
  bool exists = false;
  {
    const std::lock_guard lock(mutex);
    exists = days.contains(name);
  }
  if (!exists && !make) return nullptr;
  auto opened = TRY(SearchDay::open(folder + "/" + name));
  if (!exists) {
    counts->add_day(name);
    const std::lock_guard lock(mutex);
    days.insert(name);
  }
  open.emplace_front(name, std::move(opened));
  if (open.size() > limits.open_files) open.pop_back();
  return open.front().second.get();
}

// ---------------------------------------------------------------- a batch
struct Search::State::Batch {
  struct Place {
    std::string day;  // name of the file
    bool exists = false;
    FoldedMessage message;
  };
  std::map<MessageId, Place> messages;
  std::set<std::string> days;  // with something to write
};

namespace {

SearchChange within_limits(const SearchChange& change, const SearchLimits& limits) {
  SearchChange cut = change;
  if (cut.received) {
    cut.received->subject = cut_text(cut.received->subject, limits.text_octets);
    cut.received->message_id = cut_text(cut.received->message_id, limits.text_octets);
    if (cut.received->tags.size() > limits.tags) cut.received->tags.resize(limits.tags);
  }
  return cut;
}

}  // namespace

Result<void> Search::State::take(Batch& batch, const SearchChange& change) {
  if (!change.message) return {};
  const bool begins = change.kind == EventKind::received && change.received.has_value();
  auto found = batch.messages.find(change.message);
  if (found == batch.messages.end()) {
    Batch::Place place;
    place.day = day_file_name(change.message);
    if (SearchDay* file = TRY(day(place.day, begins))) {
      if (auto row = TRY(file->load(change.message))) {
        place.exists = true;
        place.message = std::move(*row);
      }
    }
    found = batch.messages.emplace(change.message, std::move(place)).first;
  }
  auto& place = found->second;
  SearchDay* file = TRY(day(place.day, begins));
  if (file && change.sequence > file->position() && (begins || place.exists)) {
    if (concerns_all(change)) {
      TRY(file->load_recipients(change.message, place.message));
    } else if (!change.recipient.empty()) {
      TRY(file->load_recipient(change.message, place.message, change.recipient));
    }
    for (const auto& target : change.targets)
      TRY(file->load_recipient(change.message, place.message, target));
    fold(place.message, within_limits(change, limits));
    place.exists = true;
    batch.days.insert(place.day);
  }
  const SearchMessage& facts = begins ? *change.received : place.message.facts;
  if (facts.sandbox) return {};  // a rehearsal is no mail
  return counts->add(change, facts);
}

Result<void> Search::State::write(Batch& batch, std::uint64_t last) {
  for (const auto& name : batch.days) {
    SearchDay* file = TRY(day(name, true));
    TRY(file->begin());
    dirty.insert(name);
    Result<void> written;
    for (const auto& [id, place] : batch.messages) {
      if (place.day != name || !place.message.changed) continue;
      written = file->write(id, place.message, limits);
      if (!written) break;
    }
    if (written) written = file->commit(last);
    if (!written) {
      file->roll_back();
      return written;
    }
  }
  return counts->write(last);
}

Result<void> Search::apply(std::span<const SearchChange> changes) {
  if (changes.empty()) return {};
  State::Batch batch;
  Result<void> done;
  for (const auto& change : changes) {
    done = state_->take(batch, change);
    if (!done) break;
  }
  if (done) done = state_->write(batch, changes.back().sequence);
  if (!done) {
    state_->counts->forget_gathered();
    state_->position = state_->settled.load();
    return done;
  }
  state_->position = std::max(state_->position.load(), changes.back().sequence);
  return {};
}

std::uint64_t Search::settled() const {
  return state_->settled;
}
std::uint64_t Search::position() const {
  return state_->position;
}

Result<void> Search::settle() {
  const auto days = state_->days_between({}, {});
  const auto newest = days.empty() ? std::string() : days.front();
  for (const auto& name : std::set(state_->dirty)) {
    SearchDay* file = TRY(state_->day(name, false));
    if (file && !TRY(sync_search_file(file->connection()))) return {};  // a reader: next time
    if (file && name != newest) static_cast<void>(empty_search_log(file->connection()));
    state_->dirty.erase(name);
  }
  TRY(state_->counts->settle(state_->position));
  state_->settled = state_->counts->settled();
  return {};
}

// ---------------------------------------------------------------- what goes
Result<void> Search::State::remove_day(const std::string& name) {
  open.remove_if([&name](const auto& each) { return each.first == name; });
  dirty.erase(name);
  {
    const std::lock_guard lock(mutex);
    days.erase(name);
  }
  files_went();
  TRY(counts->remove_day(name));
  return remove_day_files(name);
}

Result<std::size_t> Search::forget(Instant rows_before, Instant statistics_before) {
  std::size_t went = 0;
  for (const auto& name : state_->days_between({}, {})) {
    if (*day_of_file(name) + std::chrono::days(1) > rows_before) continue;
    TRY(state_->remove_day(name));
    ++went;
  }
  return went + TRY(state_->counts->forget(statistics_before));
}

Result<void> Search::start_anew(Instant from, std::uint64_t behind) {
  for (const auto& name : state_->days_between({}, {})) TRY(state_->remove_day(name));
  TRY(state_->counts->start_anew(from, behind));
  state_->position = state_->settled = behind;
  return {};
}

namespace {

// Puts `by` for the address in what is given to it.
struct Erasure {
  std::string address, by;

  bool replace(std::string& text) const {
    auto replaced = replace_address(text, address, by);
    const bool stood = replaced != text;
    text = std::move(replaced);
    return stood;
  }
  bool replace(NamedTexts& names) const {
    bool stood = false;
    for (auto& [name, value] : names) {
      if (replace(name)) stood = true;
      if (replace(value)) stood = true;
    }
    return stood;
  }
  bool replace(SearchMessage& facts) const {
    bool stood = replace(facts.tags);
    for (auto& each : facts.recipients)
      if (replace(each)) stood = true;
    if (replace(facts.metadata)) stood = true;
    for (auto* text : {&facts.from, &facts.subject, &facts.message_id})
      if (replace(*text)) stood = true;
    return stood;
  }
  bool is(std::string_view other) const { return equal_ignoring_case(other, address); }
};

// The recipient itself under its new name; what came for it since it was erased before is later.
bool rename_recipient(FoldedMessage& message, const Erasure& erasure) {
  std::vector<FoldedRecipient> renamed;
  std::erase_if(message.recipients, [&](auto& each) {
    if (!erasure.is(each.first)) return false;
    renamed.push_back(std::move(each.second));
    return true;
  });
  for (auto& recipient : renamed) {
    recipient.reply.clear();
    recipient.changed = true;
    const auto known = message.recipients.find(erasure.by);
    if (known != message.recipients.end() && known->second.at > recipient.at) continue;
    message.recipients.insert_or_assign(erasure.by, std::move(recipient));
  }
  return !renamed.empty();
}

bool erase_from(FoldedMessage& message, const Erasure& erasure) {
  bool is_about = erasure.replace(message.facts);
  if (rename_recipient(message, erasure)) is_about = true;
  bool stood = is_about;
  for (auto& [address, recipient] : message.recipients) {
    if (!erasure.replace(recipient.reply)) continue;
    recipient.changed = stood = true;
  }
  if (erasure.replace(message.reply)) stood = true;
  if (is_about) {
    message.facts.subject.clear();
    message.facts.metadata.clear();
    message.reply.clear();
  }
  recount(message);
  return stood;
}

}  // namespace

Result<std::uint64_t> Search::State::erase_from_day(SearchDay& file, const std::string& address,
                                                    const std::string& by, Erase how) {
  const Erasure erasure{address, by};
  std::vector<std::pair<MessageId, FoldedMessage>> changed;
  for (const auto id : TRY(file.rows_with(address))) {
    auto message = TRY(file.load(id));
    if (!message) continue;
    TRY(file.load_recipients(id, *message));
    if (erase_from(*message, erasure)) changed.emplace_back(id, std::move(*message));
  }
  if (changed.empty() || how == Erase::dry_run) return changed.size();
  TRY(file.begin());
  Result<void> done;
  for (const auto& [id, message] : changed) {
    done = file.rewrite(id, message, address, limits);
    if (!done) break;
  }
  if (done) done = file.commit(file.position());
  if (!done) {
    file.roll_back();
    return std::unexpected(done.error());
  }
  TRY(file.scrub());
  return changed.size();
}

Result<SearchErased> Search::erase(std::string_view address, std::string_view by, Erase how) {
  SearchErased erased;
  const std::string wanted(address), replacement(by);
  for (const auto& name : state_->days_between({}, {})) {
    SearchDay* file = TRY(state_->day(name, false));
    if (!file) continue;
    if (how == Erase::now) state_->dirty.insert(name);
    TRY(file->sync_each_commit(true));
    const auto done = state_->erase_from_day(*file, wanted, replacement, how);
    TRY(file->sync_each_commit(false));
    erased.messages += TRY(done);
  }
  if (how == Erase::now) TRY(state_->counts->erase(wanted, replacement));
  return erased;
}

// ---------------------------------------------------------------- readers
std::vector<std::string> Search::State::days_between(const std::optional<Instant>& from,
                                                     const std::optional<Instant>& to) const {
  const auto first = from ? day_file_name(*from) : std::string();
  const auto last = to ? day_file_name(*to) : std::string("~");
  std::vector<std::string> names;
  const std::lock_guard lock(mutex);
  for (auto each = days.rbegin(); each != days.rend(); ++each) {
    if (*each >= first && *each <= last) names.push_back(*each);
  }
  return names;
}

void Search::State::files_went() {
  const std::lock_guard lock(mutex);
  ++generation;
  at_hand.clear();
}

AskingPlace::AskingPlace(const Search::State& state) : state_(state) {
  std::unique_lock lock(state_.mutex);
  state_.free_place.wait(lock, [this] { return state_.asking < state_.limits.readers; });
  ++state_.asking;
}
AskingPlace::~AskingPlace() {
  {
    const std::lock_guard lock(state_.mutex);
    --state_.asking;
  }
  state_.free_place.notify_one();
}

Result<FileAtHand> FileAtHand::open(const Search::State& state, const std::string& name) {
  std::uint64_t generation = 0;
  {
    const std::lock_guard lock(state.mutex);
    generation = state.generation;
    const auto found =
        std::ranges::find(state.at_hand, name, [](const auto& each) { return each.first; });
    if (found != state.at_hand.end()) {
      Connection connection = std::move(found->second);
      state.at_hand.erase(found);
      return FileAtHand(state, name, generation, std::move(connection));
    }
  }
  auto opened = TRY(open_search_file(state.folder + "/" + name, SearchAccess::read, nullptr));
  return FileAtHand(state, name, generation, std::move(opened));
}

FileAtHand::~FileAtHand() {
  if (!connection_.get()) return;  // moved from
  const std::lock_guard lock(state_.mutex);
  if (generation_ != state_.generation) return;
  state_.at_hand.emplace_front(std::move(name_), std::move(connection_));
  if (state_.at_hand.size() > files_at_hand) state_.at_hand.pop_back();
}

Patience::Patience(const Connection& connection, Duration patience)
    : connection_(connection), until_(std::chrono::steady_clock::now() + patience) {
  sqlite3_progress_handler(connection.get(), 10000, check, this);
}
Patience::~Patience() {
  sqlite3_progress_handler(connection_.get(), 0, nullptr, nullptr);
}
int Patience::check(void* self) {
  return std::chrono::steady_clock::now() > static_cast<Patience*>(self)->until_ ? 1 : 0;
}

Error told_briefly(Error error) {
  if (error.message.find("interrupted") == std::string::npos) return error;
  return {ErrorKind::try_later,
          "the question takes too long; ask for fewer days, or add a word or a filter"};
}

}  // namespace goniec
