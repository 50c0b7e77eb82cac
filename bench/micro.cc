// What the small steps of a message cost, each alone, by Google Benchmark: command, address and
// header parsing, dot-stuffing and its reverse, CRC32C. Input: the address corpus of tests/data and
// a header as mail servers write them. Run in the root of the repository (the corpus is read from
// there). Spool and settle over the true store: bench/store.cc.
#include <benchmark/benchmark.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/digest.h"
#include "mail/address.h"
#include "mail/header.h"
#include "proto/smtp/command.h"
#include "proto/smtp/data.h"
#include "proto/smtp/outgoing_body.h"

namespace goniec {
namespace {

void commands(benchmark::State& state) {
  const std::string_view lines[] = {"EHLO mail.example.org",
                                    "MAIL FROM:<sender@example.org> SIZE=10240 BODY=8BITMIME",
                                    "RCPT TO:<recipient@example.net> NOTIFY=FAILURE,DELAY",
                                    "DATA",
                                    "BDAT 65536 LAST",
                                    "QUIT"};
  for (auto _ : state)
    for (std::string_view line : lines) benchmark::DoNotOptimize(smtp::parse_command_line(line));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(std::size(lines)));
}
BENCHMARK(commands);

void paths(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(
        parse_forward_path("<some.recipient+tag@mail.example.net> ORCPT=x", Utf8Policy::allow));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(paths);

// The first column of the corpus, \xNN resolved.
std::vector<std::string> corpus_of_addresses() {
  std::vector<std::string> addresses;
  std::ifstream file("tests/data/address/eai.tsv");
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::string address;
    const std::string text = line.substr(0, line.find('\t'));
    for (std::size_t i = 0; i < text.size(); ++i) {
      const bool escaped = text.compare(i, 2, "\\x") == 0 && i + 3 < text.size();
      address +=
          escaped ? static_cast<char>(std::stoi(text.substr(i + 2, 2), nullptr, 16)) : text[i];
      if (escaped) i += 3;
    }
    addresses.push_back(std::move(address));
  }
  return addresses;
}

void addresses(benchmark::State& state) {
  const auto corpus = corpus_of_addresses();
  if (corpus.empty()) return state.SkipWithError("no corpus: run in the root of the repository");
  for (auto _ : state)
    for (const std::string& address : corpus) benchmark::DoNotOptimize(Address::parse(address));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(corpus.size()));
}
BENCHMARK(addresses);

std::string make_header() {
  std::string header;
  for (int i = 0; i < 4; ++i)
    header +=
        "Received: from relay.example.org (relay.example.org [192.0.2.1])\r\n"
        "\tby mx.example.net with ESMTPS id 0SBAXJBF9YC2Q\r\n"
        "\tfor <recipient@example.net>; Mon, 23 Nov 2026 06:10:00 +0000\r\n";
  return header +
         "From: \"A. Sender\" <sender@example.org>\r\nTo: one@example.net,\r\n two@example.net\r\n"
         "Subject: =?utf-8?Q?Za=C5=BC=C3=B3=C5=82=C4=87?= and more words\r\n"
         "Date: Mon, 23 Nov 2026 06:10:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
         "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
}

void headers(benchmark::State& state) {
  const std::string header = make_header();
  for (auto _ : state) benchmark::DoNotOptimize(scan_header(header, HeaderLimits{}));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(header.size()));
}
BENCHMARK(headers);

void mailboxes(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(parse_header_mailboxes(
        " \"A. Sender\" <sender@example.org>, group: one@example.net, two@example.net;"));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(mailboxes);

// Lines of 72 octets, every tenth begins with a dot.
std::string make_body(std::int64_t octets, std::string_view dot) {
  std::string body;
  for (int line = 0; static_cast<std::int64_t>(body.size()) < octets; ++line) {
    if (line % 10 == 0) body += dot;
    body += std::string(70, 'b') + "\r\n";
  }
  return body;
}

void dot_stuffing(benchmark::State& state) {
  const std::string body = make_body(state.range(0), ".");
  for (auto _ : state) {
    std::string out;
    smtp::OutgoingBody outgoing(smtp::OutgoingBody::Framing::dots);
    outgoing.write(body, out);
    outgoing.finish(out);
    benchmark::DoNotOptimize(out);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(body.size()));
}
BENCHMARK(dot_stuffing)->Arg(10240)->Arg(65536);

void dot_unstuffing(benchmark::State& state) {
  const std::string body = make_body(state.range(0), "..") + ".\r\n";
  for (auto _ : state) {
    smtp::ContentDecoder decoder(smtp::Framing::dot, smtp::LineEndPolicy::reject);
    std::string_view rest = body;
    for (bool end = false; !end && !rest.empty();) {
      const auto piece = decoder.decode(rest);
      benchmark::DoNotOptimize(piece.content);
      rest.remove_prefix(piece.consumed);
      end = piece.end;
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(body.size()));
}
BENCHMARK(dot_unstuffing)->Arg(10240)->Arg(65536);

void checksum(benchmark::State& state) {
  const std::string body(static_cast<std::size_t>(state.range(0)), 'c');
  for (auto _ : state) benchmark::DoNotOptimize(crc32c(body));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(checksum)->Arg(1024)->Arg(65536);

}  // namespace
}  // namespace goniec

BENCHMARK_MAIN();
