#include "bindings/values.h"

#include <cstdint>
#include <cstring>

#include "lane/returned_value.h"

namespace callring::bindings {

namespace {

template <class T>
void put_number(char letter, T number, std::string& out) {
    out.resize(1 + sizeof number);
    out[0] = letter;
    std::memcpy(out.data() + 1, &number, sizeof number);
}

template <class T>
T get_number(std::string_view body) {
    T number{};
    if (body.size() != sizeof number) {
        throw py::value_error("a returned number has " + std::to_string(body.size()) + " bytes");
    }
    std::memcpy(&number, body.data(), sizeof number);
    return number;
}

void put_text(char letter, const char* data, Py_ssize_t size, std::string& out) {
    out.clear();
    out.reserve(1 + static_cast<std::size_t>(size));
    out.push_back(letter);
    out.append(data, static_cast<std::size_t>(size));
}

// False: it has no short form.
bool pack_short(PyObject* value, std::string& out) {
    if (value == Py_True || value == Py_False) {
        out.assign(1, value == Py_True ? returned::kTrue : returned::kFalse);
        return true;
    }
    if (PyLong_CheckExact(value)) {
        int overflow = 0;
        const auto number = static_cast<std::int64_t>(PyLong_AsLongLongAndOverflow(value, &overflow));
        if (overflow == 0) {
            put_number(returned::kInteger, number, out);
        }
        return overflow == 0;
    }
    if (PyFloat_CheckExact(value)) {
        put_number(returned::kFloat, PyFloat_AS_DOUBLE(value), out);
        return true;
    }
    if (PyBytes_CheckExact(value)) {
        put_text(returned::kBytes, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), out);
        return true;
    }
    if (PyUnicode_CheckExact(value)) {
        Py_ssize_t size = 0;
        const char* text = PyUnicode_AsUTF8AndSize(value, &size);
        if (text == nullptr) {
            PyErr_Clear();  // a lone surrogate: pickle knows how
            return false;
        }
        put_text(returned::kText, text, size, out);
        return true;
    }
    return false;
}

}  // namespace

void pack_value(py::handle value, const py::object& dumps, std::string& out) {
    if (value.is_none()) {
        out.clear();
        return;
    }
    if (!pack_short(value.ptr(), out)) {
        const py::bytes pickled = dumps(value);
        put_text(returned::kPickle, PyBytes_AS_STRING(pickled.ptr()), PyBytes_GET_SIZE(pickled.ptr()), out);
    }
}

py::object unpack_value(std::string_view payload) {
    if (payload.empty()) {
        return py::none();
    }
    const std::string_view body = payload.substr(1);
    switch (payload.front()) {
        case returned::kTrue:
            return py::bool_(true);
        case returned::kFalse:
            return py::bool_(false);
        case returned::kInteger:
            return py::int_(get_number<std::int64_t>(body));
        case returned::kFloat:
            return py::float_(get_number<double>(body));
        case returned::kText:
            return py::str(body.data(), body.size());
        case returned::kBytes:
            return py::bytes(body.data(), body.size());
        case returned::kPickle:
            return py::module_::import("pickle").attr("loads")(
                py::memoryview::from_memory(body.data(), static_cast<py::ssize_t>(body.size())));
        default:
            throw py::value_error("a returned value of an unknown form");
    }
}

}  // namespace callring::bindings
