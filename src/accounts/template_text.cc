// See template_text.h.
//
// The library reads a copy of the template that is written anew from what was scanned here, so that
// both always agree on what a tag is. In the copy the name of a section ends with a mark and the
// length of what it encloses: a look-up then knows that it is one of a section (what counts as
// nothing), and what it will cost (the budget).
#include "accounts/template_text.h"

#include <kainjow/mustache.hpp>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"

namespace goniec {
namespace {

namespace mustache = kainjow::mustache;
using Data = mustache::data;

constexpr char section_mark = '\x01';

enum class TagKind { text, value, raw_value, section, inverted, end, comment };

struct Tag {
  TagKind kind = TagKind::text;
  std::string_view text;    // of text: itself; else the name
  std::size_t begin = 0;    // in the source
  std::size_t end = 0;      // past the tag
  std::size_t partner = 0;  // of a section: the index of its end, and back
};

std::unexpected<Error> refused(std::string_view source, std::size_t at, std::string_view why) {
  std::size_t line = 1;
  for (const char c : source.substr(0, at)) line += c == '\n' ? 1 : 0;
  return fail(ErrorKind::bad_data, fmt::format("line {}: {}", line, why));
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// "each" of Postmark's dialect is what mustache does anyway.
std::string_view without_each(std::string_view name) {
  if (!name.starts_with("each") || name.size() < 5 || !is_blank(name[4])) return name;
  return trimmed(name.substr(5));
}

Result<Tag> read_tag(std::string_view source, std::size_t at) {
  Tag tag{TagKind::value, {}, at};
  const bool triple = source.substr(at).starts_with("{{{");
  const std::string_view close = triple ? "}}}" : "}}";
  const auto from = at + (triple ? 3 : 2);
  const auto to = source.find(close, from);
  if (to == std::string_view::npos) return refused(source, at, "a tag is not closed");
  tag.end = to + close.size();
  tag.text = trimmed(source.substr(from, to - from));
  if (triple) tag.kind = TagKind::raw_value;
  const char first = tag.text.empty() ? '\0' : tag.text.front();
  if (first == '!' && !triple) {
    tag.kind = TagKind::comment;
    return tag;
  }
  if (first == '=') return refused(source, at, "other delimiters are not possible");
  if (first == '>') return refused(source, at, "partials are not possible");
  if (!triple && (first == '#' || first == '^' || first == '/' || first == '&')) {
    tag.kind = first == '#'   ? TagKind::section
               : first == '^' ? TagKind::inverted
               : first == '/' ? TagKind::end
                              : TagKind::raw_value;
    tag.text = trimmed(tag.text.substr(1));
    if (first == '#' || first == '^') tag.text = without_each(tag.text);
  }
  if (tag.text.empty()) return refused(source, at, "a tag has no name");
  if (tag.text.find_first_of(std::string_view("{}#^&!>=\0\x01", 10)) != std::string_view::npos) {
    return refused(source, at, fmt::format("\"{}\" is no name", printable(tag.text, 60)));
  }
  return tag;
}

// {{/each}} closes whatever {{#each x}} opened.
bool closes(std::string_view end, std::string_view begin) {
  return end == begin || end == "each" || without_each(end) == begin;
}

Result<std::vector<Tag>> scan(std::string_view source, const TemplateLimits& limits) {
  if (source.size() > limits.source_octets) {
    return fail(ErrorKind::bad_data,
                fmt::format("a template may have {} octets", limits.source_octets));
  }
  std::vector<Tag> tags;
  std::vector<std::size_t> open;
  for (std::size_t at = 0; at < source.size();) {
    const auto begin = source.find("{{", at);
    if (begin > at) {
      tags.push_back(
          {TagKind::text, source.substr(at, begin - at), at, std::min(begin, source.size())});
    }
    if (begin == std::string_view::npos) break;
    auto tag = TRY(read_tag(source, begin));
    at = tag.end;
    if (tags.size() >= limits.tags) return refused(source, begin, "there are too many tags");
    if (tag.kind == TagKind::section || tag.kind == TagKind::inverted) {
      if (open.size() >= limits.depth) return refused(source, begin, "sections are too deep");
      open.push_back(tags.size());
    } else if (tag.kind == TagKind::end) {
      if (open.empty() || !closes(tag.text, tags[open.back()].text)) {
        return refused(source, begin,
                       fmt::format("{{{{/{}}}}} closes nothing", printable(tag.text, 60)));
      }
      tag.partner = open.back();
      tags[open.back()].partner = tags.size();
      open.pop_back();
    }
    tags.push_back(tag);
  }
  if (open.empty()) return tags;
  const auto& left = tags[open.back()];
  return refused(source, left.begin,
                 fmt::format("the section \"{}\" is not closed", printable(left.text, 60)));
}

std::string marked_name(const std::vector<Tag>& tags, const Tag& section) {
  return fmt::format("{}{}{}", section.text, section_mark,
                     tags[section.partner].begin - section.end);
}

std::string written_anew(const std::vector<Tag>& tags) {
  std::string out;
  for (const auto& tag : tags) {
    switch (tag.kind) {
      case TagKind::text:
        out += tag.text;
        break;
      case TagKind::value:
        out += fmt::format("{{{{{}}}}}", tag.text);
        break;
      case TagKind::raw_value:
        out += fmt::format("{{{{&{}}}}}", tag.text);
        break;
      case TagKind::section:
        out += fmt::format("{{{{#{}}}}}", marked_name(tags, tag));
        break;
      case TagKind::inverted:
        out += fmt::format("{{{{^{}}}}}", marked_name(tags, tag));
        break;
      case TagKind::end:
        out += fmt::format("{{{{/{}}}}}", marked_name(tags, tags[tag.partner]));
        break;
      case TagKind::comment:
        out += "{{!}}";
        break;
    }
  }
  return out;
}

// JSON as the library knows it. Two of its kinds that nothing here uses stand for what it has not:
// `partial` (never asked for) for null, `invalid` for the number 0.
Data data_of(const JsonValue& json) {
  if (json.is_object()) {
    Data object(Data::type::object);
    for (const auto& key : json.keys()) object.set(key, data_of(*json.at(key)));
    return object;
  }
  if (json.is_array()) {
    Data list(Data::type::list);
    for (const auto& item : json.items()) list.push_back(data_of(item));
    return list;
  }
  if (const auto text = json.text()) return Data(*text);
  if (const auto truth = json.boolean()) return Data(*truth);
  if (json.is_null()) return Data(Data::type::partial);
  if (json.real() == 0.0) return Data(Data::type::invalid);
  const auto number = json.dump();  // "1.5E0" of a fraction
  return Data(number.find('E') == std::string::npos ? number
                                                    : fmt::format("{}", json.real().value_or(0)));
}

struct OverBudget {};  // thrown and caught in this file

class Scope final : public mustache::basic_context<std::string> {
 public:
  Scope(const Data& root, const TemplateLimits& limits) : limits_(limits) {
    stack_.push_back(&root);
  }

  void push(const Data* data) override {
    step();
    stack_.push_back(data);
  }
  void pop() override { stack_.pop_back(); }
  const Data* get_partial(const std::string&) const override { return nullptr; }

  const Data* get(const std::string& name) const override {
    step();
    const auto mark = name.find(section_mark);
    const auto* found = find(std::string_view(name).substr(0, mark));
    if (mark == std::string::npos) {
      if (!found) missing_.insert(name);
      return shown(found);
    }
    found = counted(found);
    const auto inside = parse_unsigned(std::string_view(name).substr(mark + 1)).value_or(0);
    charge(inside * (found && found->is_list() ? found->list_value().size() : 1));
    return found;
  }

  const std::set<std::string>& missing() const { return missing_; }

 private:
  const Data* find(std::string_view name) const {
    std::size_t top = stack_.size();
    while (name.starts_with("../") && top > 1) {
      name.remove_prefix(3);
      --top;
    }
    if (name == ".") return stack_[top - 1];
    const auto parts = split(name, '.');
    for (; top > 0; --top) {
      const Data* at = stack_[top - 1];
      for (std::size_t i = 0; at && i < parts.size(); ++i) at = at->get(std::string(parts[i]));
      if (at) return at;
    }
    return nullptr;
  }

  // What a value shows.
  const Data* shown(const Data* data) const {
    static const Data yes("true"), no("false"), zero("0");
    if (!data || data->is_partial()) return nullptr;
    if (data->is_true()) return &yes;
    if (data->is_false()) return &no;
    if (data->is_invalid()) return &zero;
    if (data->is_string()) charge(data->string_value().size());
    return data;
  }

  // What a section makes of it: null is nothing.
  static const Data* counted(const Data* data) {
    if (!data || data->is_partial() || data->is_invalid()) return nullptr;
    if (data->is_string() && data->string_value().empty()) return nullptr;
    return data;
  }

  void step() const {
    if (++steps_ > limits_.steps) throw OverBudget();
  }

  void charge(std::size_t octets) const {
    octets_ += octets;
    if (octets_ > limits_.output_octets) throw OverBudget();
  }

  const TemplateLimits& limits_;
  std::vector<const Data*> stack_;
  mutable std::size_t steps_ = 0, octets_ = 0;
  mutable std::set<std::string> missing_;
};

std::string escaped_html(const std::string& text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// What a model must have, as a tree of names.
struct Wanted {
  std::map<std::string, Wanted, std::less<>> inside;
  Wanted& at(std::string_view path) {
    Wanted* node = this;
    for (const auto part : split(path, '.')) node = &node->inside[std::string(part)];
    return *node;
  }
};

void write_wanted(JsonWriter& w, const Wanted& wanted, std::size_t depth) {
  w.object();
  for (const auto& [name, inside] : wanted.inside) {
    w.key(name);
    if (inside.inside.empty() || depth == 0) {
      w.text(name + "_Value");
    } else {
      write_wanted(w, inside, depth - 1);
    }
  }
  w.end();
}

}  // namespace

Result<void> check_template(std::string_view source, const TemplateLimits& limits) {
  TRY(scan(source, limits));
  return {};
}

Result<FilledText> fill_template(std::string_view source, const JsonValue& model,
                                 TemplateEscape escape, const TemplateLimits& limits) {
  const auto tags = TRY(scan(source, limits));
  mustache::mustache form(written_anew(tags));
  if (!form.is_valid()) return fail(ErrorKind::bad_data, form.error_message());
  form.set_custom_escape(
      escape == TemplateEscape::html ? escaped_html : [](const std::string& text) { return text; });
  const Data root = data_of(model);
  Scope scope(root, limits);
  try {
    auto filled = form.render(scope);
    if (!form.is_valid()) return fail(ErrorKind::bad_data, form.error_message());
    return FilledText{std::move(filled), {scope.missing().begin(), scope.missing().end()}};
  } catch (const OverBudget&) {
    return fail(ErrorKind::bad_data, "the filled template is too large, or takes too long to fill");
  }
}

std::string suggested_model(const std::vector<std::string_view>& sources) {
  constexpr std::size_t depth_limit = 16;
  Wanted root;
  for (const auto source : sources) {
    const auto tags = scan(source, {});
    if (!tags) continue;
    std::vector<Wanted*> scopes{&root};
    for (const auto& tag : *tags) {
      if (tag.kind == TagKind::end) {
        scopes.pop_back();
        continue;
      }
      if (tag.kind == TagKind::text || tag.kind == TagKind::comment) continue;
      Wanted* wanted = scopes.back();
      if (tag.text != "." && !tag.text.starts_with("../") && !tag.text.starts_with('@')) {
        wanted = &wanted->at(tag.text);
      }
      if (tag.kind == TagKind::inverted) wanted = scopes.back();
      if (tag.kind == TagKind::section || tag.kind == TagKind::inverted) scopes.push_back(wanted);
    }
  }
  JsonWriter w;
  write_wanted(w, root, depth_limit);
  return std::move(w).take();
}

}  // namespace goniec
