// Runs messages with ARC chains against trust/arc: vectors_arc arc PATH...
//
//   NAME.yml   documents of "tests:" and "txt-records:"; a test with cv (None, Pass, Fail; empty:
//              either) is validated; one with AS, AMS and AAR is sealed with the document's domain,
//              sel and privatekey, its t, sig-headers and srv-id: the tags must be the same
//   NAME.txt   lines "name record", an empty line, the message; its chain passes
//
// Folders are searched. Each message goes in whole and in pieces. Closes with "N passed, N failed".
#include <yaml-cpp/yaml.h>

#include <cstdio>

#include "signed_messages.h"
#include "trust/arc.h"

namespace goniec::vectors {
namespace {

const Instant made_at = from_microseconds(1'667'843'664'000'000);

ArcResult validate(const std::string& message, const FakeDns& zone, std::size_t piece) {
  Parts parts = split_message(message);
  ArcVerifier verifier(std::move(parts.header));
  for (std::size_t at = 0; at < parts.body.size(); at += piece)
    verifier.add_body(std::string_view(parts.body).substr(at, piece));
  verifier.end_body();
  return zone.solve([&](Findings& known) { return verifier.judge(known, made_at); });
}

void run_validation(const std::string& what, const std::string& message, const FakeDns& zone,
                    const std::string& wanted, Tally& tally) {
  const ArcResult result = validate(message, zone, 64 * 1024);
  const ArcResult pieces = validate(message, zone, 5);
  const std::string got(name_of(result.status));
  const bool good = wanted.empty() || to_lower(wanted) == got;
  tally.check(good && pieces.status == result.status && pieces.reason == result.reason,
              what + ": wanted " + to_lower(wanted) + ", got " + got + " " + result.reason);
}

std::string text_of(const YAML::Node& node) {
  return node && node.IsScalar() ? node.as<std::string>() : std::string();
}

// Tags without white space, by name.
std::map<std::string, std::string> tags_of(std::string_view value) {
  std::map<std::string, std::string> tags;
  for (const Tag& tag : read_tags(value).tags)
    tags[std::string(tag.name)] = without_white_space(tag.value);
  return tags;
}

std::string squeezed(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      if (!result.empty() && result.back() != ' ') result += ' ';
    } else {
      result += c;
    }
  }
  return std::string(trim(result));
}

// What this server wrote about the message: the Authentication-Results fields of its id, as one.
std::string results_of(const HeaderBlock& header, const std::string& server) {
  std::string all = server;
  for (const HeaderField& field : header.fields) {
    if (!equal_ignoring_case(field.name, "Authentication-Results")) continue;
    const std::string value = unfold(field.value);
    const auto end = value.find(';');
    if (end == std::string::npos || trim(std::string_view(value).substr(0, end)) != server)
      continue;
    all += "; " + std::string(trim(std::string_view(value).substr(end + 1)));
  }
  return all;
}

// Does the set that the suite expects verify at all? Its message signature on one line, as it was
// sealed; old tests, which the suite itself does not run, do not.
bool expected_verifies(const YAML::Node& test, const std::string& message, const FakeDns& zone) {
  std::string signature = squeezed(text_of(test["AMS"]));
  const TagList list = read_tags(signature);
  if (const Tag* b = list.find("b"))
    signature.replace(static_cast<std::size_t>(b->raw.data() - signature.data()), b->raw.size(),
                      without_white_space(b->raw));
  const std::string set =
      "ARC-Seal: " + squeezed(text_of(test["AS"])) + "\r\nARC-Message-Signature: " + signature +
      "\r\nARC-Authentication-Results: " + squeezed(text_of(test["AAR"])) + "\r\n";
  return validate(set + message, zone, 4096).status == ArcStatus::pass;
}

void run_sealing(const std::string& what, const YAML::Node& test, const YAML::Node& document,
                 const FakeDns& zone, Tally& tally) {
  const std::string message = with_crlf(text_of(test["message"]));
  const Parts parts = split_message(message);
  auto key = PrivateKey::from_pem(text_of(document["privatekey"]));
  auto domain = Domain::parse(text_of(document["domain"]));
  if (!key || !domain) return tally.check(false, what + ": no key or domain");
  ArcSealer sealer(
      {*domain, {text_of(document["sel"]), std::make_shared<PrivateKey>(std::move(*key))}});
  for (std::size_t at = 0; at < parts.body.size(); at += 11)
    sealer.add_body(std::string_view(parts.body).substr(at, 11));
  const auto header = scan_header(parts.header, HeaderLimits{});
  std::vector<std::string> names;
  for (auto name : split_tag_value(text_of(test["sig-headers"]))) names.emplace_back(name);
  const ArcStatus received = validate(message, zone, 4096).status;
  const auto seconds = parse_unsigned(text_of(test["t"])).value_or(0);
  const std::string sealed =
      sealer.seal(parts.header, received, results_of(*header, text_of(test["srv-id"])),
                  from_microseconds(static_cast<std::int64_t>(seconds) * 1'000'000), names);
  const auto made = scan_header(sealed, HeaderLimits{});
  const auto value = [&](std::string_view name) {
    const HeaderField* field = find_field(*made, name);
    return field ? std::string(field->value) : std::string();
  };
  bool good = tags_of(value("ARC-Seal")) == tags_of(text_of(test["AS"])) &&
              tags_of(value("ARC-Message-Signature")) == tags_of(text_of(test["AMS"])) &&
              squeezed(value("ARC-Authentication-Results")) == squeezed(text_of(test["AAR"]));
  if (!good && received == ArcStatus::none && !expected_verifies(test, message, zone))
    return tally.explain(what, "the expected set does not verify itself (RFC 8617 §5.2)");
  tally.check(good, what + ": sealed otherwise: " + sealed);
  if (sealed.empty() || received == ArcStatus::fail) return;
  const ArcResult again = validate(sealed + message, zone, 4096);
  tally.check(again.status == ArcStatus::pass,
              what + ": the seal does not verify: " + again.reason);
}

bool run_yaml(const fs::path& path, Tally& tally) {
  bool known = false;
  try {
    for (const YAML::Node& document : YAML::LoadAllFromFile(path.string())) {
      if (!document.IsMap() || !document["tests"] || !document["txt-records"]) continue;
      FakeDns zone;
      for (const auto& record : document["txt-records"])
        zone.add(record.first.as<std::string>(), DnsType::txt, text_of(record.second));
      for (const auto& each : document["tests"]) {
        const std::string what = path.filename().string() + " " + each.first.as<std::string>();
        const YAML::Node& test = each.second;
        if (test["cv"]) {
          known = true;
          run_validation(what, with_crlf(text_of(test["message"])), zone,
                         squeezed(text_of(test["cv"])), tally);
        } else if (test["AS"]) {
          known = true;
          run_sealing(what, test, document, zone, tally);
        }
      }
    }
  } catch (const YAML::Exception& error) {
    tally.check(false, path.string() + ": no YAML: " + error.what());
    return true;
  }
  return known;
}

bool run_text(const fs::path& path, Tally& tally) {
  const std::string all = with_crlf(read_file(path));
  const auto end = all.find("\r\n\r\n");
  if (end == std::string::npos || all.substr(0, end).find("._domainkey.") == std::string::npos)
    return false;
  FakeDns zone;
  for (std::string_view line : split(std::string_view(all).substr(0, end), '\n')) {
    const auto blank = line.find_first_of(" \t");
    if (blank != std::string_view::npos)
      zone.add(line.substr(0, blank), DnsType::txt, std::string(trim_folding(line.substr(blank))));
  }
  run_validation(path.filename().string(), all.substr(end + 4), zone, "pass", tally);
  return true;
}

}  // namespace
}  // namespace goniec::vectors

int main(int count, char** words) {
  using namespace goniec::vectors;
  if (count < 3 || std::string_view(words[1]) != "arc") {
    std::fputs("usage: vectors_arc arc PATH...\n", stderr);
    return 64;
  }
  return run_paths(count, words, 2, [](const fs::path& path, Tally& tally) {
    if (path.extension() == ".yml" || path.extension() == ".yaml") return run_yaml(path, tally);
    return path.extension() == ".txt" && path.filename() != "LICENSE.txt" && run_text(path, tally);
  });
}
