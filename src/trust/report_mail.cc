// See report_mail.h.
#include "trust/report_mail.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "mail/mime.h"
#include "trust/tags.h"

namespace goniec {
namespace {

bool contains_ignoring_case(std::string_view text, std::string_view what) {
  return std::search(text.begin(), text.end(), what.begin(), what.end(),
                     [](char a, char b) { return to_lower(a) == to_lower(b); }) != text.end();
}

// UTF-16 of either order: each second octet of "<?xml" is zero. pugixml knows them by itself.
bool is_wide_xml(std::string_view text) {
  return text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF") ||
         text.starts_with(std::string_view("<\0", 2)) ||
         text.starts_with(std::string_view("\0<", 2));
}

std::optional<ReportKind> kind_of(std::string_view text) {
  if (is_wide_xml(text)) return ReportKind::dmarc_aggregate;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const std::string_view begin = trim_folding(text);
  if (begin.starts_with('{') && contains_ignoring_case(begin, "\"policies\""))
    return ReportKind::tls;
  if (begin.starts_with('<') && contains_ignoring_case(begin, "<feedback"))
    return ReportKind::dmarc_aggregate;
  // A prefix of a namespace before the name.
  if (begin.starts_with("<?xml") && contains_ignoring_case(begin, ":feedback"))
    return ReportKind::dmarc_aggregate;
  return std::nullopt;
}

class Search {
 public:
  explicit Search(ReportMailLimits limits) : limits_(std::move(limits)) {}

  void look_at(std::string_view octets, const std::string& name) {
    if (looked_++ >= limits_.parts) return;
    auto files = unpack(octets, limits_.unpack);
    if (!files) {
      problem(name, files.error().message);
      return;
    }
    for (auto& file : *files) {
      limits_.unpack.octets -= std::min(limits_.unpack.octets, file.octets.size());
      const auto kind = kind_of(file.octets);
      if (!kind) continue;
      found_.reports.push_back(
          {*kind, file.name.empty() ? name : std::move(file.name), std::move(file.octets)});
    }
  }
  void add(ReportKind kind, std::string text) { found_.reports.push_back({kind, {}, text}); }
  void problem(const std::string& name, std::string_view why) {
    found_.problems.push_back(
        fmt::format("{}: {}", name.empty() ? "a part without a name" : printable(name), why));
  }
  ReportMail take() && { return std::move(found_); }

 private:
  ReportMailLimits limits_;
  ReportMail found_;
  std::size_t looked_ = 0;
};

bool is_text_for_people(const MimePart& part) {
  const auto name = to_lower(part.file_name);
  for (const std::string_view end : {".xml", ".json", ".gz", ".zip"}) {
    if (name.ends_with(end)) return false;
  }
  return part.type == "text/plain" || part.type == "text/html" || part.type.starts_with("image/") ||
         part.type.starts_with("message/") || part.type == "text/rfc822-headers";
}

}  // namespace

ReportMail find_reports(std::string_view message, ReportMailLimits limits) {
  Search search(limits);
  if (message.size() > limits.mail_octets) {
    search.problem("the mail",
                   fmt::format("{} octets, at most {}", message.size(), limits.mail_octets));
    return std::move(search).take();
  }
  const MimeStructure structure = scan_mime(message);
  for (const MimePart& part : structure.parts) {
    if (part.is_multipart() || part.holds_message) continue;
    const auto body = message.substr(part.body_begin, part.body_end - part.body_begin);
    if (part.type == "message/feedback-report") {
      search.add(ReportKind::failure, decode_transfer(part.encoding, body));
      continue;
    }
    if (is_text_for_people(part)) continue;
    search.look_at(decode_transfer(part.encoding, body), part.file_name);
  }
  return std::move(search).take();
}

ReportMail find_reports_in_file(std::string_view octets, std::string_view name,
                                ReportMailLimits limits) {
  Search search(std::move(limits));
  search.look_at(octets, std::string(name));
  return std::move(search).take();
}

}  // namespace goniec
