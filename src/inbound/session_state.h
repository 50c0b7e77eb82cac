// The inside of SmtpSession, shared by session.cc (wire) and session_answers.cc (questions).
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "inbound/log_lines.h"
#include "inbound/policy.h"
#include "inbound/session.h"
#include "proto/proxy.h"

namespace goniec {

struct SmtpSession::State {
  InboundParts& parts;
  ListenerOptions listener;
  std::unique_ptr<Stream> stream;
  std::shared_ptr<const InboundOptions> options;
  Caller caller;
  Admission::Ticket ticket;
  std::optional<smtp::ServerSession> session;
  std::unique_ptr<Checks> checks;  // of a stranger on mx; else null
  std::unique_ptr<Draft> draft;
  std::vector<StageFact> stages;     // of the current transaction
  std::vector<KnownReturn> returns;  // of it too
  std::string identify_rule;
  Instant identified_at{}, envelope_at{};
  std::string scram_user;
  std::optional<ApiKey> key;  // that the client logged in by

  Moment ends_at{}, command_deadline{};
  std::optional<Moment> data_started;
  std::uint64_t body_octets = 0;
  std::uint32_t seen_commands = 0;
  bool shutting_down = false, waiting_idle = false;
  Admission::Charge charge;  // of the message being received, or of a long envelope

  State(InboundParts& parts, ListenerOptions listener, std::unique_ptr<Stream> stream);
  Instant now() const { return parts.world.loop.clock().now(); }
  Moment moment() const { return parts.world.loop.clock().moment(); }
  void log(LogRecord record) { parts.log.write(std::move(record)); }

  Task<void> run();
  Task<bool> read_proxy_header();
  Task<bool> start_tls();
  Task<void> refuse_connection(Reply reply, std::string rule);
  smtp::ServerOptions server_options() const;
  Task<void> speak();
  Task<bool> read_more(smtp::Wait wait);
  Task<Result<std::size_t>> read_some();
  Moment input_deadline(smtp::Wait wait);
  void note_refusals();
  void count_refusal(std::string_view rule);
  void start_checks();
  bool begin_charge(std::size_t expected);  // false: no room for one more message
  std::size_t envelope_octets(std::size_t recipients) const;
  void make_room_for(std::string_view chunk);  // or the draft is refused
  void charge_what_is_held();
  void drop_draft();  // and its charge

  // session_answers.cc
  Task<void> answer(smtp::Ask ask);
  Task<void> answer_password(smtp::AskPassword question, std::uint64_t token);
  LoginAnswer check_key(const smtp::AskPassword& question);
  bool may_send_as(const Address& sender) const;
  void answer_scram_done(smtp::AskScramDone question, std::uint64_t token);
  void logged_in_as(const LoginAnswer& result, std::string_view mechanism, std::string_view user);
  void answer_sender(const smtp::AskSender& question, std::uint64_t token);
  struct Returned {
    std::optional<SrsStatus> status;  // nullopt: no return address
    bool silent = false;              // the store does not say whose it is
  };
  Task<Returned> find_return(Address address, Resolved resolved);
  Task<void> answer_recipient(smtp::AskRecipient question, std::uint64_t token);
  void answer_data(std::uint64_t token);
  Task<void> answer_message(std::uint64_t token);
  DraftFacts draft_facts();
  bool is_submission() const {
    return listener.kind == ListenerKind::submission || listener.kind == ListenerKind::submissions;
  }
};

}  // namespace goniec
