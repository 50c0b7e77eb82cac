// The program: a table of subcommands (PRODUCT, "goniec <noun> <verb>"), and sendmail, mailq and
// newaliases by the name under which it is called. No logic: each command is a function of ops.h,
// queue_ops.h, trace_view.h, check.h, sendmail.h or serve.h. The only file that knows CLI11.
#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>

#include "app/check.h"
#include "app/dkim_ops.h"
#include "app/dns_command.h"
#include "app/explain.h"
#include "app/key_ops.h"
#include "app/ops.h"
#include "app/queue_ops.h"
#include "app/report_ops.h"
#include "app/search_ops.h"
#include "app/sendmail.h"
#include "app/serve.h"
#include "app/suppression_ops.h"
#include "app/trace_view.h"
#include "app/try_server.h"
#include "app/webhook_ops.h"

namespace goniec {
namespace {

// All options of all commands: CLI11 fills what was given. `run` is the command that was chosen.
struct CommandLine {
  Common common;
  std::function<int()> run;
  DomainAdd domain;
  UserOptions user;
  DkimOptions dkim;
  KeyOptions key;
  EventTail tail;
  SendCommand send;
  QueueSelectionOptions queue;
  SearchOptions search;
  ExplainOptions explain;
  ExplainReplyOptions refusal;
  DnsOptions dns;
  WebhookCommand webhook;
  SuppressionOptions suppression;
  TryOptions scratch;
  StreamOptions stream;
  std::string name;  // DOMAIN, ADDRESS, ID, FILE or DIR
  bool transcript = false;
  std::vector<std::string> targets;
  std::string salvage;
  bool effective = false, drop_older = false;
  std::uint64_t after = 0;
};

CLI::App* command(CLI::App& parent, CommandLine& line, const char* name, const char* sentence,
                  std::function<int()> run) {
  auto* app = parent.add_subcommand(name, sentence);
  app->callback([&line, run = std::move(run)] { line.run = run; });
  app->add_option("--config", line.common.config_file, "The config file")->capture_default_str();
  app->add_flag("--json", line.common.json, "One JSON document");
  return app;
}

CLI::App* noun(CLI::App& parent, const char* name, const char* sentence) {
  auto* app = parent.add_subcommand(name, sentence);
  app->require_subcommand(1);
  return app;
}

void add_server_commands(CLI::App& app, CommandLine& line) {
  command(app, line, "serve", "Run the server in the foreground",
          [&line] { return serve({line.common.config_file}); });
  auto* scratch = command(app, line, "try", "A whole server in a scratch folder; nothing leaves",
                          [&line] { return run_try(line.common, line.scratch); });
  scratch->add_flag("--keep", line.scratch.keep, "Leave the folder when it ends");
  scratch->add_option("--folder", line.scratch.folder, "This one, which stays");
  command(app, line, "reload", "Read the config again; on an error the old one stays",
          [&line] { return run_reload(line.common); });
  command(app, line, "status", "Version, listeners, store and queue",
          [&line] { return run_status(line.common); });
  auto* doctor = command(app, line, "doctor", "Look at config, files, store and server",
                         [&line] { return run_doctor(line.common, line.salvage); });
  doctor->add_option("--salvage", line.salvage, "Read what is whole of a damaged store into DIR");
  auto* route = command(app, line, "route", "Which way mail for an address goes",
                        [&line] { return run_route(line.common, line.name); });
  route->add_option("ADDRESS", line.name)->required();
  auto* dns = command(app, line, "dns", "The DNS records of a domain, and what is wrong with them",
                      [&line] { return run_dns(line.common, line.dns); });
  dns->add_option("DOMAIN", line.dns.domain)->required();
  dns->add_flag("--check", line.dns.check, "Ask DNS: ok, wrong, missing or cannot tell; 1: wrong");
  dns->add_option("--format", line.dns.format, "table, zone or json")
      ->check(CLI::IsMember({"table", "zone", "json"}));
  dns->add_option("--address", line.dns.addresses, "A public address of this server")
      ->allow_extra_args(false);
  auto* trace = command(app, line, "trace", "The timeline of a message",
                        [&line] { return run_trace(line.common, line.name, line.transcript); });
  trace->add_option("ID", line.name, "Queue id, id of the API or Message-ID")->required();
  trace->add_flag("--transcript", line.transcript, "And what was said with each server");
  auto* why = command(app, line, "explain", "What a refusal means, who must act, and how",
                      [&line] { return run_explain_reply(line.common, line.refusal); });
  why->add_option("REPLY", line.refusal.words, "The answer, or a queue id or Message-ID")
      ->required();
  why->add_option("--lang", line.refusal.language, "en or pl; else by LANG")
      ->check(CLI::IsMember({"en", "pl"}));
  why->add_option("--host", line.refusal.host, "The server that said it");
  auto* send = command(app, line, "send", "Send a message",
                       [&line] { return run_send(line.common, line.send); });
  send->add_option("--from", line.send.from)->required();
  send->add_option("--to", line.send.to)->required()->allow_extra_args(false);
  send->add_flag("--wait", line.send.wait,
                 "Wait for the outcome: 0 delivered, 1 failed, 75 waiting");
  send->add_option("FILE", line.send.file, "The message; - is stdin; without it a short test");
  auto* backup = noun(app, "backup", "Copy the store, and put a copy back");
  command(*backup, line, "create", "A verified copy while serving",
          [&line] { return run_backup_create(line.common, line.name); })
      ->add_option("DIR", line.name)
      ->required();
  command(*backup, line, "restore",
          "Put a copy into an empty storage folder; the server is stopped",
          [&line] { return run_backup_restore(line.common, line.name); })
      ->add_option("DIR", line.name)
      ->required();
  auto* event = noun(app, "event", "The event log");
  auto* tail = command(*event, line, "tail", "Print events as they come",
                       [&line] { return run_event_tail(line.common, line.tail); });
  tail->add_option_function<std::uint64_t>(
      "--after", [&line](std::uint64_t after) { line.tail.after = after; },
      "Begin after this sequence number");
  tail->add_flag("--once", line.tail.once, "Print what is there and end");
}

void add_webhook_commands(CLI::App& app, CommandLine& line) {
  auto* webhook = noun(app, "webhook", "Who is told of events");
  const auto of_one = [&](const char* name, const char* sentence, std::function<int()> run) {
    auto* made = command(*webhook, line, name, sentence, std::move(run));
    made->add_option("ID", line.webhook.id)->required();
    return made;
  };
  command(*webhook, line, "list", "All, with what came of the last day",
          [&line] { return run_webhook_list(line.common); });
  auto* add = command(*webhook, line, "add", "Tell a URL of events; prints the secret",
                      [&line] { return run_webhook_add(line.common, line.webhook); });
  add->add_option("URL", line.webhook.url)->required();
  add->add_option("--event", line.webhook.events, "A type, email.* (the default) or *")
      ->allow_extra_args(false);
  add->add_option("--stream", line.webhook.streams, "Mail of this stream only")
      ->allow_extra_args(false);
  add->add_option("--format", line.webhook.format, "native, postmark, sendgrid or mailgun")
      ->capture_default_str();
  add->add_flag("--batch", line.webhook.batch, "Several events a call, as an array");
  of_one("show", "One, with its secret",
         [&line] { return run_webhook_show(line.common, line.webhook); });
  of_one("enable", "Tell it again, what waits first",
         [&line] { return run_webhook_status(line.common, line.webhook, true); });
  of_one("disable", "Tell it nothing; what comes waits",
         [&line] { return run_webhook_status(line.common, line.webhook, false); });
  of_one("remove", "Forget it", [&line] { return run_webhook_remove(line.common, line.webhook); });
  of_one("rotate", "A new secret; the old one signs too for a day",
         [&line] { return run_webhook_rotate(line.common, line.webhook); });
  of_one("test", "Send a test event now; 1: it was not taken",
         [&line] { return run_webhook_test(line.common, line.webhook); });
  of_one("events", "What it was told, newest first", [&line] {
    return run_webhook_events(line.common, line.webhook);
  })->add_option("--state", line.webhook.state, "pending, delivered or failed");
  of_one("attempts", "The calls for one event",
         [&line] { return run_webhook_attempts(line.common, line.webhook); })
      ->add_option("EVENT", line.webhook.event)
      ->required();
  auto* replay = of_one("replay", "Send again what failed",
                        [&line] { return run_webhook_replay(line.common, line.webhook); });
  replay->add_option("--event", line.webhook.event, "This one, whatever became of it");
  replay->add_option("--state", line.webhook.state, "failed (the default) or delivered");
  replay->add_option("--since", line.webhook.since, "RFC 3339");
  replay->add_option("--until", line.webhook.until, "RFC 3339");
  replay->add_flag("--dry-run", line.common.dry_run, "Only count them");
}

void add_config_commands(CLI::App& app, CommandLine& line) {
  auto* config = noun(app, "config", "Test, show and explain the config");
  command(*config, line, "test", "All errors of the file and of what it names",
          [&line] { return run_config_test(line.common); });
  auto* show = command(*config, line, "show", "The config as it was read",
                       [&line] { return run_config_show(line.common, line.effective); });
  show->add_flag("--effective", line.effective, "With every default, and where each value is from");
  auto* explain = command(*config, line, "explain", "What an option means",
                          [&line] { return run_config_explain(line.common, line.explain); });
  explain->add_option("KEY", line.explain.key, "limits.idle, or a table: limits");
  explain->add_flag("--all", line.explain.all, "Every option");
  explain->add_flag("--markdown", line.explain.markdown, "As a page (docs/config.md)");
  command(*config, line, "diff", "What another file would change; 1: they differ",
          [&line] { return run_config_diff(line.common, line.name); })
      ->add_option("FILE", line.name)
      ->required();
}

void add_user_options(CLI::App* app, CommandLine& line) {
  app->add_option("ADDRESS", line.user.address)->required();
  app->add_flag("--password-stdin", line.user.password_stdin,
                "Read the password from stdin, one line");
  app->add_flag("--scram", line.user.scram, "Keep SCRAM-SHA-256 keys too");
}

void add_dkim_options(CLI::App* app, CommandLine& line) {
  app->add_option("DOMAIN", line.dkim.domain)->required();
  app->add_option("--selector", line.dkim.selector, "The name of the key in DNS");
}

void add_dkim_commands(CLI::App& app, CommandLine& line) {
  auto* dkim = noun(app, "dkim", "The keys that mail is signed with");
  auto* create = command(*dkim, line, "create", "New keys; prints the records to publish",
                         [&line] { return run_dkim_create(line.common, line.dkim); });
  auto* rotate = command(*dkim, line, "rotate", "New keys beside those in use",
                         [&line] { return run_dkim_rotate(line.common, line.dkim); });
  for (CLI::App* each : {create, rotate}) {
    add_dkim_options(each, line);
    each->add_option("--algorithm", line.dkim.algorithm, "rsa, ed25519 or both");
    each->add_flag("--now", line.dkim.now, "Sign at once, before the record is seen in DNS");
  }
  command(*dkim, line, "list", "All keys, their states and records", [&line] {
    return run_dkim_list(line.common, line.dkim);
  })->add_option("DOMAIN", line.dkim.domain);
  command(*dkim, line, "check", "Look for the records of new keys in DNS now", [&line] {
    return run_dkim_check(line.common, line.dkim);
  })->add_option("DOMAIN", line.dkim.domain);
  add_dkim_options(command(*dkim, line, "retire",
                           "Delete a private key; without --selector all that are retiring",
                           [&line] { return run_dkim_retire(line.common, line.dkim); }),
                   line);
}

void add_key_commands(CLI::App& app, CommandLine& line) {
  auto* key = noun(app, "key", "The keys of the API, which are SMTP passwords too");
  auto* create = command(*key, line, "create", "A new key; its secret is shown this one time",
                         [&line] { return run_key_create(line.common, line.key); });
  create->add_option("NAME", line.key.name, "For people")->required();
  create->add_option("--scope", line.key.scopes, "send (default), read or manage")
      ->check(CLI::IsMember({"send", "read", "manage"}))
      ->allow_extra_args(false);
  create->add_option("--domain", line.key.domain, "Sends as this domain alone");
  create->add_option("--stream", line.key.stream, "Sends in this stream alone");
  create->add_option("--from", line.key.networks, "Good from this network alone, like 10.0.0.0/8")
      ->allow_extra_args(false);
  create->add_flag("--sandbox", line.key.sandbox, "pk_test_…: nothing leaves this machine");
  create->add_flag("--sendgrid", line.key.sendgrid, "Spelled SG.…, for clients that insist");
  command(*key, line, "list", "All keys, without their secrets",
          [&line] { return run_key_list(line.common); });
  command(*key, line, "revoke", "No key any more, from now on",
          [&line] { return run_key_revoke(line.common, line.name); })
      ->add_option("ID", line.name)
      ->required();
}

void add_secret_commands(CLI::App& app, CommandLine& line) {
  auto* srs = noun(app, "srs", "The secret in the senders of forwarded mail");
  command(*srs, line, "rotate", "A new secret; the two before it read what they made", [&line] {
    return run_srs_rotate(line.common, line.drop_older);
  })->add_flag("--drop-older", line.drop_older, "It leaked: refuse what the older ones made");
  auto* links = noun(app, "links", "The secret that signs unsubscribe, open and click links");
  command(*links, line, "rotate", "A new secret; links that are out there work on",
          [&line] { return run_links_rotate(line.common); });
}

void add_object_commands(CLI::App& app, CommandLine& line) {
  auto* domain = noun(app, "domain", "The domains that mail is accepted for");
  auto* add = command(*domain, line, "add", "A local or a relay domain",
                      [&line] { return run_domain_add(line.common, line.domain); });
  add->add_option("DOMAIN", line.domain.domain)->required();
  add->add_flag("--relay", line.domain.relay, "Accepted on mx and passed on by its route");
  add->add_option("--recipients", line.domain.recipients,
                  "Of a relay domain: FILE, verify (ask the next hop) or any");
  command(*domain, line, "list", "All domains", [&line] { return run_domain_list(line.common); });
  command(*domain, line, "remove", "A domain without users and aliases",
          [&line] { return run_domain_remove(line.common, line.name); })
      ->add_option("DOMAIN", line.name)
      ->required();

  add_dkim_commands(app, line);
  add_key_commands(app, line);
  add_secret_commands(app, line);

  auto* user = noun(app, "user", "The accounts");
  auto* user_add = command(*user, line, "add", "A mailbox and login",
                           [&line] { return run_user_add(line.common, line.user); });
  add_user_options(user_add, line);
  user_add->add_option("--quota", line.user.quota, "Size of the mailbox, like 5GiB");
  user_add->add_option("--send-as", line.user.send_as, "May also send as: a@b, *@b or *")
      ->allow_extra_args(false);
  command(*user, line, "list", "All users", [&line] { return run_user_list(line.common); });
  command(*user, line, "remove", "A user with the mailbox",
          [&line] { return run_user_remove(line.common, line.name); })
      ->add_option("ADDRESS", line.name)
      ->required();
  add_user_options(command(*user, line, "passwd", "A new password",
                           [&line] { return run_user_passwd(line.common, line.user); }),
                   line);

  auto* alias = noun(app, "alias", "Addresses that lead to others");
  auto* alias_add = command(*alias, line, "add", "An alias; *@DOMAIN catches all", [&line] {
    return run_alias_add(line.common, line.name, line.targets);
  });
  alias_add->add_option("ADDRESS", line.name)->required();
  alias_add->add_option("TARGET", line.targets)->required();
  command(*alias, line, "list", "All aliases", [&line] { return run_alias_list(line.common); });
  command(*alias, line, "remove", "An alias",
          [&line] { return run_alias_remove(line.common, line.name); })
      ->add_option("ADDRESS", line.name)
      ->required();
}

void add_report_commands(CLI::App& app, CommandLine& line) {
  const auto list = [&line](CLI::App* parent, const char* name, const char* sentence,
                            int (*run)(const Common&, const std::string&)) {
    command(*parent, line, name, sentence, [&line, run] {
      return run(line.common, line.name);
    })->add_option("--domain", line.name, "Of this domain only");
  };
  auto* dmarc = noun(app, "dmarc", "DMARC reports that others sent about our domains");
  list(dmarc, "report", "The reports", run_dmarc_report);
  list(dmarc, "sources", "Who sent in our names: addresses, alignment, disposition",
       run_dmarc_sources);
  command(*dmarc, line, "send", "Send what is pending about others now, DMARC and TLS",
          [&line] { return run_send_reports(line.common); });
  auto* tls = noun(app, "tlsrpt", "TLS reports that others sent about mail to our domains");
  list(tls, "list", "The reports, a line a policy", run_tls_reports);
}

void add_search_commands(CLI::App& app, CommandLine& line) {
  auto* search = noun(app, "search", "Messages found, and the projection they are found in");
  auto* find = command(*search, line, "find", "Messages, newest first",
                       [&line] { return run_search_find(line.common, line.search); });
  find->add_option("QUERY", line.search.words, "Words, to: from: subject: tag: status: provider:…");
  find->add_option("--limit", line.search.limit)->check(CLI::Range(1, 1000));
  command(*search, line, "status", "How far lists and statistics are",
          [&line] { return run_search_status(line.common); });
  command(*search, line, "rebuild", "Fill them anew out of the event log",
          [&line] { return run_search_rebuild(line.common); });
  auto* stats = command(app, line, "stats", "What became of mail: counts and delivery times",
                        [&line] { return run_stats(line.common, line.search); });
  stats->add_option("--by", line.search.group_by,
                    "day, hour, provider, stream, tag… or two of them");
  stats->add_option("--format", line.search.format)->check(CLI::IsMember({"table", "csv"}));
  auto* out = command(app, line, "export", "Every message or event, a line each",
                      [&line] { return run_export(line.common, line.search); });
  out->add_option("WHAT", line.search.kind)->required()->check(CLI::IsMember({"emails", "events"}));
  out->add_option("QUERY", line.search.words, "Of emails: as for search find");
  out->add_option("--format", line.search.format)->check(CLI::IsMember({"ndjson", "csv"}));
  for (auto* each : {stats, out}) {
    each->add_option("--since", line.search.since, "2026-11-01, RFC 3339, or back from now: 7d");
    each->add_option("--until", line.search.until);
  }
  auto* erase =
      command(app, line, "erase", "Forget a person: log, lists, and with --mailbox letters",
              [&line] { return run_erase(line.common, line.search); });
  erase->add_option("ADDRESS", line.search.address)->required();
  erase->add_flag("--dry-run", line.common.dry_run, "Say what would change");
  erase->add_flag("--mailbox", line.search.mailbox, "The letters in the mailbox too");
}

void add_filters(CLI::App* app, CommandLine& line) {
  app->add_option("ID", line.queue.ids);
  app->add_option("--to", line.queue.to, "Part of a recipient");
  app->add_option("--from", line.queue.from, "Part of the sender");
  app->add_option("--domain", line.queue.domain, "Recipient domain");
  app->add_option("--provider", line.queue.provider, "Part of the name of the last host tried");
  app->add_option("--stream", line.queue.stream);
  app->add_option("--state", line.queue.state, "incoming, active, deferred, held or scheduled");
  app->add_option("--older-than", line.queue.older_than, "Like 2h");
}

void add_queue_commands(CLI::App& app, CommandLine& line) {
  auto* queue = noun(app, "queue", "The messages that wait");
  add_filters(command(*queue, line, "list", "What waits, and why",
                      [&line] { return run_queue_list(line.common, line.queue); }),
              line);
  auto* show = command(*queue, line, "show", "All about messages",
                       [&line] { return run_queue_show(line.common, line.queue); });
  show->add_option("ID", line.queue.ids)->required();
  command(*queue, line, "stats", "Counts by state and domain",
          [&line] { return run_queue_stats(line.common); });
  static constexpr std::pair<const char*, const char*> actions[] = {
      {"retry", "Try now"},
      {"hold", "Try no more until released"},
      {"release", "Let what is held go on"},
      {"bounce", "Give up: the sender gets a notice"},
      {"delete", "Remove without a notice"},
  };
  for (const auto& [action, sentence] : actions) {
    auto* change = command(*queue, line, action, sentence, [&line, action] {
      return run_queue_change(line.common, action, line.queue);
    });
    add_filters(change, line);
    change->add_flag("--all", line.queue.all, "Everything in the queue");
    change->add_flag("--dry-run", line.common.dry_run, "Say what would change");
    change->add_option("--reason", line.queue.reason, "Kept in the event log");
  }
}

void add_suppression_commands(CLI::App& app, CommandLine& line) {
  auto* suppression = noun(app, "suppression", "Who gets no mail of a stream, and why");
  const auto add = [&](const char* name, const char* sentence,
                       int (*run)(const Common&, const SuppressionOptions&)) {
    auto* made = command(*suppression, line, name, sentence,
                         [&line, run] { return run(line.common, line.suppression); });
    made->add_option("--stream", line.suppression.stream, "Of this stream; * is all");
    return made;
  };
  const auto reason = [&line](CLI::App* app) {
    app->add_option("--reason", line.suppression.reason,
                    "bad_mailbox, complained, unsubscribed or manual");
  };
  auto* list = add("list", "All entries", run_suppression_list);
  list->add_option("ADDRESS", line.suppression.address, "Or part of one");
  reason(list);
  auto* put = add("add", "Send an address no more mail", run_suppression_add);
  put->add_option("ADDRESS", line.suppression.address)->required();
  put->add_option("--note", line.suppression.note, "For who asks why");
  put->add_option("--expires", line.suppression.expires, "After so long, like 30d");
  reason(put);
  auto* remove = add("remove", "Send an address mail again", run_suppression_remove);
  remove->add_option("ADDRESS", line.suppression.address)->required();
  remove->add_flag("--dry-run", line.common.dry_run, "Say what would change");
  add("why", "Why an address gets no mail; 1: it gets none", run_suppression_why)
      ->add_option("ADDRESS", line.suppression.address)
      ->required();
  auto* import = add("import", "A list of this or another service", run_suppression_import);
  import->add_option("FILE", line.suppression.file, "- is stdin")->required();
  import->add_flag("--dry-run", line.common.dry_run, "Say what would change");
  reason(import);
  auto* out = add("export", "All entries as CSV", run_suppression_export);
  out->add_option("FILE", line.suppression.file, "Without it: stdout");
  reason(out);
}

void add_stream_commands(CLI::App& app, CommandLine& line) {
  auto* stream = noun(app, "stream", "The kinds of mail that are kept apart");
  command(*stream, line, "list", "All streams", [&line] { return run_stream_list(line.common); });
  const auto add = [&](const char* name, const char* sentence,
                       int (*run)(const Common&, const StreamOptions&)) {
    auto* made = command(*stream, line, name, sentence,
                         [&line, run] { return run(line.common, line.stream); });
    made->add_option("ID", line.stream.id)->required();
    made->add_option("--name", line.stream.name, "For people");
    for (const auto& [option, value] : {std::pair("--track-opens", &line.stream.track_opens),
                                        std::pair("--track-clicks", &line.stream.track_clicks)})
      made->add_option(option, *value, "on or off, where a message does not say")
          ->check(CLI::IsMember({"on", "off"}));
    return made;
  };
  add("add", "A stream of its own", run_stream_add)
      ->add_option("--kind", line.stream.kind, "transactional or bulk")
      ->required();
  add("change", "Its name and what is tracked", run_stream_change)
      ->add_flag("--archive", line.stream.archived, "It takes no new mail");
}

int run(int argc, char** argv) {
  CommandLine line;
  CLI::App app("Goniec: a mail server that proves what it delivers", "goniec");
  app.set_version_flag("--version", std::string("goniec ") + GONIEC_VERSION);
  app.require_subcommand(1);
  app.add_option("--config", line.common.config_file, "The config file")->capture_default_str();
  app.add_flag("--json", line.common.json, "One JSON document");
  add_server_commands(app, line);
  add_webhook_commands(app, line);
  add_config_commands(app, line);
  add_object_commands(app, line);
  add_queue_commands(app, line);
  add_report_commands(app, line);
  add_search_commands(app, line);
  add_suppression_commands(app, line);
  add_stream_commands(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return exit_usage;
  }
  return line.run();
}

}  // namespace
}  // namespace goniec

int main(int argc, char** argv) {
  if (const auto code = goniec::run_as_sendmail(argc, argv)) return *code;
  return goniec::run(argc, argv);
}
