// goniec webhook list|add|show|enable|disable|remove|rotate|test|events|attempts|replay: who is
// told of events, and what came of it, as tables for people or (--json) as the server gives it.
// Exit: 0, 1 when a test was not taken, or what the call to the server ended with.
#pragma once
#include <string>
#include <vector>

#include "app/command.h"

namespace goniec {

struct WebhookCommand {
  std::string id, url, event;
  std::vector<std::string> events, streams;
  std::string format = "native";
  bool batch = false;
  std::string state, since, until;
};

int run_webhook_list(const Common& common);
int run_webhook_add(const Common& common, const WebhookCommand& command);
int run_webhook_show(const Common& common, const WebhookCommand& command);
int run_webhook_status(const Common& common, const WebhookCommand& command, bool enabled);
int run_webhook_remove(const Common& common, const WebhookCommand& command);
int run_webhook_rotate(const Common& common, const WebhookCommand& command);
int run_webhook_test(const Common& common, const WebhookCommand& command);
int run_webhook_events(const Common& common, const WebhookCommand& command);
int run_webhook_attempts(const Common& common, const WebhookCommand& command);
// One event, or with `since` and `until` all that failed (or `state`) in that time.
int run_webhook_replay(const Common& common, const WebhookCommand& command);

}  // namespace goniec
