// DATA and BDAT of the server session (RFC 5321 §4.1.1.4, RFC 3030, RFC 1870 §6, RFC 2033 §4.2).
//
// Promises: the octets of a message go out as Body steps while they come in, at most one buffer
// held; the size limit is exact, counted as RFC 1870 counts (CRLFs yes, stuffed dots and the end
// mark no). A message that breaks a rule is read to its end, answered there, and the session lives:
// the consumer is told at once (DiscardBody). Octets of a refused chunk are never read as commands.
// Refuses: chunks whose size is unknown or absurd, by closing: their end cannot be found.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "proto/smtp/server_state.h"

namespace goniec::smtp {

namespace {
constexpr std::uint64_t kMoreThanRefused = 16u << 20;
// Octets of a refused message that are still read before the session is cut off.
std::uint64_t patience(const ServerLimits& limits) {
  return limits.message_octets * 4 + kMoreThanRefused;
}
}  // namespace

void ServerSession::State::data(std::string_view) {
  if (!in_transaction) {
    return fail_command(Reply(503, {5, 5, 1}, "MAIL comes first"), "command.order");
  }
  if (body_open) {  // RFC 3030 §2: never mixed with BDAT
    return fail_command(Reply(503, {5, 5, 1}, "this message comes in chunks: BDAT or RSET"),
                        "command.order");
  }
  if (transaction.recipients.empty()) {  // RFC 5321 §3.3, RFC 2033 §4.2
    return fail_command(Reply(503, {5, 5, 1}, "no valid recipients"), "command.order");
  }
  framing = Framing::dot;
  ask(AskData{});
}

void ServerSession::State::bdat(std::string_view arguments) {
  Parsed<ChunkArguments> chunk = parse_chunk_arguments(arguments);
  if (!chunk) {  // RFC 3030 §4.2 leaves no way to know where commands go on
    fail_command(chunk.error(), "bdat.grammar");
    return close("bdat");
  }
  if (chunk->octets > patience(options.limits)) {
    refuse(Reply(552, {5, 3, 4},
                 fmt::format("chunk of {} octets is over the limit of {}", chunk->octets,
                             options.limits.message_octets)),
           "message.size");
    return close("size");
  }
  if (!in_transaction || transaction.recipients.empty()) {
    return swallow(chunk->octets, Reply(503, {5, 5, 1}, "MAIL and a valid recipient come first"),
                   "command.order");
  }
  chunk_octets = chunk_left = chunk->octets;
  chunk_last = chunk->last;
  if (body_open) {
    phase = Phase::content;
    return;
  }
  framing = Framing::counted;
  ask(AskData{});
}

void ServerSession::State::answered_data(const Reply& reply) {
  if (!reply.is_positive() && !reply.is_intermediate()) {
    if (framing == Framing::dot || reply.code == 421) return say(reply);
    forget_transaction();
    return swallow(chunk_octets, reply, "");
  }
  body_open = true;
  too_large = discarding_body = false;
  content_octets = read_octets = 0;
  decoder = ContentDecoder(framing, options.line_ends);
  phase = Phase::content;
  if (framing == Framing::dot) say(Reply(354, {}, "end with <CRLF>.<CRLF>"));
}

bool ServerSession::State::advance_content(std::optional<Step>& step) {
  bool counted = framing == Framing::counted;
  if (counted && chunk_left == 0) {
    end_chunk(step);
    return true;
  }
  std::string_view text = pending_input();
  if (text.empty()) return false;
  if (counted) text = text.substr(0, chunk_left);
  ContentDecoder::Piece piece = decoder.decode(text);
  consume(piece.consumed);
  if (counted) chunk_left -= piece.consumed;
  read_octets += piece.consumed;
  take_piece(piece.content, step);
  if (piece.end) {
    end_content();
  } else if (discarding_body && read_octets > patience(options.limits)) {
    refuse(Reply(421, {4, 7, 0}, "far too much, goodbye"), "message.size");
  }
  return true;
}

void ServerSession::State::take_piece(std::string_view piece, std::optional<Step>& step) {
  content_octets += piece.size();
  if (!discarding_body && content_octets > options.limits.message_octets) {
    too_large = discarding_body = true;
    discard_rule = "size";
  }
  if (!discarding_body && decoder.fault() && options.line_ends == LineEndPolicy::reject) {
    discarding_body = true;
    discard_rule = "line_end";
  }
  if (!discarding_body && !piece.empty()) step = Body{piece};
}

void ServerSession::State::end_content() {
  phase = Phase::command;
  if (discarding_body) {
    if (too_large) {
      return refuse_message(Reply(552, {5, 3, 4},
                                  fmt::format("message is over the limit of {} octets",
                                              options.limits.message_octets)),
                            "message.size");
    }
    // SMTP smuggling (CVE-2023-51764): what others may read as an end of data is not taken in.
    return refuse_message(Reply(550, {5, 5, 2},
                                "bare CR, bare LF or NUL in the message; lines must "
                                "end with CR LF"),
                          "message.line_end");
  }
  body_open = false;  // from here the message is the consumer's
  ask(AskMessage{content_octets});
}

void ServerSession::State::end_chunk(std::optional<Step>& step) {
  // A refusal is said at once: what follows it has no transaction any more.
  if (!chunk_last && !discarding_body) {
    phase = Phase::command;
    return accept(Reply(250, {2, 0, 0}, fmt::format("{} octets taken", chunk_octets)));
  }
  if (!chunk_last) reply_order.resize(std::min<std::size_t>(reply_order.size(), 1));
  take_piece(decoder.finish(), step);  // a CR at the very end is bare
  end_content();
}

void ServerSession::State::swallow(std::uint64_t octets, Reply reply, std::string rule) {
  swallow_left = octets;
  swallow_reply = std::move(reply);
  swallow_rule = std::move(rule);
  phase = Phase::swallow;
}

bool ServerSession::State::advance_swallow() {
  std::uint64_t octets = std::min<std::uint64_t>(swallow_left, pending_input().size());
  consume(octets);
  swallow_left -= octets;
  if (swallow_left > 0) return false;
  phase = Phase::command;
  Reply reply = *std::exchange(swallow_reply, std::nullopt);
  if (swallow_rule.empty()) {
    say(reply);
  } else {
    fail_command(std::move(reply), swallow_rule);
  }
  return true;
}

// RFC 2033 §4.2: LMTP answers the end of a message once for each accepted recipient, a refusal too.
void ServerSession::State::refuse_message(const Reply& reply, std::string rule) {
  note_refusal(reply, std::move(rule));
  std::size_t times = is_lmtp() ? reply_order.size() : 1;
  forget_transaction();
  for (std::size_t i = 0; i < times; ++i) say(reply);
}

void ServerSession::State::answered_message(std::vector<Reply> replies) {
  if (replies.empty()) replies.emplace_back(451, EnhancedCode{4, 3, 0}, "not kept, try again");
  std::vector<std::size_t> order = std::exchange(reply_order, {});
  forget_transaction();
  if (!is_lmtp()) return accept(replies.front());
  for (std::size_t index : order) accept(replies[std::min(index, replies.size() - 1)]);
}

}  // namespace goniec::smtp
