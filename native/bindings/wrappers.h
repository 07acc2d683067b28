// Handles a lack of memory for the Python object around a C++ object, and for its buffer, which pybind11 does not
// handle.
#pragma once

#include <pybind11/pybind11.h>

namespace callring::bindings {

// Lets the types of `module` raise MemoryError if there is no memory for an object or for its buffer: pybind11 itself
// goes on with a null pointer, ends the process, or raises BufferError. Called once, when all types are bound.
void raise_without_memory(const pybind11::module_& module);

}  // namespace callring::bindings
