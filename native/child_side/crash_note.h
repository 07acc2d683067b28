// Crash notes: the handler of a signal that kills a chip child writes into the lane which block its thread
// executed. It writes nothing for a signal from another process, and nothing where the process handles the signal
// itself (a sanitizer does, which says more).
#pragma once

#include "lane/layout.h"

namespace callring {

// Notes from now on. `note` must last as long as the process.
void note_crashes(CrashNote& note) noexcept;

}  // namespace callring
