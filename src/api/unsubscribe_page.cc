// See unsubscribe_page.h.
#include "api/unsubscribe_page.h"

#include <charconv>

#include "base/digest.h"
#include "base/text.h"
#include "mail/html.h"

namespace goniec {
namespace {

constexpr std::string_view style =
    "body{font:17px/1.5 system-ui,sans-serif;max-width:34em;margin:12vh auto;padding:0 1.5em;"
    "color:#16181d;background:#fbfbf9}h1{font-size:1.5em;line-height:1.2;font-weight:600}"
    "button{font:inherit;padding:.55em 1.4em;border:1px solid #16181d;border-radius:4px;"
    "background:#16181d;color:#fff;cursor:pointer}button.quiet{background:none;color:inherit}"
    "@media(prefers-color-scheme:dark){body{color:#fbfbf9;background:#16181d}"
    "button{background:#fbfbf9;color:#16181d;border-color:#fbfbf9}}";

struct Words {
  std::string_view language;
  std::string_view ask_title, ask, ask_button;
  std::string_view gone_title, gone, gone_button;
  std::string_view excluded_title, excluded;
  std::string_view unknown_title, unknown;
};

constexpr Words english{
    "en",
    "Unsubscribe?",
    "<b>{0}</b> will get no more mail of <b>{1}</b> from this sender. Other mail, such as "
    "invoices, is not touched.",
    "Unsubscribe",
    "You are unsubscribed",
    "<b>{0}</b> gets no more mail of <b>{1}</b> from this sender.",
    "That was a mistake: subscribe again",
    "Nothing is sent to this address",
    "<b>{0}</b> gets no mail of <b>{1}</b> from this sender. To change that, write to the sender.",
    "This link is not known here",
    "It may have been cut on its way. Open it again from the mail, whole."};

constexpr Words polish_words{
    "pl",
    "Wypisać się?",
    "Na adres <b>{0}</b> nie przyjdzie od tego nadawcy więcej wiadomości <b>{1}</b>. Inne "
    "wiadomości, na przykład faktury, pozostają bez zmian.",
    "Wypisz mnie",
    "Wypisano",
    "Na adres <b>{0}</b> nie przyjdzie od tego nadawcy więcej wiadomości <b>{1}</b>.",
    "To pomyłka: zapisz mnie ponownie",
    "Na ten adres nic nie wysyłamy",
    "Na adres <b>{0}</b> nie wysyłamy wiadomości <b>{1}</b>. Aby to zmienić, napisz do nadawcy.",
    "Nie znamy tego odnośnika",
    "Mógł zostać obcięty po drodze. Otwórz go jeszcze raz z wiadomości, w całości."};

std::string document(const Words& words, std::string_view title, std::string_view content) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"{0}\">\n<head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<meta name=\"robots\" content=\"noindex\"><title>{1}</title><style>{2}</style></head>\n"
      "<body><main><h1>{1}</h1>\n{3}</main></body></html>\n",
      words.language, title, style, content);
}

// A form without an address goes to the page's own.
std::string button(std::string_view action, std::string_view look, std::string_view text) {
  return fmt::format(
      "<form method=\"post\"><button{} name=\"action\" value=\"{}\">{}</button></form>\n", look,
      action, text);
}

// {0} the address, {1} the stream.
std::string sentence(std::string_view text, const UnsubscribePage& facts) {
  std::string out("<p>");
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text.substr(at).starts_with("{0}")) {
      out += html_text(facts.address);
      at += 2;
    } else if (text.substr(at).starts_with("{1}")) {
      out += html_text(facts.stream);
      at += 2;
    } else {
      out += text[at];
    }
  }
  return out + "</p>\n";
}

}  // namespace

std::string unsubscribe_page(const UnsubscribePage& facts) {
  const Words& words = facts.polish ? polish_words : english;
  switch (facts.state) {
    case UnsubscribeState::subscribed:
      return document(words, words.ask_title,
                      sentence(words.ask, facts) + button("unsubscribe", "", words.ask_button));
    case UnsubscribeState::unsubscribed:
      return document(words, words.gone_title,
                      sentence(words.gone, facts) +
                          button("resubscribe", " class=\"quiet\"", words.gone_button));
    case UnsubscribeState::excluded:
      break;
  }
  return document(words, words.excluded_title, sentence(words.excluded, facts));
}

std::string unknown_link_page(bool polish) {
  const Words& words = polish ? polish_words : english;
  return document(words, words.unknown_title, sentence(words.unknown, {}));
}

std::string_view unsubscribe_page_policy() {
  static const std::string policy = fmt::format(
      "default-src 'none'; style-src 'sha256-{}'; form-action 'self'; frame-ancestors 'none'; "
      "base-uri 'none'",
      to_base64(digest(DigestKind::sha256, style)));
  return policy;
}

bool prefers_polish(std::string_view accept_language) {
  double polish = 0, english_weight = 0.001;  // English where nothing is said
  for (const std::string_view part : split(accept_language, ',')) {
    const std::size_t mark = part.find(';');
    const std::string tag = to_lower(trim(part.substr(0, mark)));
    double weight = 1;
    if (mark != std::string_view::npos) {
      const auto parameter = trim(part.substr(mark + 1));
      if (parameter.starts_with("q="))
        std::from_chars(parameter.data() + 2, parameter.data() + parameter.size(), weight);
    }
    if (tag == "pl" || tag.starts_with("pl-")) polish = std::max(polish, weight);
    if (tag == "en" || tag.starts_with("en-")) english_weight = std::max(english_weight, weight);
  }
  return polish > english_weight;
}

}  // namespace goniec
