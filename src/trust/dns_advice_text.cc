// The advice as a table for people, a piece of a zone file, or JSON: see dns_advice.h.
// Whatever stood in DNS is shown by printable(); in the zone file a text is quoted, so that no
// octet of it can end its record.
#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "trust/dns_advice.h"

namespace goniec {
namespace {

constexpr std::size_t string_octets = 255;  // RFC 1035 §3.3: a character string

// "v=DKIM1; p=…" in strings of at most 255 octets, each quoted (RFC 1035 §5.1).
std::string quoted(std::string_view text) {
  std::string out;
  do {
    const auto piece = text.substr(0, string_octets);
    text.remove_prefix(piece.size());
    out += out.empty() ? "\"" : " \"";
    for (const char c : piece) {
      const auto octet = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        out += '\\';
        out += c;
      } else if (octet < 32 || octet > 126) {
        out += fmt::format("\\{:03}", octet);
      } else {
        out += c;
      }
    }
    out += '"';
  } while (!text.empty());
  return out;
}

std::string value_in_zone(const AdvisedRecord& record) {
  return record.type == "TXT" ? quoted(record.value) : record.value;
}

bool is_inside(const std::string& name, const std::string& domain) {
  return name == domain || name.ends_with("." + domain);
}

std::string state_of(const AdvisedRecord& record) {
  if (record.state == AdviceState::missing && !record.required) return "missing (optional)";
  return std::string(name_of(record.state));
}

}  // namespace

std::string advice_as_table(const DnsAdvice& advice, AdviceDetail detail) {
  std::string out;
  if (detail == AdviceDetail::records) {
    std::size_t widest = 0;
    for (const auto& record : advice.records) widest = std::max(widest, record.name.size());
    for (const auto& record : advice.records) {
      out += fmt::format("{:<15} {:<{}} {:<5} {}\n", record.topic, record.name, widest, record.type,
                         record.value.empty() ? "(" + record.fix + ")" : record.value);
    }
  } else {
    for (const auto& record : advice.records) {
      out += fmt::format("{:<18} {:<15} {} {}\n", state_of(record), record.topic, record.name,
                         record.type);
      if (!record.found.empty()) out += fmt::format("{:18} found: {}\n", "", record.found);
      if (record.state == AdviceState::ok && record.fix.empty()) continue;
      if (!record.value.empty()) out += fmt::format("{:18} wanted: {}\n", "", record.value);
      out += fmt::format("{:18} why: {}\n", "", record.why);
      if (!record.fix.empty()) out += fmt::format("{:18} fix: {}\n", "", record.fix);
    }
  }
  for (const auto& note : advice.notes) out += note + "\n";
  out += "MTA-STS policy, of https://mta-sts." + advice.domain + "/.well-known/mta-sts.txt:\n";
  for (const auto line : split(advice.mta_sts_policy, '\n')) {
    if (!line.empty()) out += "  " + std::string(line) + "\n";
  }
  return out;
}

std::string advice_as_zone(const DnsAdvice& advice) {
  std::string out = fmt::format("; mail for {}: include this in its zone\n", advice.domain);
  for (const auto& record : advice.records) {
    if (record.value.empty()) {
      out += fmt::format("; {}: {}\n", record.topic, record.fix);
      continue;
    }
    const bool here = record.ours_to_set && is_inside(record.name, advice.domain);
    if (!here) out += record.ours_to_set ? "; in another zone:\n; " : "; at the provider:\n; ";
    if (here && !record.ready) out += fmt::format("; {}:\n; ", record.fix);
    out += fmt::format("{}. 3600 IN {} {}\n", record.name, record.type, value_in_zone(record));
  }
  for (const auto& note : advice.notes) out += "; " + note + "\n";
  return out;
}

std::string advice_as_json(const DnsAdvice& advice, AdviceDetail detail) {
  JsonWriter json;
  json.object().key("domain").text(advice.domain);
  json.key("records").array();
  for (const auto& record : advice.records) {
    json.object().key("topic").text(record.topic).key("name").text(record.name);
    json.key("type").text(record.type).key("value").text(record.value);
    json.key("required").boolean(record.required);
    if (detail == AdviceDetail::check) {
      json.key("state").text(name_of(record.state));
      json.key("found").text(record.found).key("fix").text(record.fix);
    }
    json.key("why").text(record.why).end();
  }
  json.end().key("notes").array();
  for (const auto& note : advice.notes) json.text(note);
  json.end().key("mta_sts_policy").text(advice.mta_sts_policy);
  if (detail == AdviceDetail::check) json.key("wrong").boolean(advice.is_wrong());
  json.end();
  return std::move(json).take();
}

}  // namespace goniec
