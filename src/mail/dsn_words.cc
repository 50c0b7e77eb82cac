// The explanations of dsn_words.h.
#include "mail/dsn_words.h"

#include <array>

namespace goniec {
namespace {

struct Row {
  std::uint16_t subject, detail;
  Explanation explanation;
};

constexpr Explanation no_mailbox{
    "There is no such mailbox at the recipient's server.",
    "Na serwerze adresata nie ma takiej skrzynki.",
    "Check the spelling of the address, or ask the recipient for the current one.",
    "Sprawdź pisownię adresu albo zapytaj adresata o aktualny adres."};
constexpr Explanation no_domain{"The domain of the address does not exist or does not accept mail.",
                                "Domena adresu nie istnieje lub nie przyjmuje poczty.",
                                "Check the part of the address after the @ sign.",
                                "Sprawdź część adresu po znaku @."};
constexpr Explanation mailbox_full{
    "The recipient's mailbox is full.", "Skrzynka adresata jest pełna.",
    "Tell the recipient another way, and send the message again later.",
    "Powiadom adresata inną drogą i wyślij wiadomość ponownie później."};
constexpr Explanation mailbox_closed{"The recipient's mailbox is not in use at present.",
                                     "Skrzynka adresata jest obecnie nieczynna.",
                                     "Ask the recipient for another address.",
                                     "Zapytaj adresata o inny adres."};
constexpr Explanation too_large{
    "The message is larger than the recipient's server accepts.",
    "Wiadomość jest większa, niż przyjmuje serwer adresata.",
    "Send it in parts, or send a link to the file instead of the file.",
    "Wyślij ją w częściach albo zamiast pliku wyślij odnośnik do niego."};
constexpr Explanation no_answer{
    "The recipient's server did not answer or did not take the message in time.",
    "Serwer adresata nie odpowiadał lub nie przyjął wiadomości na czas.",
    "Nothing is wrong with your message. Send it again later, or reach the recipient another way.",
    "Z wiadomością wszystko w porządku. Wyślij ją ponownie później albo skontaktuj się z adresatem "
    "inną drogą."};
constexpr Explanation loop{"The message went round in a circle between mail servers.",
                           "Wiadomość krążyła w kółko między serwerami poczty.",
                           "Tell the recipient's administrator that mail for this address loops.",
                           "Powiadom administratora adresata, że poczta na ten adres zapętla się."};
constexpr Explanation refused{
    "The recipient's server refused the message by its rules.",
    "Serwer adresata odrzucił wiadomość zgodnie ze swoimi zasadami.",
    "Read the server's answer below; your administrator can tell what it asks for.",
    "Przeczytaj odpowiedź serwera poniżej; Twój administrator wyjaśni, czego ona wymaga."};
constexpr Explanation cannot_convert{
    "The recipient's server cannot take a message of this kind.",
    "Serwer adresata nie potrafi przyjąć wiadomości tego rodzaju.",
    "Send it as plain text, or with an address in plain Latin letters.",
    "Wyślij ją jako zwykły tekst albo użyj adresu bez znaków spoza alfabetu łacińskiego."};
constexpr Explanation unknown{"The message could not be delivered.",
                              "Nie udało się dostarczyć wiadomości.",
                              "Read the server's answer below, or ask your administrator.",
                              "Przeczytaj odpowiedź serwera poniżej albo zapytaj administratora."};

constexpr std::array<Row, 28> rows{{
    {1, 1, no_mailbox},   {1, 2, no_domain},      {1, 3, no_mailbox},     {1, 6, no_mailbox},
    {1, 10, no_domain},   {2, 1, mailbox_closed}, {2, 2, mailbox_full},   {2, 3, too_large},
    {3, 1, mailbox_full}, {3, 4, too_large},      {4, 1, no_answer},      {4, 2, no_answer},
    {4, 3, no_answer},    {4, 4, no_domain},      {4, 6, loop},           {4, 7, no_answer},
    {5, 3, refused},      {6, 3, cannot_convert}, {6, 7, cannot_convert}, {6, 9, cannot_convert},
    {7, 0, refused},      {7, 1, refused},        {7, 7, refused},        {7, 25, refused},
    {7, 26, refused},     {7, 27, refused},       {7, 28, refused},       {3, 0, no_answer},
}};

}  // namespace

const Explanation& explanation_of(const EnhancedCode& status) {
  for (const auto& row : rows) {
    if (row.subject == status.subject && row.detail == status.detail) return row.explanation;
  }
  return status.subject == 7 ? refused : unknown;
}

}  // namespace goniec
