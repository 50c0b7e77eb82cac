// A false DNS that answers a judgement (proto/inquiry.h) from a table, and runs it to its end. For
// tests and the programs of test vectors only.
//
// A name without records does not exist, unless it stands above one that does (RFC 8020), or was
// told by name(). Aliases are followed, at most 8; a loop is a temporary failure.
#pragma once
#include <algorithm>
#include <map>
#include <string>

#include "base/text.h"
#include "proto/inquiry.h"

namespace goniec {

class FakeDns {
 public:
  // The name exists from now on.
  void name(std::string_view name) { names_[normal(name)]; }
  void add(std::string_view name, DnsType type, DnsRecord record) {
    auto& answer = names_[normal(name)][type];
    if (answer.records.empty()) answer.status = DnsStatus::found;
    answer.records.push_back(std::move(record));
  }
  void alias(std::string_view name, std::string_view target) {
    add(name, DnsType::cname, normal(target));
  }
  void set(std::string_view name, DnsType type, DnsStatus status) {
    names_[normal(name)][type] = status_only(status);
  }
  void set_all(std::string_view name, DnsStatus status) { all_[normal(name)] = status; }

  DnsAnswer answer(const DnsQuestion& question) const {
    std::string name = normal(question.name);
    for (int hops = 0; hops < 9; ++hops) {
      if (auto all = all_.find(name); all != all_.end()) return status_only(all->second);
      const auto found = names_.find(name);
      if (found == names_.end())
        return status_only(is_above_a_name(name) ? DnsStatus::no_data : DnsStatus::no_such_domain);
      if (auto answer = found->second.find(question.type); answer != found->second.end())
        return answer->second;
      const auto alias = found->second.find(DnsType::cname);
      if (alias == found->second.end()) return status_only(DnsStatus::no_data);
      name = std::get<std::string>(alias->second.records[0]);
    }
    return status_only(DnsStatus::temporary);  // a loop
  }

  // Runs a judgement to its end.
  template <class Judge>
  auto solve(Judge judge) const {
    Findings findings(500);
    for (;;) {
      if (auto verdict = judge(findings)) return std::move(*verdict);
      const auto missing = findings.take_missing();
      CHECK(!missing.empty());
      for (const auto& question : missing) findings.learn(question, answer(question));
    }
  }

 private:
  static std::string normal(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    return to_lower(name);
  }
  static DnsAnswer status_only(DnsStatus status) {
    DnsAnswer answer;
    answer.status = status;
    return answer;
  }
  bool is_above_a_name(const std::string& name) const {
    return std::ranges::any_of(names_,
                               [&](const auto& each) { return each.first.ends_with("." + name); });
  }
  std::map<std::string, std::map<DnsType, DnsAnswer>> names_;
  std::map<std::string, DnsStatus> all_;
};

}  // namespace goniec
