// The API of Postmark, for programs that move here by a change of their base URL. Spoken at
// /postmark/… and, with Postmark's header of the token, at the root of the host as well. The token
// is an API key of ours (X-Postmark-Server-Token or X-Postmark-Account-Token).
//
// Errors are {"ErrorCode":300,"Message":"…"}. The texts of messages are part of the contract:
// clients read the addresses out of them. What is understood, and what is not, is in
// docs/migrate.md. Names of paths are taken in any case, and with a slash at their end.
#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "accounts/postmark_words.h"
#include "api/call.h"
#include "api/outgoing.h"

namespace goniec {

struct PostmarkLimits {
  std::size_t recipients = 50;  // of one message, to, cc and bcc together
  std::size_t batch = 500;
  std::size_t page = 500;  // count= of lists
};

// Postmark's codes: https://postmarkapp.com/developer/api/overview#error-codes
struct PostmarkError {
  unsigned status = 422;
  int code = 300;
  std::string message;
};
template <class T = void>
using PostmarkResult = std::expected<T, PostmarkError>;

// `call.path` without the prefix. Finds out who calls, and answers.
Task<ApiReply> answer_postmark(ApiContext& context, ApiCall call);

// Of a key that is none, or not good now.
ApiReply postmark_refusal(const ApiError& error);

// ---------------------------------------------------------------- pure, for tests too
// A message of POST /email; of a template the content is not looked at.
enum class PostmarkContent { given, of_template };
PostmarkResult<OutgoingEmail> postmark_email_of(const JsonValue& json, PostmarkContent content);
// What send_email refused, in Postmark's words.
PostmarkError postmark_error_of(const ApiError& error, const OutgoingEmail& email);
std::string inactive_recipients_text(const std::vector<std::string>& addresses, bool all);

// ---------------------------------------------------------------- what its files share
struct PostmarkCall {
  ApiCall call;
  std::vector<std::string> arguments;  // what stood for {…}
  bool test = false;                   // the token POSTMARK_API_TEST
};
using PostmarkHandler = Task<ApiReply> (*)(ApiContext& context, PostmarkCall call);
struct PostmarkRoute {
  std::string_view method, pattern;
  PostmarkHandler handler;
  KeyScope scope = KeyScope::send;
  bool test = false;  // also with the token POSTMARK_API_TEST
};

ApiReply postmark_error(const PostmarkError& error);
ApiReply postmark_error(unsigned status, int code, std::string message);
// The body as an object, or its error 402.
PostmarkResult<JsonValue> postmark_body(const ApiCall& call);
PostmarkResult<JsonValue> postmark_object(std::string_view text);
struct PostmarkPage {
  std::size_t count = 100, offset = 0;
};
PostmarkResult<PostmarkPage> postmark_page(const ApiCall& call);

}  // namespace goniec
