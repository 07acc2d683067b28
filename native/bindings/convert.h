// Conversions that several register_*.cpp files share: errors, bytes, deadlines, interruptible waits.
#pragma once

#include <pybind11/pybind11.h>

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/child_end.h"
#include "common/clock.h"
#include "common/result.h"

namespace callring::bindings {

namespace py = pybind11;

// A child's end as an immutable Python object; None for null.
inline std::shared_ptr<ChildEnd> to_python(const std::shared_ptr<const ChildEnd>& end) {
    return std::const_pointer_cast<ChildEnd>(end);
}

// Raises _core.NativeError(code, message); the package runtime turns it into an error of runtime.errors.
[[noreturn]] void raise(const Error& error);
// The exception object of raise().
[[nodiscard]] py::object native_error(const Error& error);

template <class T>
T unwrap(Result<T> result) {
    if (!result) {
        raise(result.error());
    }
    return std::move(result).value();
}
inline void unwrap(const Result<void>& result) {
    if (!result) {
        raise(result.error());
    }
}

// The T of `object` if its class is exactly T's and it is initialised; else null. A cast also accepts derived classes,
// and takes ten times as long.
template <class T>
T* exactly(PyObject* object) {
    static const PyObject* const type = py::type::of<T>().release().ptr();
    if (reinterpret_cast<PyObject*>(Py_TYPE(object)) != type) {
        return nullptr;
    }
    return static_cast<T*>(reinterpret_cast<py::detail::instance*>(object)->get_value_and_holder().value_ptr());
}

inline py::bytes to_bytes(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::span<const std::byte> as_span(const py::bytes& bytes) {
    const std::string_view view = bytes;
    return std::as_bytes(std::span(view.data(), view.size()));
}

// Exactly 32 raw bytes; ValueError otherwise.
inline std::array<std::byte, 32> to_digest(const py::bytes& bytes) {
    const auto view = as_span(bytes);
    std::array<std::byte, 32> digest{};
    if (view.size() != digest.size()) {
        throw py::value_error("a digest has 32 bytes");
    }
    std::memcpy(digest.data(), view.data(), digest.size());
    return digest;
}

// The point in time `seconds` seconds from now; none without a timeout.
inline std::optional<std::uint64_t> deadline_after(std::optional<double> seconds) {
    constexpr double kLongest = 1e9;
    if (!seconds) {
        return std::nullopt;
    }
    const double bounded = *seconds < 0 ? 0 : (*seconds < kLongest ? *seconds : kLongest);
    return now_ns() + static_cast<std::uint64_t>(bounded * 1e9);
}

}  // namespace callring::bindings
