// Runs files of test data against the mail room: vectors_mail SUITE PATH...
//
//   address   isemail XML: what RFC 5321 allows parses; ISEMAIL_ERR and what only RFC 5322
//             allows does not; deprecated forms may do either
//   eai       TSV: escaped address, expectation
//   encoding  TSV by file name: base64, quoted_printable, rfc2047_decode, rfc2231_params, xtext
//   mime      messages: whole or cut in pieces gives one structure; beside a mime4j NAME.xml
//             the events agree, beside a mail-parser NAME.json the number of parts
//
// Folders are searched. Prints each failing case and closes with "N passed, N failed".
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "base/json.h"
#include "base/text.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/words.h"
#include "mail/xtext.h"
#include "tests/tools/vector_kit.h"

namespace goniec {
namespace {

using namespace vectors;

// ------------------------------------------------------------------------------------- address
void append_utf8(std::string& out, unsigned value) {
  if (value < 0x80) {
    out += static_cast<char>(value);
  } else if (value < 0x800) {
    out += {static_cast<char>(0xC0 | value >> 6), static_cast<char>(0x80 | (value & 0x3F))};
  } else {
    out += {static_cast<char>(0xE0 | value >> 12), static_cast<char>(0x80 | (value >> 6 & 0x3F)),
            static_cast<char>(0x80 | (value & 0x3F))};
  }
}

// XML entities; U+2400 to U+241F stand for the control characters.
std::string xml_text(std::string_view xml) {
  std::string out;
  for (std::size_t at = 0; at < xml.size(); ++at) {
    const auto end = xml.find(';', at);
    if (xml[at] != '&' || end == std::string_view::npos) {
      out += xml[at];
      continue;
    }
    const auto name = xml.substr(at + 1, end - at - 1);
    if (name == "amp") out += '&';
    if (name == "lt") out += '<';
    if (name == "gt") out += '>';
    if (name == "quot") out += '"';
    if (name == "apos") out += '\'';
    if (name.starts_with('#')) {
      const bool hex = name.starts_with("#x");
      const auto value = static_cast<unsigned>(
          std::stoul(std::string(name.substr(hex ? 2 : 1)), nullptr, hex ? 16 : 10));
      append_utf8(out, value >= 0x2400 && value < 0x2420 ? value - 0x2400 : value);
    }
    at = end;
  }
  return out;
}

std::string element(std::string_view xml, const std::string& name) {
  const auto begin = xml.find("<" + name + ">");
  if (begin == std::string_view::npos) return {};
  const auto from = begin + name.size() + 2;
  return xml_text(xml.substr(from, xml.find("</" + name + ">", from) - from));
}

void run_isemail(const fs::path& path, Tally& tally) {
  const auto xml = read_file(path);
  for (auto at = xml.find("<test id="); at != std::string::npos;
       at = xml.find("<test id=", at + 1)) {
    const auto test = std::string_view(xml).substr(at, xml.find("</test>", at) - at);
    const auto category = element(test, "category");
    if (category == "ISEMAIL_DEPREC") continue;
    const auto address = element(test, "address");
    const bool a_label = address.find("@xn--") != std::string::npos;  // not one by IDNA: refused
    const bool wanted = category == "ISEMAIL_VALID_CATEGORY" ||
                        (category == "ISEMAIL_DNSWARN" && !a_label) ||
                        category == "ISEMAIL_RFC5321";
    const auto parsed = Address::parse(address);
    tally.check(parsed.has_value() == wanted,
                fmt::format("{} {} '{}'{}", category, element(test, "diagnosis"), address,
                            parsed ? "" : ": " + parsed.error().message));
    if (parsed)
      tally.check(Address::parse(parsed->text()) == *parsed, "printed and read again: " + address);
  }
}

void run_eai(const fs::path& path, Tally& tally) {
  for (const auto& row : rows_of(path)) {
    const auto address = unescaped(row.at(0));
    const auto& expected = row.at(1);
    const auto parsed = Address::parse(address);
    const bool refused = expected.starts_with("invalid") || expected.starts_with("refuse") ||
                         expected.find("over the") != std::string::npos;
    tally.check(parsed.has_value() != refused, row.at(0) + ": " + expected);
    if (parsed) {
      tally.check(Address::parse(parsed->unicode()) == *parsed, "again: " + row.at(0));
    }
    if (expected.find("no SMTPUTF8 needed") != std::string::npos) {
      tally.check(Address::parse(address, Utf8Policy::refuse).has_value(), row.at(0));
    }
  }
}

// ------------------------------------------------------------------------------------ encoding
void run_base64(const fs::path& path, Tally& tally) {
  for (const auto& row : rows_of(path)) {
    const auto data = from_base64(unescaped(row.at(1)));
    if (row.at(0) == "!ERR") {
      tally.check(!data, row.at(1));
    } else {
      tally.check(data == unescaped(row.at(0)), row.at(1));
      tally.check(to_base64(unescaped(row.at(0))) == row.at(1), row.at(0));
    }
  }
}

void run_quoted_printable(const fs::path& path, Tally& tally) {
  for (const auto& row : rows_of(path)) {
    const auto raw = unescaped(row.at(0));
    tally.check(decode_quoted_printable(unescaped(row.at(1))) == raw, row.at(1));
    tally.check(decode_quoted_printable(encode_quoted_printable(raw)) == raw, row.at(0));
  }
}

// The text of an expectation without the note in parentheses that follows some.
std::string without_note(std::string text) {
  const auto note = text.find(" (");
  return note == std::string::npos ? text : text.substr(0, note);
}

void run_words(const fs::path& path, Tally& tally) {
  for (const auto& row : rows_of(path)) {
    const auto expected = JsonValue::parse(row.at(1)).value().text().value();
    const auto text = decode_words(unescaped(row.at(0)));
    tally.check(text == expected || text == without_note(expected),
                fmt::format("{} gave '{}', wanted '{}'", row.at(0), text, expected));
    tally.check(decode_words(encode_words(text)) == text, "again: " + row.at(0));
  }
}

void run_parameters(const fs::path& path, Tally& tally) {
  for (const auto& row : rows_of(path)) {
    const auto parsed = parse_parameterized("attachment; " + unescaped(row.at(0)));
    const auto* value = parsed.find(row.at(1));
    const auto& expected = row.at(2);
    const bool only_bounded =
        expected.starts_with("bounded") || expected.find("no crash") != std::string::npos;
    tally.check(value && (only_bounded || *value == unescaped(expected) ||
                          *value == without_note(expected)),
                fmt::format("{} gave '{}', wanted '{}'", row.at(0).substr(0, 80),
                            value ? *value : "nothing", expected));
  }
}

void run_xtext(const fs::path& path, Tally& tally) {
  for (const auto& row : rows_of(path)) {
    const auto decoded = decode_xtext(row.at(1));
    if (row.at(0).starts_with("!")) {
      tally.check(!decoded, row.at(1));
    } else if (row.at(0).find("must be refused") != std::string::npos) {
      tally.check(decoded && !is_safe_in_a_field(*decoded), row.at(1));
    } else {
      tally.check(decoded == unescaped(row.at(0)), row.at(1));
      tally.check(encode_xtext(unescaped(row.at(0))) == row.at(1), row.at(0));
    }
  }
}

void run_encoding(const fs::path& path, Tally& tally) {
  const auto name = path.stem().string();
  if (name == "base64") run_base64(path, tally);
  if (name == "quoted_printable") run_quoted_printable(path, tally);
  if (name == "rfc2047_decode") run_words(path, tally);
  if (name == "rfc2231_params") run_parameters(path, tally);
  if (name == "xtext") run_xtext(path, tally);
}

// ---------------------------------------------------------------------------------------- mime
// The events of mime4j without their texts: "M{X[P{B}P{M{B}}]}" and so on.
std::string events_of(const MimeStructure& structure, std::size_t index) {
  std::string inside;
  for (std::size_t at = index + 1; at < structure.parts.size(); ++at) {
    if (structure.parts[at].parent != index) continue;
    const auto child = events_of(structure, at);
    inside += structure.parts[index].holds_message ? "M{" + child + "}" : "P{" + child + "}";
  }
  if (structure.parts[index].is_multipart()) return "X[" + inside + "]";
  return inside.empty() ? "B" : inside;
}

std::string events_of_xml(std::string_view xml) {
  const std::pair<std::string_view, std::string_view> names[] = {
      {"message", "M{"},   {"/message", "}"},   {"multipart", "X["}, {"/multipart", "]"},
      {"body-part", "P{"}, {"/body-part", "}"}, {"body", "B"}};
  std::string events;
  for (auto at = xml.find('<'); at != std::string_view::npos; at = xml.find('<', at + 1)) {
    const auto tag = xml.substr(at + 1, xml.find('>', at) - at - 1);
    for (const auto& [name, event] : names) {
      if (tag == name) events += event;
    }
  }
  return events;
}

bool same(const MimeStructure& a, const MimeStructure& b) {
  return std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(),
                    [](const MimePart& x, const MimePart& y) {
                      return x.type == y.type && x.parent == y.parent &&
                             x.header_begin == y.header_begin && x.body_begin == y.body_begin &&
                             x.body_end == y.body_end;
                    });
}

// Parts that mail-parser counts: not those of messages inside.
std::size_t own_parts(const MimeStructure& structure) {
  std::set<std::size_t> inner;
  for (std::size_t at = 0; at < structure.parts.size(); ++at) {
    const auto parent = structure.parts[at].parent;
    if (parent == MimePart::none) continue;
    if (structure.parts[parent].holds_message || inner.contains(parent)) inner.insert(at);
  }
  return structure.parts.size() - inner.size();
}

void run_mime(const fs::path& path, Tally& tally) {
  const std::set<std::string> messages{".eml", ".msg", ".txt", ".mbox"};
  if (!messages.contains(path.extension()) || path.string().find("_decoded") != std::string::npos)
    return;
  auto message = read_file(path);
  if (message.starts_with("From ")) message.erase(0, message.find('\n') + 1);  // of an mbox file
  const auto structure = scan_mime(message);
  for (std::size_t size : {1, 7, 4096}) {
    MimeScanner scanner;
    for (std::size_t at = 0; at < message.size(); at += size) {
      scanner.feed(std::string_view(message).substr(at, size));
    }
    tally.check(same(structure, scanner.finish()),
                fmt::format("{} in pieces of {}", path.string(), size));
  }
  for (const auto& part : structure.parts) {
    decode_transfer(part.encoding, std::string_view(message).substr(
                                       part.body_begin, part.body_end - part.body_begin));
  }
  for (const auto& field : scan_header(message, {}).value_or(HeaderBlock{}).fields) {
    parse_header_mailboxes(field.value);
    decode_words(field.value);
  }
  // A message in base64 is a leaf to us, and how to count parts of broken mail is each reader's
  // own.
  const bool opaque = std::any_of(
      structure.parts.begin(), structure.parts.end(),
      [](const MimePart& part) { return part.type == "message/rfc822" && !part.holds_message; });
  if (opaque || structure.faults.not_closed ||
      path.string().find("/malformed/") != std::string::npos) {
    return;
  }
  auto beside = path;
  if (fs::exists(beside.replace_extension(".xml"))) {
    const auto wanted = events_of_xml(read_file(beside)),
               got = "M{" + events_of(structure, 0) + "}";
    tally.check(got == wanted, fmt::format("{}: {} wanted {}", path.string(), got, wanted));
  }
  if (fs::exists(beside.replace_extension(".json"))) {
    const auto json = JsonValue::parse(read_file(beside));
    if (json && json->at("parts")) {
      const auto wanted = json->at("parts")->items().size();
      tally.check(
          own_parts(structure) == wanted,
          fmt::format("{}: {} parts, wanted {}", path.string(), own_parts(structure), wanted));
    }
  }
}

int run(std::string_view suite, const std::vector<fs::path>& paths) {
  Tally tally;
  for (const auto& path : paths) {
    if (suite == "address") run_isemail(path, tally);
    if (suite == "eai") run_eai(path, tally);
    if (suite == "encoding") run_encoding(path, tally);
    if (suite == "mime") run_mime(path, tally);
  }
  fmt::print("{} passed, {} failed\n", tally.passed, tally.failed);
  return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}

}  // namespace
}  // namespace goniec

int main(int count, char** words) {
  std::vector<std::filesystem::path> paths;
  for (int at = 2; at < count; ++at) {
    if (!std::filesystem::is_directory(words[at])) {
      paths.emplace_back(words[at]);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(words[at])) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) {
    std::fputs("usage: vectors_mail address|eai|encoding|mime PATH...\n", stderr);
    return 64;
  }
  return goniec::run(words[1], paths);
}
