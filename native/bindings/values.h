// What Python callables return, as bytes in a completion: small values of exact built-in types without pickling.
// Their form: lane/returned_value.h.
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

// Replaces `out`; what is large goes into extents. Throws whatever pickling raises, std::bad_alloc where there is no
// memory for an extent. `dumps` is used for what is not of an exact built-in type, and returns a pickle, or that and
// its out-of-band buffers, at most kMostBuffers.
void pack_value(py::handle value, const py::object& dumps, ExtentWriter& extents, std::string& out);
inline constexpr std::uint32_t kMostBuffers = 1024;

// Packs what `call` returns, or the exception that it raises; SystemExit and KeyboardInterrupt are failures of the
// task, too. What became of the task: ok or python_exception.
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

// There is no memory for an extent.
struct NoExtent : std::bad_alloc {
    explicit NoExtent(std::string message) : why(std::move(message)) {}
    std::string why;
};

// The same for all that a child does for a task: what it has no memory for is out_of_memory, and `out` says why or is
// empty.
template <class Execute>
Code within_memory(const Execute& execute, std::string& out) {
    try {
        return execute();
    } catch (const NoExtent& failed) {
        out = failed.why;
    } catch (const std::bad_alloc&) {
        out.clear();
    } catch (py::error_already_set& raised) {
        if (!raised.matches(PyExc_MemoryError)) {
            throw;
        }
        out.clear();
    }
    return Code::out_of_memory;
}

// What pack_value() packed; arrays in it are views of their extents. Throws whatever unpickling raises, and ValueError
// for bytes that pack_value does not make.
py::object unpack_value(std::string_view payload, const Extents* extents);

void register_extent(py::module_& module);

}  // namespace callring::bindings
