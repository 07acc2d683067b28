// Crash notes: the handler of a signal that kills a chip child writes into the lane which block its thread
// executed. It writes nothing for a signal from another process. Signals that already have another handler keep it
// (that of a sanitizer reports more).
#pragma once

#include "lane/layout.h"

namespace callring {

// Installs the handlers. `note` must last as long as the process.
void note_crashes(CrashNote& note) noexcept;

}  // namespace callring
