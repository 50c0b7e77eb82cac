// Links in HTML: what a browser takes for one, and nothing else; the rest stays octet for octet.
#include "mail/html.h"

#include <gtest/gtest.h>

namespace goniec::test {
namespace {

std::vector<std::string> urls(std::string_view html) {
  std::vector<std::string> found;
  const auto places = find_html_places(html, "data-no");
  EXPECT_TRUE(places.has_value());
  if (places)
    for (const HtmlLink& link : places->links)
      found.push_back((link.marked ? "!" : "") + link.url + "|" +
                      std::string(html.substr(link.begin, link.end - link.begin)));
  return found;
}

TEST(Html, LinksAreFoundAsABrowserReadsThem) {
  using Urls = std::vector<std::string>;
  const std::pair<std::string_view, Urls> cases[] = {
      {"<a href=\"https://a.pl/?x=1&amp;y=2\">x</a>",
       {"https://a.pl/?x=1&y=2|\"https://a.pl/?x=1&amp;y=2\""}},
      {"<A HREF='https://a.pl'>x</A>", {"https://a.pl|'https://a.pl'"}},
      {"<a href=https://a.pl/b>x</a>", {"https://a.pl/b|https://a.pl/b"}},
      {"<a\nhref\n=\n\" https://a.pl \">x", {"https://a.pl|\" https://a.pl \""}},
      {"<!-- <a href=\"https://no.pl\">x</a> --><p title='<a href=\"https://no.pl\">'>", {}},
      {"<style>a[href=\"https://no.pl\"]{}</style><textarea><a href=\"https://no.pl\"></textarea>",
       {}},
      {"<a name=x>x</a><a href>y</a><a href=\"\">z</a><link href=\"https://no.pl\">", {}},
      {"<map><area href=\"https://a.pl\"></map>", {"https://a.pl|\"https://a.pl\""}},
      {"<a data-no href=\"https://a.pl\">x</a>", {"!https://a.pl|\"https://a.pl\""}},
      {"<div data-no><p><a href=\"https://a.pl\">x</a></div><a href=\"https://b.pl\">y</a>",
       {"!https://a.pl|\"https://a.pl\"", "https://b.pl|\"https://b.pl\""}},
      // The parser gives the second <b> twice.
      {"<b><p>1<b>2</p>3</b><a href=\"https://a.pl\"><p>x</a>y", {"https://a.pl|\"https://a.pl\""}},
      {"za\xBF\xF3\xB3\xE6 <a href=\"https://a.pl\">g\xEA\xB6l\xB1</a>",
       {"https://a.pl|\"https://a.pl\""}},
  };
  for (const auto& [html, wanted] : cases) EXPECT_EQ(urls(html), wanted) << html;
}

TEST(Html, AnImageMayBePutBeforeTheEndOfTheBody) {
  const std::string_view whole = "<html><body>x</body></html>";
  EXPECT_EQ(find_html_places(whole, "d")->body_end, whole.find("</body>"));
  EXPECT_EQ(find_html_places("<p>x", "d")->body_end, 4u);
}

TEST(Html, EditsChangeTheirPlacesAlone) {
  EXPECT_EQ(apply_edits("abcdef", {{1, 2, "XX"}, {4, 4, "Y"}}), "aXXcdYef");
  EXPECT_EQ(apply_edits("abc", {}), "abc");
}

TEST(Html, WhatIsBeyondTheLimitsIsRefused) {
  std::string deep;
  for (int i = 0; i < 10'001; ++i) deep += "<b>";
  EXPECT_FALSE(find_html_places(deep, "d").has_value());
  EXPECT_FALSE(find_html_places(std::string(600'000, 'x'), "d").has_value());
  deep.resize(3 * 2'000);
  EXPECT_TRUE(find_html_places(deep, "d").has_value());
}

TEST(Html, TextOfAPageCannotEndItsPlace) {
  EXPECT_EQ(html_text("<a b=\"c\" d='e'>&"), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
}

}  // namespace
}  // namespace goniec::test
