// Binds TaskArgsBase. The native methods handle Tensors with a Tag, integers and floats. For anything else they call
// the Python method of the same name with an underscore, which adds it or explains what is wrong.
#include "bindings/fast_path/task_args.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "bindings/fast_path/cpython.h"

namespace callring::bindings {

namespace {

// The names that are looked up. Never deleted.
struct ArgsNames {
    PyObject* scalars = PyUnicode_InternFromString("scalars");
    PyObject* add_tensor = PyUnicode_InternFromString("_add_tensor");
    PyObject* add_scalar = PyUnicode_InternFromString("_add_scalar");
    PyObject* tag_type = PyUnicode_InternFromString("_tag_type");
};
ArgsNames* g_args_names = nullptr;

TaskArgsObject& self_of(PyObject* self) noexcept {
    return *reinterpret_cast<TaskArgsObject*>(self);
}

// The class of the tags that `type` takes. Looked up once, since there is one such class.
PyObject* tag_type_of(PyTypeObject* type) {
    static PyTypeObject* known = nullptr;
    static PyObject* tags = nullptr;
    if (known != type) {
        auto found = py::reinterpret_steal<py::object>(
            PyObject_GetAttr(reinterpret_cast<PyObject*>(type), g_args_names->tag_type));
        if (!found) {
            throw py::error_already_set();
        }
        Py_XSETREF(tags, found.release().ptr());
        Py_INCREF(type);
        Py_XDECREF(reinterpret_cast<PyObject*>(std::exchange(known, type)));
    }
    return tags;
}

void hand_over(PyObject* self, PyObject* method, std::initializer_list<PyObject*> given) {
    std::array<PyObject*, 3> args{self};
    std::copy(given.begin(), given.end(), args.begin() + 1);
    const auto done =
        py::reinterpret_steal<py::object>(PyObject_VectorcallMethod(method, args.data(), 1 + given.size(), nullptr));
    if (!done) {
        throw py::error_already_set();
    }
}

void add_tensor(PyObject* self, PyObject* tensor, PyObject* tag) {
    TaskArgsObject& args = self_of(self);
    const auto* view = exactly<TensorView>(tensor);
    if (view == nullptr || reinterpret_cast<PyObject*>(Py_TYPE(tag)) != tag_type_of(Py_TYPE(self)) ||
        args.has_arrays()) {
        hand_over(self, g_args_names->add_tensor, {tensor, tag});
        return;
    }
    args.builder.add(*view, static_cast<Tag>(PyLong_AsLong(tag)));
}

void add_scalar(PyObject* self, PyObject* scalar) {
    TaskArgsObject& args = self_of(self);
    std::uint64_t bits = 0;
    if (PyFloat_CheckExact(scalar)) {
        const double number = PyFloat_AS_DOUBLE(scalar);
        std::memcpy(&bits, &number, sizeof bits);
    } else {
        int overflow = 1;
        if (PyLong_CheckExact(scalar)) {
            bits = static_cast<std::uint64_t>(PyLong_AsLongLongAndOverflow(scalar, &overflow));
        }
        if (overflow != 0) {
            hand_over(self, g_args_names->add_scalar, {scalar});
            return;
        }
    }
    args.builder.own().scalars.push_back(bits);
}

void add_pair(PyObject* self, PyObject* pair) {
    if ((PyTuple_Check(pair) == 0 && PyList_Check(pair) == 0) || PySequence_Fast_GET_SIZE(pair) != 2) {
        throw py::type_error("TaskArgs takes (tensor, tag) pairs, for instance (x, Tag.INPUT); this one is of type " +
                             std::string(Py_TYPE(pair)->tp_name));
    }
    // New references: adding may run Python code, which may change the list.
    const auto tensor = py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(pair, 0));
    const auto tag = py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(pair, 1));
    add_tensor(self, tensor.ptr(), tag.ptr());
}

void add_scalars(PyObject* self, PyObject* scalars) {
    if (PyTuple_CheckExact(scalars) != 0) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(scalars); ++i) {
            add_scalar(self, PyTuple_GET_ITEM(scalars, i));
        }
        return;
    }
    for (const py::handle scalar : py::iter(scalars)) {
        add_scalar(self, scalar.ptr());
    }
}

int args_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self_of(self).arrays);
    Py_VISIT(self_of(self).parameters);
    return 0;
}

int args_clear(PyObject* self) {
    Py_CLEAR(self_of(self).arrays);
    Py_CLEAR(self_of(self).parameters);
    return 0;
}

PyObject* args_create(PyTypeObject* type, PyObject* /*args*/, PyObject* /*kwargs*/) {
    ArgsBuilder builder;  // its constructor may throw, and must do so before the object exists
    PyObject* self = type->tp_alloc(type, 0);
    if (self != nullptr) {
        new (&self_of(self).builder) ArgsBuilder(std::move(builder));
    }
    return self;
}

