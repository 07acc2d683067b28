// Binds shared memory: MemoryPool, Tensor and TaskArgs.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cmath>
#include <optional>
#include <unordered_map>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "bindings/dtypes.h"
#include "bindings/task_args.h"
#include "memory/scope.h"

namespace callring::bindings {

namespace {

TensorView allocate(const std::shared_ptr<MemoryPool>& pool, const std::vector<std::int64_t>& shape,
                    const std::string& dtype) {
    TensorView tensor;
    tensor.dtype = parse_dtype(dtype);
    if (shape.size() > CALLRING_MAX_RANK) {
        throw py::value_error("a tensor has at most 8 dimensions, not " + std::to_string(shape.size()));
    }
    tensor.rank = static_cast<std::uint32_t>(shape.size());
    std::int64_t stride = 1;
    std::uint64_t bytes = element_bytes(tensor.dtype);
    for (std::size_t i = shape.size(); i-- > 0;) {
        if (shape[i] < 0) {
            throw py::value_error("negative extent " + std::to_string(shape[i]));
        }
        tensor.shape.at(i) = shape[i];
        tensor.strides.at(i) = stride;
        if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(shape[i]), &bytes) ||
            __builtin_mul_overflow(stride, std::max<std::int64_t>(1, shape[i]), &stride)) {
            throw py::value_error("the tensor's size overflows");
        }
    }
    Result<std::shared_ptr<Buffer>> buffer = Error{};
    {
        // A new arena may have to be mapped into every child.
        const py::gil_scoped_release release;
        buffer = pool->allocate(bytes);
    }
    tensor.buffer = unwrap(std::move(buffer));
    tensor.offset = tensor.buffer->offset();
    return tensor;
}

py::tuple shape_of(const TensorView& tensor) {
    py::tuple shape(tensor.rank);
    for (std::uint32_t i = 0; i < tensor.rank; ++i) {
        shape[i] = tensor.shape.at(i);
    }
    return shape;
}

std::vector<py::ssize_t> byte_strides(const TensorView& tensor) {
    std::vector<py::ssize_t> strides;
    strides.reserve(tensor.rank);
    for (std::uint32_t i = 0; i < tensor.rank; ++i) {
        strides.push_back(tensor.strides.at(i) * static_cast<py::ssize_t>(element_bytes(tensor.dtype)));
    }
    return strides;
}

void require_scope(const TensorView& tensor) {
    if (tensor.buffer->retired()) {
        throw py::value_error("the scope in which this tensor was allocated has ended");
    }
}

// What brings the newest contents of a buffer to this machine.
struct Fetcher {
    std::weak_ptr<Buffer> buffer;
    py::object fetch;
};

// By the buffer. Used with the interpreter's lock.
std::unordered_map<const Buffer*, Fetcher>& fetchers() {
    // Never destroyed: the interpreter is gone when static objects are.
    static auto* all = new std::unordered_map<const Buffer*, Fetcher>();  // NOLINT(cppcoreguidelines-owning-memory)
    return *all;
}

void set_away(const TensorView& tensor, const py::object& fetch) {
    tensor.buffer->set_away(!fetch.is_none());
    std::erase_if(fetchers(), [](const auto& one) { return one.second.buffer.expired(); });
    if (fetch.is_none()) {
        fetchers().erase(tensor.buffer.get());
    } else {
        fetchers()[tensor.buffer.get()] = {tensor.buffer, fetch};
    }
}

py::array array_over(const py::object& self, const py::dtype& dtype) {
    const auto& tensor = self.cast<const TensorView&>();
    require_scope(tensor);
    if (tensor.buffer->away()) {
        const py::object fetch = fetchers().at(tensor.buffer.get()).fetch;
        fetch(self);
    }
    std::vector<py::ssize_t> shape(tensor.shape.begin(), tensor.shape.begin() + tensor.rank);
    py::array array(dtype, std::move(shape), byte_strides(tensor), tensor.data(), self);
    if (tensor.read_only) {
        array.attr("setflags")(py::arg("write") = false);
    }
    return array;
}

// An array over the tensor's own memory; `self` keeps that memory alive.
py::array to_numpy(const py::object& self) {
    return array_over(self, numpy_dtype(self.cast<const TensorView&>().dtype));
}

// An array for code that needs the size of an element, not its type: so bfloat16 has views and can be copied, too.
py::array to_indexable(const py::object& self) {
    const std::uint32_t dtype = self.cast<const TensorView&>().dtype;
    return array_over(self, numpy_dtype(dtype == CALLRING_BFLOAT16 ? std::uint32_t{CALLRING_UINT16} : dtype));
}

