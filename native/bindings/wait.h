// Waits in the engine for Python: without the interpreter's lock, and until a signal handler raises.
#pragma once

#include <pybind11/pybind11.h>

#include "engine/engine.h"

namespace callring::bindings {

// Calls `wait`, which returns Waited, again after each interruption. Returns false after a timeout. Throws the
// exception of a signal handler.
template <class Wait>
bool wait_interruptibly(Wait&& wait) {
    for (;;) {
        Waited waited = Waited::done;
        {
            const pybind11::gil_scoped_release release;
            waited = wait();
        }
        if (waited != Waited::interrupted) {
            return waited == Waited::done;
        }
        if (PyErr_CheckSignals() != 0) {
            throw pybind11::error_already_set();
        }
    }
}

}  // namespace callring::bindings
