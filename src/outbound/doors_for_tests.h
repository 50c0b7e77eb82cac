// False doors for the tests of this room: a resolver that answers from a table, and doors that
// nobody may go through.
// Whoever goes through one of those fails at once, so that no test can reach the network unseen.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "run/world.h"

namespace goniec {

class TableResolver final : public Resolver {
 public:
  Task<DnsAnswer> lookup(std::string name, DnsType type, Moment) override {
    ++questions;
    const auto found = answers.find({name, type});
    if (found != answers.end()) co_return found->second;
    co_return DnsAnswer{
        .status = absent, .records = {}, .canonical_name = {}, .why = "not in the table"};
  }
  void add(const std::string& name, DnsType type, DnsRecord record) {
    DnsAnswer& answer = answers[{name, type}];
    answer.status = DnsStatus::found;
    answer.ttl_seconds = 300;
    answer.records.push_back(std::move(record));
  }
  void add_mx(const std::string& name, std::uint16_t preference, const std::string& host) {
    add(name, DnsType::mx, DnsMx{preference, host});
  }
  void add_address(const std::string& name, std::string_view address) {
    const auto parsed = *IpAddress::parse(address);
    add(name, parsed.v6 ? DnsType::aaaa : DnsType::a, parsed);
  }
  void set(const std::string& name, DnsType type, DnsStatus status) {
    answers[{name, type}] =
        DnsAnswer{.status = status, .records = {}, .canonical_name = {}, .why = "by the test"};
  }

  std::map<std::pair<std::string, DnsType>, DnsAnswer> answers;
  DnsStatus absent = DnsStatus::no_data;
  int questions = 0;
};

class NoHttp final : public HttpFetch {
 public:
  Task<Result<HttpResponse>> fetch(HttpRequest, Moment) override {
    co_return fail(ErrorKind::closed, "no web in this test");
  }
};

class NoOffload final : public Offload {
 public:
  bool submit(Work) override { return false; }
};

}  // namespace goniec