// The tensor behind an array that is a view of `self`'s memory, as NumPy's own indexing made it.
TensorView from_view(const TensorView& tensor, const py::array& view) {
    TensorView result = tensor;
    if (view.ndim() > static_cast<py::ssize_t>(CALLRING_MAX_RANK)) {
        throw py::value_error("a tensor has at most 8 dimensions");
    }
    const auto bytes = static_cast<std::int64_t>(element_bytes(tensor.dtype));
    if (view.size() > 0) {  // the address of a view without elements has no meaning
        const auto* base = static_cast<const std::byte*>(view.data());
        result.offset = tensor.buffer->offset() + static_cast<std::uint64_t>(base - tensor.buffer->data());
    }
    result.rank = static_cast<std::uint32_t>(view.ndim());
    result.shape.fill(0);
    result.strides.fill(0);
    for (std::uint32_t i = 0; i < result.rank; ++i) {
        result.shape.at(i) = view.shape(i);
        result.strides.at(i) = view.strides(i) / bytes;
    }
    return result;
}

// The view that integers and slices select. NumPy's indexing needs an array first, which makes it several times as
// expensive as the rest of a view. Nothing for any other index, for one that is out of range, and for a view without
// elements: NumPy handles those, and words the errors.
std::optional<TensorView> selected(const TensorView& tensor, const py::handle index) {
    const bool several = PyTuple_CheckExact(index.ptr()) != 0;
    const auto count = several ? static_cast<std::uint32_t>(PyTuple_GET_SIZE(index.ptr())) : 1;
    if (count > tensor.rank) {
        return std::nullopt;
    }
    require_scope(tensor);
    TensorView view = tensor;
    view.rank = 0;
    view.shape.fill(0);
    view.strides.fill(0);
    std::int64_t first = 0;  // from the tensor's first element to that of the view
    const auto add_axis = [&view](std::int64_t extent, std::int64_t stride) {
        view.shape.at(view.rank) = extent;
        view.strides.at(view.rank++) = stride;
    };
    for (std::uint32_t axis = 0; axis < tensor.rank; ++axis) {
        const std::int64_t extent = tensor.shape.at(axis);
        const std::int64_t stride = tensor.strides.at(axis);
        if (axis >= count) {
            add_axis(extent, stride);
            continue;
        }
        PyObject* const part = several ? PyTuple_GET_ITEM(index.ptr(), axis) : index.ptr();
        if (PySlice_Check(part)) {
            Py_ssize_t start = 0;
            Py_ssize_t stop = 0;
            Py_ssize_t step = 0;
            if (PySlice_Unpack(part, &start, &stop, &step) < 0) {
                throw py::error_already_set();
            }
            const Py_ssize_t length = PySlice_AdjustIndices(extent, &start, &stop, step);
            std::int64_t distance = 0;
            if (__builtin_mul_overflow(stride, step, &distance)) {
                return std::nullopt;
            }
            add_axis(length, distance);
            first += start * stride;
        } else if (PyLong_CheckExact(part)) {
            int overflow = 0;
            const long long number = PyLong_AsLongLongAndOverflow(part, &overflow);
            if (overflow != 0 || number < -extent || number >= extent) {
                return std::nullopt;
            }
            first += (number < 0 ? number + extent : number) * stride;
        } else {
            return std::nullopt;
        }
    }
    if (view.elements() == 0) {
        return std::nullopt;
    }
    view.offset += static_cast<std::uint64_t>(first * static_cast<std::int64_t>(element_bytes(tensor.dtype)));
    return view;
}

// `index` as basic indexing, for which NumPy does not copy. Refuses booleans and arrays; an array that is one integer
// becomes that integer.
py::tuple basic_index(const py::object& index) {
    py::list parts;
    bool has_ellipsis = false;
    for (const py::handle part : py::isinstance<py::tuple>(index) ? py::tuple(index) : py::make_tuple(index)) {
        has_ellipsis = has_ellipsis || part.ptr() == Py_Ellipsis;
        if (part.ptr() == Py_Ellipsis || part.is_none() || py::isinstance<py::slice>(part)) {
            parts.append(part);
            continue;
        }
        const auto number = py::reinterpret_steal<py::object>(
            py::isinstance<py::bool_>(part) || PyIndex_Check(part.ptr()) == 0 ? nullptr : PyNumber_Index(part.ptr()));
        if (!number) {
            PyErr_Clear();
            throw py::type_error("a tensor is indexed with integers and slices only: its views share memory");
        }
        parts.append(number);
    }
    // An ellipsis keeps NumPy from returning a scalar, which would be a copy.
    if (!has_ellipsis) {
        parts.append(py::ellipsis());
    }
    return py::tuple(parts);
}

