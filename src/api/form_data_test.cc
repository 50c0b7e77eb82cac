// Forms: what clients send, and what is no form.
#include "api/form_data.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace goniec {
namespace {

std::string told(std::string_view type, std::string_view body) {
  const auto fields = parse_form(type, body);
  if (!fields) return "REFUSED " + fields.error().message;
  std::string out;
  for (const auto& each : *fields) {
    out += fmt::format("[{}={}", each.name, each.value);
    if (each.is_file) out += fmt::format(";{};{}", each.file_name, each.content_type);
    out += "]";
  }
  return out;
}

TEST(FormDataTest, a_multipart_form_gives_its_fields_in_order) {
  struct Case {
    std::string_view body, wanted;
  };
  const Case cases[] = {
      {"--b\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\na@b\r\n--b--\r\n", "[to=a@b]"},
      {"--b\r\nContent-Disposition: form-data; name=to\r\n\r\n\r\n--b--", "[to=]"},
      {"preamble\r\n--b\r\ncontent-disposition:form-data;name=\"a\"\r\n\r\n1\r\n--b\r\n"
       "Content-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n--b--\r\nepilogue",
       "[a=1][a=2]"},
      {"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a \\\"b\\\";.txt\"\r\n"
       "Content-Type: text/plain\r\n\r\nline\r\n\r\n-- bx\r\n--b--\r\n",
       "[f=line\r\n\r\n-- bx;a \"b\";.txt;text/plain]"},
      {"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n\r\n--b--",
       "[f=;;]"},
      {"--b\r\nContent-Disposition: form-data; name=\"f\"; "
       "filename*=UTF-8''za%C5%BC%C3%B3%C5%82.txt\r\n\r\nx\r\n--b--",
       "[f=x;zażół.txt;]"},
      {"--b--\r\n", ""},
      {"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1",
       "REFUSED the form does not end with its boundary"},
      {"--b\r\nContent-Type: text/plain\r\n\r\n1\r\n--b--",
       "REFUSED a part of the form has no name"},
      {"--b\r\nno header here\r\n--b--",
       "REFUSED a part of the form has no header, or one too long"},
      {"--bad\r\n\r\n--b--", "REFUSED a boundary of the form does not end its line"},
      {"nothing", "REFUSED the form has no boundary"},
      {"", "REFUSED the form has no boundary"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(told("multipart/form-data; boundary=b", one.body), one.wanted) << one.body;
    EXPECT_EQ(told("Multipart/Form-Data; charset=utf-8; boundary=\"b\"", one.body), one.wanted);
  }
}

TEST(FormDataTest, a_urlencoded_form_is_taken_too_and_other_types_are_not) {
  EXPECT_EQ(told("application/x-www-form-urlencoded", "to=a%40b&text=x+y&to=&flag"),
            "[to=a@b][text=x y][to=][flag=]");
  EXPECT_EQ(told("application/json", "{}"),
            "REFUSED a form is wanted: multipart/form-data or urlencoded");
  EXPECT_EQ(told("", "a=b"), "REFUSED a form is wanted: multipart/form-data or urlencoded");
  EXPECT_EQ(told("multipart/form-data", "--b--"), "REFUSED the form has no boundary");
  EXPECT_EQ(told("multipart/form-data; boundary=", "--b--"), "REFUSED the form has no boundary");
}

TEST(FormDataTest, more_parts_than_the_limit_and_long_headers_are_refused) {
  std::string body;
  for (int i = 0; i < 2001; ++i)
    body += "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n";
  EXPECT_EQ(told("multipart/form-data; boundary=b", body + "--b--"),
            "REFUSED a form may have 2000 fields");
  std::string many;
  for (int i = 0; i < 2001; ++i) many += "a=b&";
  EXPECT_EQ(told("application/x-www-form-urlencoded", many), "REFUSED a form may have 2000 fields");
  const auto header = "X: " + std::string(9000, 'x');
  EXPECT_EQ(
      told("multipart/form-data; boundary=b",
           "--b\r\n" + header + "\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--b--"),
      "REFUSED a part of the form has no header, or one too long");
  EXPECT_EQ(told("multipart/form-data; boundary=" + std::string(201, 'b'), "--b--"),
            "REFUSED the form has no boundary");
}

}  // namespace
}  // namespace goniec
