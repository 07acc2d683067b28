// What a captured graph demands of modelled chips.
#pragma once

#include "model/modelled_graph.h"
#include "schedule/captured_graph.h"

namespace callring {

// Callables have the numbers of CapturedGraph::callables(). The graph is sealed.
[[nodiscard]] ModelledGraph modelled(const CapturedGraph& graph);

}  // namespace callring