// numpy.float32(0.5) is no Python float, unlike numpy.float64(0.5).
bool is_numpy_float(const py::object& value) {
    return py::hasattr(value, "dtype") && py::str(value.attr("dtype").attr("kind")).equal(py::str("f"));
}

std::uint64_t to_scalar(const py::object& value) {
    if (py::isinstance<py::float_>(value) || is_numpy_float(value)) {
        const double number = PyFloat_AsDouble(value.ptr());
        if (PyErr_Occurred() != nullptr) {
            throw py::error_already_set();
        }
        std::uint64_t bits = 0;
        std::memcpy(&bits, &number, sizeof bits);
        return bits;
    }
    const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
    if (!number) {
        throw py::error_already_set();
    }
    int overflow = 0;
    const long long small = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
    if (overflow == 0) {
        return static_cast<std::uint64_t>(small);
    }
    const unsigned long long large = overflow > 0 ? PyLong_AsUnsignedLongLong(number.ptr()) : 0;
    if (overflow < 0 || PyErr_Occurred() != nullptr) {
        PyErr_Clear();
        PyErr_SetString(PyExc_OverflowError,
                        ("scalar " + py::str(number).cast<std::string>() + " does not fit 64 bits").c_str());
        throw py::error_already_set();
    }
    return large;
}

Tag to_tag(std::uint32_t tag) {
    if (tag > static_cast<std::uint32_t>(Tag::no_dep)) {
        throw py::value_error("tag " + std::to_string(tag) + " is none of runtime.Tag");
    }
    return static_cast<Tag>(tag);
}

}  // namespace