int args_init(PyObject* self, PyObject* pairs, PyObject* kwargs) {
    TaskArgsObject& args = self_of(self);
    PyObject* scalars = nullptr;
    if (kwargs != nullptr) {
        scalars = PyDict_GetItemWithError(kwargs, g_args_names->scalars);
        if (PyDict_GET_SIZE(kwargs) != (scalars != nullptr ? 1 : 0)) {
            PyErr_SetString(PyExc_TypeError,
                            "TaskArgs takes (tensor, tag) pairs and `scalars`, and nothing else by name");
            return -1;
        }
    }
    args.builder.reset(static_cast<std::size_t>(PyTuple_GET_SIZE(pairs)));
    args_clear(self);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(pairs); ++i) {
        add_pair(self, PyTuple_GET_ITEM(pairs, i));
    }
    if (scalars != nullptr) {
        add_scalars(self, scalars);
    }
    return 0;
}

Py_ssize_t args_length(PyObject* self) {
    const TaskArgsObject& args = self_of(self);
    return static_cast<Py_ssize_t>(args.builder.view().tensors.size()) +
           (args.has_arrays() ? PyList_GET_SIZE(args.arrays) : 0);
}

PyObject* method_add_tensor(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* names) {
    std::array<PyObject*, 2> both{};
    static constexpr std::array<const char*, 2> kNames{"tensor", "tag"};
    const Py_ssize_t named = names != nullptr ? PyTuple_GET_SIZE(names) : 0;
    bool right = count + named == 2;
    for (Py_ssize_t i = 0; right && i < count; ++i) {
        both.at(static_cast<std::size_t>(i)) = given[i];
    }
    for (Py_ssize_t i = 0; right && i < named; ++i) {
        const bool is_tag = PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), kNames[1]) == 0;
        right = is_tag || PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), kNames[0]) == 0;
        both.at(is_tag ? 1 : 0) = given[count + i];
    }
    if (!right || both[0] == nullptr || both[1] == nullptr) {
        throw py::type_error("add_tensor takes a tensor and a tag");
    }
    add_tensor(self, both[0], both[1]);
    return new_reference(Py_None);
}

PyObject* method_add_scalar(PyObject* self, PyObject* scalar) {
    add_scalar(self, scalar);
    return new_reference(Py_None);
}

PyObject* args_native(PyObject* self, void* /*closure*/) {
    return py::cast(self_of(self).builder).release().ptr();
}

int args_replace_native(PyObject* self, PyObject* builder, void* /*closure*/) {
    if (builder == nullptr) {
        throw py::type_error("the arguments cannot be deleted");
    }
    self_of(self).builder = py::handle(builder).cast<ArgsBuilder>();
    return 0;
}

PyObject* args_scalar_count(PyObject* self, void* /*closure*/) {
    return PyLong_FromSize_t(self_of(self).builder.view().scalars.size());
}

}  // namespace

void register_task_args(py::module_& module) {
    g_args_names = new ArgsNames();

    static std::array<PyMethodDef, 3> methods{{
        keyword_method<&method_add_tensor>(
            "add_tensor",
            "add_tensor($self, tensor, tag)\n--\n\n"
            "Appends a tensor.\n\n"
            "Raises:\n"
            "    TypeError: neither a Tensor nor an array, or an array that is not a small INPUT: ``share`` it first; "
            "or\n"
            "        ``tag`` is no Tag."),
        {"add_scalar", &Entry<&method_add_scalar>::call, METH_O,
         "add_scalar($self, scalar, /)\n--\n\n"
         "Appends a scalar: an integer of 64 bits (True is 1), or a float, which may be infinite or NaN.\n\n"
         "Raises:\n"
         "    OverflowError: an integer does not fit 64 bits.\n"
         "    TypeError: not a number."},
        {},
    }};
    static std::array<PyGetSetDef, 3> properties{{
        {"_native", &Entry<&args_native>::call, &Entry<&args_replace_native>::call,
         "The same tensors and scalars, as the engine takes them.", nullptr},
        property<&args_scalar_count>("scalar_count", "Number of scalars."),
        {},
    }};
    static std::array<PyMemberDef, 3> members{{
        {"_arrays", T_OBJECT, offsetof(TaskArgsObject, arrays), 0,
         "(tag, array or Tensor) from the first plain array on."},
        {"_parameters", T_OBJECT, offsetof(TaskArgsObject, parameters), 0, "(position, Scalar) of some scalars."},
        {},
    }};
    static std::array<PyType_Slot, 11> slots{{
        {Py_tp_doc, const_cast<char*>("The native half of TaskArgs.")},
        slot<&args_create>(Py_tp_new),
        slot<&args_init>(Py_tp_init),
        slot<&deallocate<TaskArgsObject, args_clear>>(Py_tp_dealloc),
        slot<&args_traverse>(Py_tp_traverse),
        slot<&args_clear>(Py_tp_clear),
        slot<&args_length>(Py_sq_length),
        {Py_tp_methods, methods.data()},
        {Py_tp_getset, properties.data()},
        {Py_tp_members, members.data()},
        {0, nullptr},
    }};
    g_args_type = add_type(
        module,
        {"runtime._core.TaskArgsBase", sizeof(TaskArgsObject), 0, kCollected | Py_TPFLAGS_BASETYPE, slots.data()},
        "TaskArgsBase");
}

}  // namespace callring::bindings
