// goniec dmarc report|sources|send, goniec tlsrpt list: the reports that were received, as tables
// for people or (--json) as the server gives them.
// Exit: 0, or what the call to the server ended with.
#pragma once
#include <string>

#include "app/command.h"

namespace goniec {

int run_dmarc_report(const Common& common, const std::string& domain);
int run_dmarc_sources(const Common& common, const std::string& domain);
int run_send_reports(const Common& common);
int run_tls_reports(const Common& common, const std::string& domain);

}  // namespace goniec
