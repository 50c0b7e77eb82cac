// The table of bounce_words.h. Keys begin with the class; what is behind it tells causes apart that
// need another fix.
#include "mail/bounce_words.h"

#include <algorithm>
#include <array>

namespace goniec {
namespace {

using enum BounceActor;

constexpr auto table = std::to_array<BounceWords>({
    {"bounce.bad_mailbox", sender, "There is no such mailbox at the recipient's server.",
     "Na serwerze adresata nie ma takiej skrzynki.",
     "Check the spelling of the address, or ask the recipient for the current one.",
     "Sprawdź pisownię adresu albo zapytaj adresata o aktualny adres."},
    {"bounce.bad_mailbox.disabled", sender,
     "The recipient's mailbox is switched off or has not been used for long.",
     "Skrzynka adresata jest wyłączona albo od dawna nieużywana.",
     "Ask the recipient for another address.", "Zapytaj adresata o inny adres."},
    {"bounce.bad_mailbox.moved", sender, "The recipient has moved to another address.",
     "Adresat ma teraz inny adres.",
     "Ask the recipient for the new address; the server's answer may name it.",
     "Zapytaj adresata o nowy adres; odpowiedź serwera może go podawać."},
    {"bounce.bad_domain", sender, "The domain of the address does not exist.",
     "Domena adresu nie istnieje.", "Check the part of the address after the @ sign.",
     "Sprawdź część adresu po znaku @."},
    {"bounce.bad_domain.no_mail", sender, "The domain of the address does not accept mail.",
     "Domena adresu nie przyjmuje poczty.",
     "Check the part of the address after the @ sign, or ask the recipient for another address.",
     "Sprawdź część adresu po znaku @ albo zapytaj adresata o inny adres."},
    {"bounce.mailbox_full", recipient, "The recipient's mailbox is full.",
     "Skrzynka adresata jest pełna.",
     "Tell the recipient another way to make room, and send the message again later.",
     "Powiadom adresata inną drogą, żeby zrobił miejsce, i wyślij wiadomość ponownie później."},
    {"bounce.message_too_big", sender, "The message is larger than the recipient's server accepts.",
     "Wiadomość jest większa, niż przyjmuje serwer adresata.",
     "Send it in parts, or send a link to the file instead of the file.",
     "Wyślij ją w częściach albo zamiast pliku wyślij odnośnik do niego."},
    {"bounce.content_blocked", sender,
     "The recipient's server took the content of the message for spam or forbids it.",
     "Serwer adresata uznał treść wiadomości za spam albo jej zabrania.",
     "Look at links, attachments and wording, and change them; a person can also ask the recipient "
     "to allow your address.",
     "Przejrzyj i zmień odnośniki, załączniki i sformułowania; możesz też poprosić adresata o "
     "dopuszczenie Twojego adresu."},
    {"bounce.content_blocked.virus", sender,
     "The recipient's server found a virus or malware in the message.",
     "Serwer adresata znalazł w wiadomości wirusa lub szkodliwe oprogramowanie.",
     "Check your computer and the attached files before sending anything again.",
     "Sprawdź komputer i załączone pliki, zanim wyślesz cokolwiek ponownie."},
    {"bounce.content_blocked.attachment", sender,
     "The recipient's server does not take attachments of this kind.",
     "Serwer adresata nie przyjmuje załączników tego rodzaju.",
     "Send the file another way, or a link to it.",
     "Prześlij plik inną drogą albo wyślij odnośnik do niego."},
    {"bounce.content_blocked.link", sender, "A link in the message is on a list of bad addresses.",
     "Odnośnik w wiadomości jest na liście niebezpiecznych adresów.",
     "Find out which domain is listed, and remove it or have it delisted.",
     "Ustal, która domena jest na liście, i usuń ją z wiadomości albo z listy."},
    {"bounce.content_blocked.format", sender,
     "The message does not keep the rules of the mail format.",
     "Wiadomość nie zachowuje reguł formatu poczty.",
     "Send it with another program; the one that made it must write one From, one Date and one "
     "Message-ID, and no lines that are too long.",
     "Wyślij ją innym programem; ten, który ją utworzył, musi zapisać po jednym polu From, Date i "
     "Message-ID i nie tworzyć zbyt długich wierszy."},
    {"bounce.spam_reputation", server,
     "The recipient's provider distrusts this sender: too much of its mail was taken for spam.",
     "Dostawca adresata nie ufa temu nadawcy: zbyt wiele jego poczty uznano za spam.",
     "The administrator sends less and only to those who asked for it, and looks at the provider's "
     "postmaster page; repeating makes it worse.",
     "Administrator wysyła mniej i tylko do tych, którzy tego chcą, i sprawdza stronę postmastera "
     "tego dostawcy; ponawianie pogarsza sprawę."},
    {"bounce.ip_blocklisted", server, "The address of the sending server is on a blocklist.",
     "Adres serwera wysyłającego jest na liście blokowanych.",
     "The administrator ends what caused the listing, and then asks the list named in the answer "
     "to "
     "remove the address.",
     "Administrator usuwa przyczynę wpisu, a potem prosi listę wymienioną w odpowiedzi o usunięcie "
     "adresu."},
    {"bounce.ip_blocklisted.dynamic", server,
     "The sending server's address belongs to a range for home connections, which may not send "
     "mail itself.",
     "Adres serwera wysyłającego należy do puli łączy domowych, z której nie wolno wysyłać poczty "
     "bezpośrednio.",
     "The administrator sends through the provider's mail server ([[route]]), or has the range "
     "changed by the provider.",
     "Administrator wysyła przez serwer pocztowy swojego dostawcy ([[route]]) albo prosi go o "
     "zmianę puli."},
    {"bounce.auth_policy", server,
     "The recipient's server cannot verify that the message is from this sender.",
     "Serwer adresata nie może potwierdzić, że wiadomość pochodzi od tego nadawcy.",
     "The administrator of the sending domain checks SPF, DKIM and DMARC: goniec dns DOMAIN "
     "--check.",
     "Administrator domeny nadawcy sprawdza SPF, DKIM i DMARC: goniec dns DOMENA --check."},
    {"bounce.auth_policy.spf", server,
     "The sending server is not among those that the sender's domain permits (SPF).",
     "Serwer wysyłający nie jest wśród dozwolonych przez domenę nadawcy (SPF).",
     "The administrator adds this server's address to the SPF record of the domain: goniec dns "
     "DOMAIN --check.",
     "Administrator dodaje adres tego serwera do rekordu SPF domeny: goniec dns DOMENA --check."},
    {"bounce.auth_policy.dkim", server, "The signature of the message is missing or wrong (DKIM).",
     "Podpisu wiadomości brakuje albo jest nieprawidłowy (DKIM).",
     "The administrator publishes the DKIM key of the domain: goniec dns DOMAIN --check.",
     "Administrator publikuje klucz DKIM domeny: goniec dns DOMENA --check."},
    {"bounce.auth_policy.dmarc", server,
     "The sender's domain asks to refuse mail that is not proven to be its own (DMARC).",
     "Domena nadawcy każe odrzucać pocztę, która nie jest potwierdzona jako jej własna (DMARC).",
     "The administrator makes SPF or DKIM pass for the domain in From. Do not send in the name of "
     "another provider's domain.",
     "Administrator sprawia, że SPF lub DKIM potwierdza domenę z pola From. Nie wysyłaj w imieniu "
     "domeny innego dostawcy."},
    {"bounce.auth_policy.ptr", server,
     "The sending server's address has no matching name in DNS (PTR, reverse DNS).",
     "Adres serwera wysyłającego nie ma pasującej nazwy w DNS (PTR, rekord odwrotny).",
     "The administrator has the hosting provider set the PTR record to the server's name, which "
     "must lead back to the address.",
     "Administrator prosi dostawcę serwera o ustawienie rekordu PTR na nazwę serwera, która musi "
     "prowadzić z powrotem do tego adresu."},
    {"bounce.auth_policy.helo", server,
     "The name by which the sending server greets is not accepted.",
     "Nazwa, którą przedstawia się serwer wysyłający, nie jest akceptowana.",
     "The administrator sets hostname to a full name that leads to this server in DNS.",
     "Administrator ustawia hostname na pełną nazwę, która w DNS prowadzi do tego serwera."},
    {"bounce.auth_policy.sender", sender,
     "The recipient's server does not accept the sender's address.",
     "Serwer adresata nie przyjmuje adresu nadawcy.",
     "Check that the sender's address exists and can receive mail, and that its domain has records "
     "in DNS.",
     "Sprawdź, czy adres nadawcy istnieje i przyjmuje pocztę oraz czy jego domena ma rekordy w "
     "DNS."},
    {"bounce.rate_limited", nobody, "The recipient's provider takes no more mail at this rate.",
     "Dostawca adresata nie przyjmuje więcej poczty w tym tempie.",
     "It is tried again more slowly by itself; if it was given up, send it again later.",
     "Próby są ponawiane same, wolniej; jeśli ich zaniechano, wyślij ją ponownie później."},
    {"bounce.rate_limited.recipient", nobody,
     "The recipient is getting more mail at present than the provider allows.",
     "Adresat dostaje teraz więcej poczty, niż pozwala jego dostawca.", "Send it again later.",
     "Wyślij ją ponownie później."},
    {"bounce.greylisted", nobody,
     "The recipient's server lets mail from senders it does not know wait (greylisting).",
     "Serwer adresata każe czekać poczcie od nieznanych nadawców (greylisting).",
     "It is tried again by itself; if it was given up, send it again later.",
     "Próby są ponawiane same; jeśli ich zaniechano, wyślij ją ponownie później."},
    {"bounce.dns_error", postmaster, "The recipient's domain could not be looked up in DNS.",
     "Nie udało się znaleźć domeny adresata w DNS.",
     "When it lasts, the administrator of that domain must repair its DNS.",
     "Jeśli to trwa, administrator tamtej domeny musi naprawić jej DNS."},
    {"bounce.connection", postmaster,
     "The recipient's server did not answer or did not take the message in time.",
     "Serwer adresata nie odpowiadał lub nie przyjął wiadomości na czas.",
     "Nothing is wrong with your message. Send it again later, or reach the recipient another way.",
     "Z wiadomością wszystko w porządku. Wyślij ją ponownie później albo skontaktuj się z "
     "adresatem "
     "inną drogą."},
    {"bounce.tls", postmaster,
     "No connection as secure as it has to be could be made with the recipient's server.",
     "Nie udało się nawiązać z serwerem adresata dostatecznie bezpiecznego połączenia.",
     "The administrator of the recipient's server must repair its certificate or encryption.",
     "Administrator serwera adresata musi naprawić jego certyfikat lub szyfrowanie."},
    {"bounce.tls.wanted", server,
     "The recipient's server takes mail over encrypted connections only.",
     "Serwer adresata przyjmuje pocztę wyłącznie przez połączenia szyfrowane.",
     "The administrator lets the route use TLS (tls = \"required\").",
     "Administrator włącza TLS na tej drodze (tls = \"required\")."},
    {"bounce.protocol", postmaster, "The two mail servers did not understand each other.",
     "Serwery poczty nie porozumiały się ze sobą.",
     "Tell the administrator; the transcript of the session shows where it went wrong.",
     "Powiadom administratora; zapis sesji pokazuje, w którym miejscu coś poszło nie tak."},
    {"bounce.protocol.address", sender,
     "The recipient's server does not accept the form of the address.",
     "Serwer adresata nie przyjmuje adresu w tej postaci.",
     "Check the spelling of the address, above all for blanks and signs that do not belong in it.",
     "Sprawdź pisownię adresu, zwłaszcza spacje i znaki, które do niego nie należą."},
    {"bounce.protocol.kind", sender, "The recipient's server cannot take a message of this kind.",
     "Serwer adresata nie potrafi przyjąć wiadomości tego rodzaju.",
     "Send it as plain text, or with an address in plain Latin letters.",
     "Wyślij ją jako zwykły tekst albo użyj adresu bez znaków spoza alfabetu łacińskiego."},
    {"bounce.relay_denied", postmaster,
     "The server that mail for this domain leads to does not take mail for it.",
     "Serwer, do którego kieruje domena adresata, nie przyjmuje dla niej poczty.",
     "Check the part of the address after the @ sign; else the administrator of that domain must "
     "correct its MX record or server.",
     "Sprawdź część adresu po znaku @; jeśli jest poprawna, administrator tamtej domeny musi "
     "poprawić jej rekord MX lub serwer."},
    {"bounce.relay_denied.login", server,
     "The next server takes mail to others only after a login.",
     "Następny serwer przyjmuje pocztę do innych dopiero po zalogowaniu.",
     "The administrator checks user and password of the route.",
     "Administrator sprawdza użytkownika i hasło tej drogi."},
    {"bounce.auto_reply", nobody, "An automatic answer: the message has arrived.",
     "Automatyczna odpowiedź: wiadomość dotarła.", "Nothing needs to be done.",
     "Nic nie trzeba robić."},
    {"bounce.other", sender, "The message could not be delivered.",
     "Nie udało się dostarczyć wiadomości.", "Read the server's answer, or ask your administrator.",
     "Przeczytaj odpowiedź serwera albo zapytaj administratora."},
    {"bounce.other.temporary", nobody, "The recipient's server cannot take the message at present.",
     "Serwer adresata nie może teraz przyjąć wiadomości.",
     "It is tried again by itself; if it was given up, send it again later.",
     "Próby są ponawiane same; jeśli ich zaniechano, wyślij ją ponownie później."},
    {"bounce.other.server", postmaster, "The recipient's server is broken or out of service.",
     "Serwer adresata jest uszkodzony lub nieczynny.",
     "Send it again later. When it lasts, tell the recipient's administrator.",
     "Wyślij ją ponownie później. Jeśli to trwa, powiadom administratora adresata."},
    {"bounce.other.loop", postmaster, "The message went round in a circle between mail servers.",
     "Wiadomość krążyła w kółko między serwerami poczty.",
     "Tell the recipient's administrator that mail for this address loops.",
     "Powiadom administratora adresata, że poczta na ten adres zapętla się."},
    {"bounce.other.policy", postmaster,
     "The recipient's server refused the message by its rules, without telling which.",
     "Serwer adresata odrzucił wiadomość według swoich reguł i nie podał jakich.",
     "Read the server's answer; the recipient's administrator can tell what it asks for.",
     "Przeczytaj odpowiedź serwera; administrator adresata wyjaśni, czego ona wymaga."},
    {"bounce.other.restricted", recipient,
     "The recipient or group takes mail only from certain senders.",
     "Adresat lub grupa przyjmuje pocztę tylko od wybranych nadawców.",
     "Ask the recipient or the owner of the group to allow your address.",
     "Poproś adresata lub właściciela grupy o dopuszczenie Twojego adresu."},
});

}  // namespace

bool is_bounce_hint(std::string_view hint) {
  return std::ranges::find(table, hint, &BounceWords::hint) != table.end();
}

const BounceWords& bounce_words(std::string_view hint) {
  const auto found = std::ranges::find(table, hint, &BounceWords::hint);
  return found != table.end() ? *found
                              : *std::ranges::find(table, "bounce.other", &BounceWords::hint);
}

std::span<const BounceWords> all_bounce_words() {
  return table;
}

std::string_view actor_words(BounceActor actor, Language language) {
  const bool english = language == Language::english;
  switch (actor) {
    case sender:
      return english ? "the sender" : "nadawca";
    case recipient:
      return english ? "the recipient" : "adresat";
    case postmaster:
      return english ? "the administrator of the recipient's server"
                     : "administrator serwera adresata";
    case server:
      return english ? "the administrator of this server" : "administrator tego serwera";
    case nobody:
      return english ? "nobody" : "nikt";
  }
  return {};
}

}  // namespace goniec
