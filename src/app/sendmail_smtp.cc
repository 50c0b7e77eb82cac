// SMTP on stdin (sendmail_smtp.h).
#include "app/sendmail_smtp.h"

#include <unistd.h>

#include <array>
#include <iostream>

#include "api/call.h"
#include "app/server_client.h"
#include "base/text.h"
#include "proto/smtp/server.h"
#include "run/system.h"

namespace goniec {

namespace {

std::string_view ret_text(DsnReturn ret) {
  switch (ret) {
    case DsnReturn::unspecified:
      return "";
    case DsnReturn::full:
      return "full";
    case DsnReturn::headers:
      return "hdrs";
  }
  CHECK(false);
}

class StdinSession {
 public:
  explicit StdinSession(const StdinSmtpOptions& options)
      : options_(options), client_(options.socket), session_(server_options(options)) {}

  int run() {
    while (true) {
      auto step = session_.next();
      if (std::holds_alternative<smtp::Close>(step)) return 0;
      if (auto* send = std::get_if<smtp::Send>(&step)) {
        std::cout << send->bytes << std::flush;
      } else if (std::holds_alternative<smtp::NeedInput>(step)) {
        read();
      } else if (auto* ask = std::get_if<smtp::Ask>(&step)) {
        answer(*ask);
      } else if (auto* body = std::get_if<smtp::Body>(&step)) {
        body_ += body->chunk;
      } else if (std::holds_alternative<smtp::DiscardBody>(step)) {
        body_.clear();
      } else {
        session_.tls_failed();
      }
    }
  }

 private:
  static smtp::ServerOptions server_options(const StdinSmtpOptions& options) {
    smtp::ServerOptions out;
    out.hostname = options.hostname;
    out.listener = ListenerKind::submission;
    out.line_ends = smtp::LineEndPolicy::normalise;
    return out;
  }

  void read() {
    std::array<char, 16 * 1024> buffer;
    const auto octets = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (octets <= 0) {
      session_.receive_end();
    } else {
      session_.receive(std::string_view(buffer.data(), static_cast<std::size_t>(octets)));
    }
  }

  void answer(const smtp::Ask& ask) {
    const auto& question = ask.question;
    if (std::holds_alternative<smtp::AskMessage>(question)) {
      session_.answer_message(ask.token, {submit()});
    } else if (const auto* recipient = std::get_if<smtp::AskRecipient>(&question)) {
      session_.answer(ask.token, check(recipient->recipient.address));
    } else if (std::holds_alternative<smtp::AskGreeting>(question)) {
      session_.answer(ask.token, Reply(220, {}, options_.hostname + " ESMTP Goniec"));
    } else if (std::holds_alternative<smtp::AskHelo>(question)) {
      session_.answer(ask.token, Reply(250, {}, options_.hostname));
    } else if (std::holds_alternative<smtp::AskData>(question)) {
      session_.answer(ask.token, Reply(354, {}, "End data with <CR><LF>.<CR><LF>"));
    } else if (std::holds_alternative<smtp::AskSender>(question)) {
      body_.clear();
      session_.answer(ask.token, Reply(250, {2, 1, 0}, "Ok"));
    } else if (std::holds_alternative<smtp::AskVerify>(question)) {
      session_.answer(ask.token, Reply(252, {2, 1, 5}, "Send some mail, and it will be tried"));
    } else {
      session_.answer(ask.token, Reply(503, {5, 5, 1}, "There is no login here"));
    }
  }

  Reply check(const Address& address) {
    const auto known = client_.call("GET", "/api/v1/verify/" + encode_percent(address.text()));
    if (known) return Reply(250, {2, 1, 5}, "Ok");
    if (known.error().kind == ErrorKind::not_found)
      return Reply(550, {5, 1, 1}, "No such user here");
    return Reply(451, {4, 3, 0}, "The server cannot be asked now");
  }

  Reply submit() {
    const auto& transaction = session_.transaction();
    JsonWriter w;
    w.object().key("from").text(transaction.sender.address.text()).key("recipients").array();
    for (const auto& each : transaction.recipients) {
      w.object().key("to").text(each.address.text()).key("notify").text(each.notify.text());
      if (each.original_recipient) w.key("orcpt").text(*each.original_recipient);
      w.end();
    }
    w.end();
    if (const auto ret = ret_text(transaction.sender.ret); !ret.empty()) w.key("ret").text(ret);
    if (transaction.sender.envelope_id) w.key("envid").text(*transaction.sender.envelope_id);
    w.key("body").text(transaction.sender.body == BodyType::eight_bit ? "8BITMIME" : "7BIT").end();
    const auto answer = client_.call("POST", "/api/v1/submit",
                                     std::move(w).take() + "\n" + std::exchange(body_, {}));
    if (answer) return Reply::from_one_line(answer->text_at("reply"));
    const auto reply = Reply::from_one_line(answer.error().message);
    if (reply.code != 0) return reply;
    const bool later = answer.error().kind == ErrorKind::not_running ||
                       answer.error().kind == ErrorKind::try_later;
    return later ? Reply(451, {4, 3, 0}, answer.error().message)
                 : Reply(554, {5, 6, 0}, answer.error().message);
  }

  StdinSmtpOptions options_;
  ServerClient client_;
  smtp::ServerSession session_;
  std::string body_;
};

}  // namespace

int speak_smtp_on_stdin(const StdinSmtpOptions& options) {
  return StdinSession(options).run();
}

}  // namespace goniec
