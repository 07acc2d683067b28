#include "bindings/values.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "common/system_calls.h"
#include "lane/returned_value.h"

namespace callring::bindings {

namespace {

constexpr std::size_t kLong = std::size_t{256} << 10U;

// One extent, as a Python object.
struct ExtentBuffer {
    ExtentPtr extent;
};

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
    std::ranges::copy(std::as_bytes(std::span(body)), std::as_writable_bytes(std::span(&number, 1)).begin());
    return number;
}

std::size_t size_of(PyObject* bytes) noexcept {
    return static_cast<std::size_t>(PyBytes_GET_SIZE(bytes));
}

// The extents of one value: withdrawn unless finish() was called.
class Apart {
public:
    explicit Apart(ExtentWriter& writer) : writer_(writer) {}
    Apart(const Apart&) = delete;
    Apart& operator=(const Apart&) = delete;
    ~Apart() {
        for (const ExtentRecord& record : records_) {
            writer_.withdraw(record);
        }
    }

    void add(std::string_view bytes) {
        auto written = [&] {
            const auto span = std::as_bytes(std::span(bytes));
            if (bytes.size() < kLong) {
                return writer_.write(span);
            }
            const py::gil_scoped_release release;  // the control thread may load a callable meanwhile
            return writer_.write(span);
        }();
        if (!written) {
            throw NoExtent(std::move(written).error().message);
        }
        records_.push_back(*written);
    }

    void finish(char form, std::string_view rest, std::string& out) {
        const auto count = static_cast<std::uint32_t>(records_.size());
        out.clear();
        out.reserve(2 + sizeof count + (records_.size() * sizeof(ExtentRecord)) + rest.size());
        out.push_back(returned::kApart);
        out.push_back(form);
        out.append(reinterpret_cast<const char*>(&count), sizeof count);
        out.append(reinterpret_cast<const char*>(records_.data()), records_.size() * sizeof(ExtentRecord));
        out.append(rest);
        records_.clear();
    }

private:
    ExtentWriter& writer_;
    std::vector<ExtentRecord> records_;
};

void put_text(char letter, std::string_view text, ExtentWriter& extents, std::string& out) {
    if (text.size() >= kLeastExtent) {
        Apart apart(extents);
        apart.add(text);
        apart.finish(letter, {}, out);
        return;
    }
    out.clear();
    out.reserve(1 + text.size());
    out.push_back(letter);
    out.append(text);
}

// Packs a value that has a short form. Returns false if it has none.
bool pack_short(PyObject* value, ExtentWriter& extents, std::string& out) {
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
        put_text(returned::kBytes, {PyBytes_AS_STRING(value), size_of(value)}, extents, out);
        return true;
    }
    if (PyUnicode_CheckExact(value)) {
        Py_ssize_t size = 0;
        const char* text = PyUnicode_AsUTF8AndSize(value, &size);
        if (text == nullptr) {
            PyErr_Clear();  // a lone surrogate, which pickle can encode
            return false;
        }
        put_text(returned::kText, {text, static_cast<std::size_t>(size)}, extents, out);
        return true;
    }
    return false;
}

}  // namespace

