// Any octets as an answer, as a mail that came back, as a feedback report:
// what is read is bounded, a verdict always has words,
// and only a bad mailbox is ever dead.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "config/bounce_rules.h"
#include "mail/arf.h"
#include "mail/bounce_words.h"
#include "mail/returned_mail.h"

using namespace goniec;

namespace {

const BounceRules& rules() {
  static const BounceRules loaded = [] {
    auto read = load_bounce_rules("");
    CHECK(read);
    return std::move(*read);
  }();
  return loaded;
}

void judge(const BounceVerdict& verdict) {
  CHECK(is_bounce_hint(verdict.hint) && !verdict.rule.empty());
  CHECK(!verdict.is_dead_address() || verdict.klass == BounceClass::bad_mailbox);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] % 3 == 0) {
    const auto reply = read_reply(octets);
    CHECK(bounce_text(reply).words.size() <= bounce_text_octets + size);
    judge(rules().classify(reply));
    judge(rules().classify(Reply::from_one_line(octets.substr(0, octets.find('\n')))));
  } else if (data[0] % 3 == 1) {
    const auto mail = read_returned_mail(octets);
    CHECK(mail.recipients.size() <= returned_recipients);
    CHECK(mail.kind == ReturnedKind::delivery_report || mail.recipients.empty());
    for (const auto& one : mail.recipients) judge(classify_returned(rules(), one));
  } else if (const auto report = read_feedback_report(octets)) {
    CHECK(report->original_recipients.size() <= arf_fields);
    (void)report->recipient();
    CHECK(queue_ids_in(report->returned_header, "mx.example.test").size() <= size);
  }
  return 0;
}
