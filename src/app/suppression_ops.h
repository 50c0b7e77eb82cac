// `goniec suppression …` and `goniec stream …`: who gets no mail, why, and by which stream. They
// talk to the running server. An import is judged here: what a bounce list of another service holds
// beside dead mailboxes (full ones, blocked senders) is said and left out.
#pragma once
#include <string>

#include "app/command.h"

namespace goniec {

struct SuppressionOptions {
  std::string address;  // or a part of one, for list
  std::string stream, reason, note, expires;
  std::string file;  // "-": stdin, stdout
};

int run_suppression_list(const Common& common, const SuppressionOptions& options);
int run_suppression_add(const Common& common, const SuppressionOptions& options);
int run_suppression_remove(const Common& common, const SuppressionOptions& options);
int run_suppression_why(const Common& common, const SuppressionOptions& options);  // 1: suppressed
int run_suppression_import(const Common& common, const SuppressionOptions& options);
int run_suppression_export(const Common& common, const SuppressionOptions& options);

struct StreamOptions {
  std::string id, kind, name;
  std::string track_opens, track_clicks;  // "on", "off"; "": as it is
  bool archived = false;
};
int run_stream_list(const Common& common);
int run_stream_add(const Common& common, const StreamOptions& options);
int run_stream_change(const Common& common, const StreamOptions& options);

}  // namespace goniec
