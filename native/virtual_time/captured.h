// The demands of a captured graph on modelled chips.
#pragma once

#include "task/captured_graph.h"
#include "virtual_time/modelled_graph.h"

namespace callring {

// Callables have the numbers of CapturedGraph::callables(). The graph is sealed.
[[nodiscard]] ModelledGraph modelled(const CapturedGraph& graph);

}  // namespace callring
