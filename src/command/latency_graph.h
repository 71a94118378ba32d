// LATENCY GRAPH's picture of an event.
#pragma once

#include <string>
#include <string_view>

#include "number_dispenser/command/latency.h"

namespace number_dispenser {

// A column a sample, at most as many as fit a terminal, the newest on the right; below each how
// long ago it was. The event has samples.
std::string draw_graph(std::string_view name, const LatencyMonitor::Event& event, int64_t now_s);

}  // namespace number_dispenser
