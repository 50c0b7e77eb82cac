// One message as the API shows it: what it is, what became of each recipient, and its content as
// long as that is kept.
// All of it is a projection of the message's events, with what still waits in the queue.
#pragma once
#include "api/call.h"

namespace goniec {

// What became of a recipient, or of a message: that of its least settled recipient.
enum class EmailStatus {
  queued,
  scheduled,
  deferred,
  held,
  bounced,
  expired,
  complained,
  suppressed,
  canceled,
  delivered
};
std::string_view name_of(EmailStatus status);

struct RecipientStory {
  std::string address;
  EmailStatus status = EmailStatus::queued;
  std::int64_t attempts = 0;
  std::string last_reply, host, phase, tls;  // of the last attempt; tls: JSON, "" none
  Instant last_attempt{}, next_attempt{};
  bool known = false;  // an outcome or an entry spoke of it
  // It did not get it, or not yet, and something was said about that.
  bool is_refused() const;
};
struct RefusalFacts;
RefusalFacts refusal_of(const RecipientStory& story);  // api/explain.h

struct EmailStory {
  MessageId id;
  std::string received;  // data of the first event, JSON
  Instant created{};
  Instant scheduled{};     // zero: it was not put off
  std::string last_event;  // "delivered", "bounced"… as Resend names them
  std::vector<RecipientStory> recipients;
  EmailStatus status() const;
};
// nullopt: no event `received` is among them.
std::optional<EmailStory> story_of(MessageId id, const std::vector<Event>& events,
                                   const std::vector<Entry>& entries, Instant now);

// 404 also for who may not see it.
Task<ApiResult<EmailStory>> find_story(ApiContext& context, Principal who, MessageId id);

Task<ApiReply> show_email(ApiContext& context, ApiCall call);
Task<ApiReply> list_email_events(ApiContext& context, ApiCall call);
Task<ApiReply> show_email_trace(ApiContext& context, ApiCall call);
Task<ApiReply> show_email_transcript(ApiContext& context, ApiCall call);
Task<ApiReply> show_email_headers(ApiContext& context, ApiCall call);
Task<ApiReply> show_email_content(ApiContext& context, ApiCall call);
Task<ApiReply> show_email_raw(ApiContext& context, ApiCall call);

// May they see this message? A key that is bound to a domain or a stream sees what was sent there.
bool may_see(const Principal& principal, const JsonValue& received);

// The whole message as it left; not_found when its body is no longer kept.
Result<std::string> read_message(Reader& reader, MessageId id);

struct TextParts {
  std::optional<std::string> text, html;  // UTF-8, cut at a limit
  struct Part {
    std::string type, file_name, content_id;
    std::uint64_t octets = 0;
  };
  std::vector<Part> parts;
  bool truncated = false;
};
TextParts text_parts_of(std::string_view message);

}  // namespace goniec
