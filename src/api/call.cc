// Queries, percent-encoding, and errors as replies (call.h).
#include "api/call.h"

#include <array>

#include "base/text.h"

namespace goniec {

namespace {

constexpr auto all_kinds = std::to_array<ErrorKind>(
    {ErrorKind::bad_data, ErrorKind::not_found, ErrorKind::conflict, ErrorKind::not_permitted,
     ErrorKind::not_running, ErrorKind::damaged, ErrorKind::try_later, ErrorKind::timed_out,
     ErrorKind::closed, ErrorKind::io, ErrorKind::config, ErrorKind::usage});

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

std::string_view ApiCall::parameter(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return {};
}

std::string_view ApiCall::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::string Principal::submitter() const {
  switch (kind) {
    case Kind::key:
      return key->submitter();
    case Kind::peer:
      return fmt::format("uid={}", uid.value_or(0));
    case Kind::session:
      return user.text();
    case Kind::admin_socket:
      return "admin";
    case Kind::nobody:
      return {};
  }
  CHECK(false);
}

std::vector<std::string> ApiCall::parameters(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : query) {
    if (key == name) values.push_back(value);
  }
  return values;
}

unsigned http_status(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::bad_data:
    case ErrorKind::config:
      return 422;
    case ErrorKind::usage:
      return 400;
    case ErrorKind::not_found:
      return 404;
    case ErrorKind::conflict:
      return 409;
    case ErrorKind::not_permitted:
      return 403;
    case ErrorKind::not_running:
    case ErrorKind::try_later:
    case ErrorKind::closed:
      return 503;
    case ErrorKind::timed_out:
      return 504;
    case ErrorKind::damaged:
    case ErrorKind::io:
      return 500;
  }
  CHECK(false);
}

ApiReply json_reply(JsonWriter&& writer, unsigned status) {
  return {status, "application/json", std::move(writer).take() + "\n", {}};
}

ApiError api_error(const Error& error, std::string field) {
  ApiError out{http_status(error.kind), "application_error", error.message, std::move(field)};
  if (out.status == 422 || out.status == 400) out.name = "validation_error";
  if (out.status == 404) out.name = "not_found";
  if (out.status == 409) out.name = "conflict";
  if (out.status == 403) out.name = "security_error";
  return out;
}

std::unexpected<ApiError> refuse_field(std::string field, std::string message) {
  return std::unexpected(ApiError{.message = std::move(message), .field = std::move(field)});
}

ApiReply error_reply(const ApiError& error) {
  JsonWriter w;
  w.object().key("statusCode").number(error.status).key("name").text(error.name);
  w.key("message").text(error.message);
  if (!error.field.empty()) w.key("field").text(error.field);
  w.key("docs").text("/docs/errors#" + error.name).end();
  auto reply = json_reply(std::move(w), error.status);
  constexpr std::int64_t soon_s = 5;
  const auto after = error.retry_after_s > 0 ? error.retry_after_s
                     : error.status == 503   ? soon_s
                                             : 0;
  if (after > 0) reply.headers.emplace_back("Retry-After", std::to_string(after));
  return reply;
}

ApiReply error_reply(const Error& error) {
  const auto status = http_status(error.kind);
  JsonWriter w;
  w.object().key("statusCode").number(status).key("name").text(name_of(error.kind));
  w.key("message").text(error.message).end();
  return json_reply(std::move(w), status);
}

namespace {

// What the names that programs know come to: those that are no ErrorKind's.
ErrorKind kind_of_status(unsigned status) {
  switch (status) {
    case 400:
    case 422:
      return ErrorKind::bad_data;
    case 401:
    case 403:
      return ErrorKind::not_permitted;
    case 404:
      return ErrorKind::not_found;
    case 409:
      return ErrorKind::conflict;
    case 429:
    case 503:
      return ErrorKind::try_later;
    default:
      return ErrorKind::io;
  }
}

}  // namespace

Error error_of_reply(unsigned status, std::string_view body) {
  Error error{kind_of_status(status),
              fmt::format("the server answered with HTTP status {}", status)};
  const auto json = JsonValue::parse(body);
  if (!json || !json->is_object()) return error;
  error.message = json->text_at("message", error.message);
  const auto name = json->text_at("name");
  for (const auto kind : all_kinds) {
    if (name_of(kind) == name) error.kind = kind;
  }
  return error;
}

std::string decode_percent(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    out += text[i] == '+' && plus_is_blank ? ' ' : text[i];
  }
  return out;
}

std::string encode_percent(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> out;
  if (query.empty()) return out;
  for (const auto part : split(query, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    const auto name = part.substr(0, equals);
    const auto value =
        equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
    out.emplace_back(decode_percent(name, true), decode_percent(value, true));
  }
  return out;
}

}  // namespace goniec
