// The program: a table of subcommands (PRODUCT, "goniec <noun> <verb>"), and sendmail, mailq and
// newaliases by the name under which it is called. No logic: each command is a function of ops.h,
// queue_ops.h, trace_view.h, check.h, sendmail.h or serve.h. The only file that knows CLI11.
#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>

#include "app/check.h"
#include "app/dkim_ops.h"
#include "app/dns_command.h"
#include "app/ops.h"
#include "app/queue_ops.h"
#include "app/report_ops.h"
#include "app/sendmail.h"
#include "app/serve.h"
#include "app/trace_view.h"

namespace goniec {
namespace {

// All options of all commands: CLI11 fills what was given. `run` is the command that was chosen.
struct CommandLine {
  Common common;
  std::function<int()> run;
  DomainAdd domain;
  UserOptions user;
  DkimOptions dkim;
  EventTail tail;
  SendOptions send;
  QueueSelectionOptions queue;
  ExplainOptions explain;
  DnsOptions dns;
  std::string name;  // DOMAIN, ADDRESS, ID, FILE or DIR
  std::vector<std::string> targets;
  std::string salvage;
  bool effective = false;
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
                        [&line] { return run_trace(line.common, line.name); });
  trace->add_option("ID", line.name, "Queue id or Message-ID")->required();
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

int run(int argc, char** argv) {
  CommandLine line;
  CLI::App app("Goniec: a mail server that proves what it delivers", "goniec");
  app.set_version_flag("--version", std::string("goniec ") + GONIEC_VERSION);
  app.require_subcommand(1);
  app.add_option("--config", line.common.config_file, "The config file")->capture_default_str();
  app.add_flag("--json", line.common.json, "One JSON document");
  add_server_commands(app, line);
  add_config_commands(app, line);
  add_object_commands(app, line);
  add_queue_commands(app, line);
  add_report_commands(app, line);
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
