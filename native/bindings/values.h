// What Python callables return, as bytes in a completion: small values of exact built-in types without pickling.
//
// Nothing: None. Otherwise one letter and what follows it: 'i' int64, 'd' double, 't' and 'f' True and False, 's' UTF-8
// text, 'b' bytes, 'p' a pickle.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <string_view>

namespace callring::bindings {

namespace py = pybind11;

// Replaces `out`. Throws whatever pickling raises; `dumps` is used for what is not of an exact built-in type.
void pack_value(py::handle value, const py::object& dumps, std::string& out);

// Throws whatever unpickling raises, and ValueError for bytes that pack_value does not make.
py::object unpack_value(std::string_view payload);

}  // namespace callring::bindings