namespace {

// The bytes of a contiguous buffer.
class Contiguous {
public:
    explicit Contiguous(PyObject* object) {
        if (PyObject_GetBuffer(object, &view_, PyBUF_SIMPLE) != 0) {
            throw py::error_already_set();
        }
    }
    Contiguous(const Contiguous&) = delete;
    Contiguous& operator=(const Contiguous&) = delete;
    ~Contiguous() { PyBuffer_Release(&view_); }
    [[nodiscard]] std::string_view bytes() const noexcept {
        return {static_cast<const char*>(view_.buf), static_cast<std::size_t>(view_.len)};
    }

private:
    Py_buffer view_{};
};

void pack_pickle(py::handle value, const py::object& dumps, ExtentWriter& extents, std::string& out) {
    const py::object pickled = dumps(value);
    const bool alone = PyBytes_CheckExact(pickled.ptr());
    const py::bytes pickle = alone ? pickled : py::object(pickled[py::int_(0)]);
    const std::string_view bytes{PyBytes_AS_STRING(pickle.ptr()), size_of(pickle.ptr())};
    if (alone) {
        put_text(returned::kPickle, bytes, extents, out);
        return;
    }
    Apart apart(extents);
    const bool is_long = bytes.size() >= kLeastExtent;
    if (is_long) {
        apart.add(bytes);
    }
    for (const py::handle buffer : py::list(pickled[py::int_(1)])) {
        apart.add(Contiguous(buffer.ptr()).bytes());
    }
    apart.finish(returned::kPickle, is_long ? std::string_view() : bytes, out);
}

// Requests all pages of fresh memory at once, which takes a third less time than one by one.
void populate(char* place, std::size_t bytes) noexcept {
#ifdef MADV_POPULATE_WRITE
    constexpr std::uintptr_t kPageBytes = 4096;
    const std::uintptr_t before_page = -reinterpret_cast<std::uintptr_t>(place) % kPageBytes;
    if (bytes >= before_page + kPageBytes) {
        const std::size_t whole_pages = (bytes - before_page) / kPageBytes * kPageBytes;
        sys::madvise(place + before_page, whole_pages, MADV_POPULATE_WRITE);
    }
#endif
}

py::object bytes_of(std::string_view text) {
    if (text.size() < kLong) {
        return py::bytes(text.data(), text.size());
    }
    auto made =
        py::reinterpret_steal<py::object>(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(text.size())));
    if (!made) {
        throw py::error_already_set();
    }
    // The interpreter's lock is kept: otherwise another thread that waits for the same call would also copy the value.
    char* const place = PyBytes_AS_STRING(made.ptr());
    populate(place, text.size());
    std::memcpy(place, text.data(), text.size());
    return made;
}

py::object text_of(std::string_view text) {
    auto made = py::reinterpret_steal<py::object>(
        PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr));
    if (!made) {
        throw py::error_already_set();
    }
    return made;
}

py::object unpickle(std::string_view pickle, const py::object& buffers) {
    const auto view = py::memoryview::from_memory(pickle.data(), static_cast<py::ssize_t>(pickle.size()));
    const py::object loads = py::module_::import("pickle").attr("loads");
    return buffers ? loads(view, py::arg("buffers") = buffers) : loads(view);
}

py::object unpack_apart(const ApartValue& value, const Extents& extents) {
    if (extents.size() != value.count) {
        throw py::value_error("a returned value without its memory");
    }
    const std::string_view first = extents.front()->text();
    if (value.form != returned::kPickle) {
        return value.form == returned::kBytes ? bytes_of(first) : text_of(first);
    }
    py::list buffers;
    for (std::size_t i = value.rest.empty() ? 1 : 0; i < extents.size(); ++i) {
        buffers.append(py::cast(ExtentBuffer{extents[i]}));
    }
    return unpickle(value.rest.empty() ? first : value.rest, buffers);
}

}  // namespace

void pack_value(py::handle value, const py::object& dumps, ExtentWriter& extents, std::string& out) {
    if (value.is_none()) {
        out.clear();
        return;
    }
    if (!pack_short(value.ptr(), extents, out)) {
        pack_pickle(value, dumps, extents, out);
    }
}

py::object unpack_value(std::string_view payload, const Extents* extents) {
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
            return unpickle(body, {});
        case returned::kApart:
            if (const auto apart = decode_apart(payload); apart && extents != nullptr) {
                return unpack_apart(*apart, *extents);
            }
            [[fallthrough]];
        default:
            throw py::value_error("a returned value of an unknown form");
    }
}

void register_extent(py::module_& module) {
    py::class_<ExtentBuffer>(
        module, "ExtentBuffer",
        "Bytes that a task returned, in the memory in which its child wrote them: a writable buffer. The child "
        "may use the memory again when no array over it is left.",
        py::buffer_protocol())
        .def_buffer([](const ExtentBuffer& buffer) {
            const std::span<std::byte> bytes = buffer.extent->bytes();
            return py::buffer_info(reinterpret_cast<std::uint8_t*>(bytes.data()),
                                   static_cast<py::ssize_t>(bytes.size()));
        })
        .def("__len__", [](const ExtentBuffer& buffer) { return buffer.extent->bytes().size(); });
}

}  // namespace callring::bindings
