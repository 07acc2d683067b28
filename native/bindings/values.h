// Packs values of Python callables as bytes of a completion; small values of exact built-in types are not pickled. The
// form: lane/returned_value.h.
#pragma once

#include <pybind11/pybind11.h>

#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "common/result.h"
#include "lane/extent_store.h"
#include "lane/extent_writer.h"

namespace callring::bindings {

namespace py = pybind11;

// Packs `value` into `out`, whose contents it replaces; large parts go into extents. Throws the errors of pickling, and
// std::bad_alloc if there is no memory for an extent. `dumps` pickles values of other types; it returns a pickle, or a
// pickle and its out-of-band buffers, at most kMostBuffers.
void pack_value(py::handle value, const py::object& dumps, ExtentWriter& extents, std::string& out);
inline constexpr std::uint32_t kMostBuffers = 1024;

// Packs the value of `call`, or its exception; SystemExit and KeyboardInterrupt are failures of the task, too. Returns
// ok or python_exception.
template <class Call>
Code pack_outcome(const Call& call, const py::object& dumps, const py::object& pack_exception, ExtentWriter& extents,
                  std::string& out) {
    try {
        const auto value = py::reinterpret_steal<py::object>(call());
        if (!value) {
            throw py::error_already_set();
        }
        pack_value(value, dumps, extents, out);
        return Code::ok;
    } catch (const py::error_already_set& raised) {
        const py::object& error = raised.value();
        if (raised.trace()) {
            PyException_SetTraceback(error.ptr(), raised.trace().ptr());
        }
        out = py::bytes(pack_exception(error));
        return Code::python_exception;
    }
}

// Thrown if there is no memory for an extent.
struct NoExtent : std::bad_alloc {
    explicit NoExtent(std::string message) : why(std::move(message)) {}
    std::string why;
};

// Calls `execute`, the whole execution of a task in a child, with the interpreter's lock. Returns out_of_memory if
// there is no memory, with the reason in `out` or an empty `out`.
template <class Execute>
Code within_memory(const Execute& execute, std::string& out) {
    try {
        return execute();
    } catch (const NoExtent& failed) {
        out = failed.why;
    } catch (const std::bad_alloc&) {
        PyErr_Clear();  // set if there was no memory to throw it
        out.clear();
    } catch (py::error_already_set& raised) {
        if (!raised.matches(PyExc_MemoryError)) {
            throw;
        }
        out.clear();
    }
    return Code::out_of_memory;
}

// Unpacks the result of pack_value(); arrays in it are views of their extents. Throws the errors of unpickling, and
// ValueError for bytes that pack_value() does not make.
py::object unpack_value(std::string_view payload, const Extents* extents);

void register_extent(py::module_& module);

}  // namespace callring::bindings