void register_memory(py::module_& module) {
    using namespace py::literals;
    py::class_<TensorView>(module, "Tensor", py::buffer_protocol(), "An array in shared memory.")
        .def_buffer([](const TensorView& tensor) {
            require_scope(tensor);
            std::vector<py::ssize_t> shape(tensor.shape.begin(), tensor.shape.begin() + tensor.rank);
            const py::dtype dtype = numpy_dtype(tensor.dtype);
            return py::buffer_info(tensor.data(), dtype.itemsize(), std::string(1, dtype.char_()), tensor.rank,
                                   std::move(shape), byte_strides(tensor), tensor.read_only);
        })
        .def_property_readonly("shape", &shape_of, "The extent of each axis, in elements.")
        .def_property_readonly(
            "strides", [](const TensorView& tensor) { return py::tuple(py::cast(byte_strides(tensor))); },
            "The distance from one element to the next along each axis, in bytes.")
        .def_property_readonly(
            "dtype", [](const TensorView& tensor) { return dtype_name(tensor.dtype); },
            "The name of the elements' type, for instance float32 or bfloat16.")
        .def_property_readonly(
            "ndim", [](const TensorView& tensor) { return tensor.rank; }, "How many axes it has.")
        .def_property_readonly("size", &TensorView::elements, "How many elements it has.")
        .def_property_readonly(
            "nbytes", [](const TensorView& tensor) { return tensor.elements() * element_bytes(tensor.dtype); },
            "The size of all elements, in bytes.")
        .def(
            "numpy", [](const py::object& self) { return to_numpy(self); },
            "The same memory as a NumPy array, which keeps the tensor alive. Raises: ValueError (the scope that it was "
            "allocated in has ended), TypeError (bfloat16, which NumPy does not have).")
        .def(
            "__array__",
            [](const py::object& self, const py::object& dtype, const py::object& copy) {
                const py::array array = to_numpy(self);
                return py::module_::import("numpy").attr("array")(array, "dtype"_a = dtype, "copy"_a = copy);
            },
            "dtype"_a = py::none(), "copy"_a = py::none())
        .def("__dlpack__", [](const py::object& self,
                              const py::kwargs& options) { return to_numpy(self).attr("__dlpack__")(**options); })
        .def("__dlpack_device__", [](const py::object& self) { return to_numpy(self).attr("__dlpack_device__")(); })
        .def(
            "__getitem__",
            [](const py::object& self, const py::object& index) {
                const auto& tensor = self.cast<const TensorView&>();
                if (std::optional<TensorView> view = selected(tensor, index)) {
                    return *std::move(view);
                }
                return from_view(tensor, to_indexable(self).attr("__getitem__")(basic_index(index)).cast<py::array>());
            },
            "index"_a)
        .def(
            "reshape",
            [](const py::object& self, const py::args& shape) {
                const py::array whole = to_indexable(self);
                const auto& tensor = self.cast<const TensorView&>();
                const auto array = whole.attr("reshape")(*shape).cast<py::array>();
                if (array.size() > 0 &&
                    !py::module_::import("numpy").attr("shares_memory")(array, whole).cast<bool>()) {
                    throw py::value_error("this reshape needs a copy; a tensor's views share its memory");
                }
                return from_view(tensor, array);
            },
            "A tensor of another shape over the same memory. Raises: ValueError (it would need a copy).")
        .def(
            "transpose",
            [](const py::object& self, const py::args& axes) {
                return from_view(self.cast<const TensorView&>(),
                                 to_indexable(self).attr("transpose")(*axes).cast<py::array>());
            },
            "A tensor over the same memory with its axes in another order, reversed if none are given.")
        .def_property_readonly(
            "T",
            [](const py::object& self) {
                return from_view(self.cast<const TensorView&>(), to_indexable(self).attr("T").cast<py::array>());
            },
            "A tensor over the same memory with its axes reversed.")
        .def("__len__",
             [](const TensorView& tensor) {
                 if (tensor.rank == 0) {
                     throw py::type_error("len() of a tensor without dimensions");
                 }
                 return tensor.shape[0];
             })
        .def("__repr__", [](const TensorView& tensor) {
            return "<Tensor " + std::string(dtype_name(tensor.dtype)) + " " +
                   py::str(shape_of(tensor)).cast<std::string>() + " arena " +
                   std::to_string(tensor.buffer->arena_id()) + " + " + std::to_string(tensor.offset) + ">";
        });
    module.def("tensor_words", &to_indexable, "tensor"_a,
               "The same memory as an array of numbers of the elements' size: bfloat16 as uint16, others as they are.");
    module.def("set_away", &set_away, "tensor"_a, "fetch"_a,
               "From now on, code that reads this tensor's memory calls fetch(tensor) first; None ends this.");
    module.def(
        "bytes_of",
        [](const TensorView& tensor) {
            std::uint64_t begin = tensor.offset;
            std::uint64_t end = tensor.offset + element_bytes(tensor.dtype);
            for (std::uint32_t i = 0; i < tensor.rank; ++i) {
                const auto way = (tensor.shape.at(i) - 1) * tensor.strides.at(i) *
                                 static_cast<std::int64_t>(element_bytes(tensor.dtype));
                (way < 0 ? begin : end) += static_cast<std::uint64_t>(way);
            }
            return py::make_tuple(tensor.buffer->arena_id(), begin, end);
        },
        "tensor"_a,
        "The arena of a tensor that is not empty, and the first byte of its elements and the one behind the last.");
    module.def(
        "read_only",
        [](TensorView tensor) {
            tensor.read_only = true;
            return tensor;
        },
        "tensor"_a, "A tensor over the same memory that no task may write.");
    py::class_<MemoryPool, std::shared_ptr<MemoryPool>>(module, "MemoryPool", "Shared memory of one Worker.")
        .def(py::init<std::uint64_t, std::uint64_t>(), "arena_bytes"_a, "limit_bytes"_a)
        .def("empty", &allocate, "shape"_a, "dtype"_a)
        .def(
            "zeros",
            [](const std::shared_ptr<MemoryPool>& pool, const std::vector<std::int64_t>& shape,
               const std::string& dtype) {
                TensorView tensor = allocate(pool, shape, dtype);
                std::memset(tensor.data(), 0, tensor.buffer->size());  // the block may have been used before
                return tensor;
            },
            "shape"_a, "dtype"_a)
        .def_property_readonly("bytes_in_use", &MemoryPool::bytes_in_use);
    py::class_<Scope>(module, "Scope", "Bounds the use of the tensors that were allocated in it.")
        .def(py::init<>())
        .def(
            "own", [](Scope& scope, const TensorView& tensor) { scope.own(tensor.buffer); }, "tensor"_a)
        .def("end", &Scope::end);
    py::class_<ArgsBuilder>(module, "TaskArgs", "Arguments of a task, as the engine takes them.")
        .def(py::init<>())
        .def(
            "add_tensor",
            [](ArgsBuilder& args, const TensorView& tensor, std::uint32_t tag) { args.add(tensor, to_tag(tag)); },
            "tensor"_a, "tag"_a)
        .def(
            "add_scalar",
            [](ArgsBuilder& args, const py::object& value) { args.own().scalars.push_back(to_scalar(value)); },
            "value"_a)
        .def("copy", [](const ArgsBuilder& args) { return args; })
        .def("tensors",
             [](const ArgsBuilder& args) {
                 py::list tensors;
                 for (const TensorArg& one : args.view().tensors) {
                     tensors.append(py::make_tuple(one.tensor, static_cast<int>(one.tag)));
                 }
                 return tensors;
             })
        .def_static("scalar_bits", &to_scalar, "value"_a)
        .def_property_readonly("tensor_count", [](const ArgsBuilder& args) { return args.view().tensors.size(); })
        .def_property_readonly("scalar_count", [](const ArgsBuilder& args) { return args.view().scalars.size(); });
}

}  // namespace callring::bindings
