// From toml++ to our own tree (toml_document.h).
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include "config/toml_document.h"

#include <toml++/toml.h>

#include <algorithm>
#include <tuple>

#include "base/text.h"

namespace goniec {

namespace {

unsigned line_of(const toml::source_region& source) {
  return static_cast<unsigned>(source.begin.line);
}

TomlNode convert(const toml::node& node) {
  TomlNode out;
  out.line = line_of(node.source());
  if (const auto* text = node.as_string()) {
    out.kind = TomlNode::Kind::text;
    out.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    out.kind = TomlNode::Kind::integer;
    out.integer = integer->get();
    out.text = std::to_string(out.integer);
  } else if (const auto* boolean = node.as_boolean()) {
    out.kind = TomlNode::Kind::boolean;
    out.boolean = boolean->get();
    out.text = out.boolean ? "true" : "false";
  } else if (const auto* real = node.as_floating_point()) {
    out.kind = TomlNode::Kind::real;
    out.text = fmt::format("{}", real->get());
  } else if (const auto* list = node.as_array()) {
    out.kind = TomlNode::Kind::list;
    for (const auto& item : *list) out.children.push_back(convert(item));
  } else if (const auto* table = node.as_table()) {
    out.kind = TomlNode::Kind::table;
    for (const auto& [key, value] : *table) {
      auto child = convert(value);
      child.key = std::string(key.str());
      if (const auto line = line_of(key.source()); line != 0) {
        child.line = line;
        child.column = static_cast<unsigned>(key.source().begin.column);
      }
      out.children.push_back(std::move(child));
    }
    std::ranges::stable_sort(out.children, {},
                             &TomlNode::line);  // toml++ keeps tables sorted by key
  }
  return out;
}

}  // namespace

std::string quoted_toml(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (octet < 0x20 || octet == 0x7f) {
      out += fmt::format("\\u{:04X}", octet);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string TomlNode::written() const {
  switch (kind) {
    case Kind::text:
      return quoted_toml(text);
    case Kind::integer:
    case Kind::real:
    case Kind::boolean:
    case Kind::other:
      return text;
    case Kind::list:
    case Kind::table:
      break;
  }
  const bool is_list = kind == Kind::list;
  std::string out(is_list ? "[" : "{");
  for (const auto& child : children) {
    if (&child != &children.front()) out += ", ";
    if (!is_list) out += child.key + " = ";
    out += child.written();
  }
  return out + (is_list ? ']' : '}');
}

std::expected<TomlNode, TomlError> parse_toml(std::string_view text) {
  auto parsed = toml::parse(text);
  if (!parsed) {
    const auto& error = parsed.error();
    return std::unexpected(TomlError{line_of(error.source()), std::string(error.description())});
  }
  return convert(parsed.table());
}

}  // namespace goniec
