// What pybind11 does not do when there is no memory for the Python object around one of ours.
#pragma once

#include <pybind11/pybind11.h>

namespace callring::bindings {

// Lets the types that `module` binds raise MemoryError when there is no memory for an object of theirs: pybind11 goes
// on with a null pointer, or ends the process. Called once, when all types are bound.
void raise_without_memory(const pybind11::module_& module);

}  // namespace callring::bindings
