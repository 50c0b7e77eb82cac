// Tables of received reports (report_ops.h).
// What a stranger wrote is shown by printable(), cut to a column's worth.
#include "app/report_ops.h"

#include "api/call.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t column = 40;

std::string target_of(std::string_view path, const std::string& domain) {
  return std::string(path) + (domain.empty() ? "" : "?domain=" + encode_percent(domain));
}

// The rows of a list, or the exit code of a call that failed or was printed whole.
std::expected<std::vector<JsonValue>, int> rows_of(const Common& common,
                                                   const std::string& target) {
  const auto client = client_of(common);
  if (!client) return std::unexpected(client.error());
  const auto answer = client->call("GET", target);
  if (!answer) return std::unexpected(print_error(answer.error()));
  if (!common.json) return answer->items();
  print(answer->dump() + "\n");
  return std::unexpected(exit_done);
}

std::string day_of(const JsonValue& row) {
  return row.text_at("begin_at").substr(0, 10);
}

std::string number(const JsonValue& row, std::string_view key) {
  return std::to_string(row.integer_at(key));
}

// "quarantine 3, reject 1"
std::string counts(const JsonValue& row, std::string_view key) {
  const auto object = row.at(key);
  std::string out;
  for (const auto& name : object ? object->keys() : std::vector<std::string>())
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", printable(name, column),
                       object->integer_at(name));
  return out;
}

}  // namespace

int run_dmarc_report(const Common& common, const std::string& domain) {
  const auto rows = rows_of(common, target_of("/api/v1/reports/dmarc", domain));
  if (!rows) return rows.error();
  TextTable table({"day", "domain", "reporter", "policy", "messages", "passed"});
  for (const auto& row : *rows)
    table.add({day_of(row), printable(row.text_at("domain"), column),
               printable(row.text_at("reporter"), column), row.text_at("policy"),
               number(row, "messages"), number(row, "passed")});
  print(table.empty() ? "no DMARC report was received\n" : table.text());
  return exit_done;
}

int run_dmarc_sources(const Common& common, const std::string& domain) {
  const auto rows = rows_of(common, target_of("/api/v1/reports/dmarc/sources", domain));
  if (!rows) return rows.error();
  TextTable table({"source", "name", "messages", "passed", "dkim", "spf", "disposition"});
  for (const auto& row : *rows)
    table.add({row.text_at("source"), printable(row.text_at("name"), column),
               number(row, "messages"), number(row, "passed"), number(row, "dkim_aligned"),
               number(row, "spf_aligned"), counts(row, "dispositions")});
  print(table.empty() ? "no DMARC report was received\n" : table.text());
  return exit_done;
}

int run_tls_reports(const Common& common, const std::string& domain) {
  const auto rows = rows_of(common, target_of("/api/v1/reports/tls", domain));
  if (!rows) return rows.error();
  TextTable table({"day", "domain", "policy", "reporter", "successful", "failed", "failures"});
  for (const auto& row : *rows)
    table.add({day_of(row), printable(row.text_at("domain"), column), row.text_at("policy"),
               printable(row.text_at("reporter"), column), number(row, "successful"),
               number(row, "failed"), counts(row, "failures")});
  print(table.empty() ? "no TLS report was received\n" : table.text());
  return exit_done;
}

int run_send_reports(const Common& common) {
  const auto client = client_of(common);
  if (!client) return client.error();
  const auto answer = client->call("POST", "/api/v1/reports/send", "{}");
  if (!answer) return print_error(answer.error());
  print(common.json ? answer->dump() + "\n"
                    : fmt::format("{} reports sent\n", answer->integer_at("sent")));
  return exit_done;
}

}  // namespace goniec
