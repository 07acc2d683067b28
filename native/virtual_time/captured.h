// The demands of a captured graph on modelled chips.
#pragma once

#include "task/captured_graph.h"
#include "virtual_time/modelled_graph.h"

namespace callring {

// Callables have their positions in CapturedGraph::callables() as numbers. The graph must be sealed.
[[nodiscard]] ModelledGraph modelled(const CapturedGraph& graph);

}  // namespace callring
