// The Python side of a PythonStore: an object with `kinds`, `describe(kind, payload)` and `load(kind, payload)`; also
// `unload(loaded)` if something has to be done when the last reference to a loaded object is dropped, and in a node
// `take_trace()`.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bindings/convert.h"
#include "child_side/python_store.h"

namespace callring::bindings {

// A reference to a Python object that any thread may drop without the interpreter's lock.
inline std::shared_ptr<void> keep(py::object object) {
    return {object.release().ptr(), [](void* held) {
                const py::gil_scoped_acquire acquire;
                Py_DECREF(static_cast<PyObject*>(held));
            }};
}

// The text of `value`, even if its __str__ fails; characters that UTF-8 cannot encode are escaped. Leaves no Python
// error.
inline std::string text_of(py::handle value) {
    const auto text = py::reinterpret_steal<py::object>(PyObject_Str(value.ptr()));
    const auto bytes = py::reinterpret_steal<py::object>(
        text ? PyUnicode_AsEncodedString(text.ptr(), "utf-8", "backslashreplace") : nullptr);
    if (!bytes) {
        PyErr_Clear();
        return "(it has no text: its __str__ fails)";
    }
    return {PyBytes_AS_STRING(bytes.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr()))};
}

// Python objects that threads without the interpreter's lock may drop. To drop one allocates nothing, as it happens in
// destructors.
class Dropped {
public:
    using Held = std::list<PyObject*>::iterator;

    [[nodiscard]] Held hold(PyObject* object) {
        const std::lock_guard lock(mutex_);
        return held_.insert(held_.end(), object);
    }
    // C++ has no reference to this object any more.
    void drop(Held held) noexcept {
        const std::lock_guard lock(mutex_);
        dropped_.splice(dropped_.end(), held_, held);
    }
    // To be called with the interpreter's lock.
    void clear() {
        std::list<PyObject*> objects;
        {
            const std::lock_guard lock(mutex_);
            objects.swap(dropped_);
        }
        for (PyObject* object : objects) {
            Py_DECREF(object);
        }
    }
    [[nodiscard]] bool empty() {
        const std::lock_guard lock(mutex_);
        return dropped_.empty();
    }

private:
    std::mutex mutex_;
    std::list<PyObject*> held_;
    std::list<PyObject*> dropped_;
};

// Gives the calling thread an interpreter thread state for its lifetime: making one takes longer than some
// registrations. The caller does not hold the interpreter's lock, before and after.
inline void keep_thread_state() {
    [[gnu::tls_model("initial-exec")]] static constinit thread_local bool kept = false;
    if (!kept) {
        PyGILState_Ensure();
        PyEval_SaveThread();
        kept = true;
    }
}

// While such an object lives, a thread that waits for the interpreter's lock requests it after the switch interval of
// ordinary Python programs: not before a hold of ChildHost ends. The interval is not longer, because the lock's owner
// may release the lock itself, to read a file for instance, and then needs it back.
class ScopedSwitchInterval {
public:
    ScopedSwitchInterval() : sys_(py::module_::import("sys")), before_(sys_.attr("getswitchinterval")()) {
        sys_.attr("setswitchinterval")(0.005);
    }
    ~ScopedSwitchInterval() {
        const auto done =
            py::reinterpret_steal<py::object>(PyObject_CallMethod(sys_.ptr(), "setswitchinterval", "O", before_.ptr()));
        if (!done) {
            PyErr_WriteUnraisable(sys_.ptr());  // for lack of memory, for instance; the process goes on
        }
    }
    ScopedSwitchInterval(const ScopedSwitchInterval&) = delete;
    ScopedSwitchInterval& operator=(const ScopedSwitchInterval&) = delete;

private:
    py::module_ sys_;
    py::object before_;
};

class Loader final : public PythonLoader {
public:
    explicit Loader(const py::object& loader)
        : loader_(keep(loader)),
          kinds_(loader.attr("kinds").cast<std::vector<std::uint32_t>>()),
          unloads_(py::hasattr(loader, "unload")) {}

    [[nodiscard]] bool takes(CallableKind kind) const override {
        return std::find(kinds_.begin(), kinds_.end(), static_cast<std::uint32_t>(kind)) != kinds_.end();
    }
    Result<Descriptor> describe(CallableKind kind, std::span<const std::byte> payload) override {
        return call<Descriptor>([&] {
            const py::bytes described = self().attr("describe")(static_cast<std::uint32_t>(kind), to_bytes(payload));
            const auto bytes = as_span(described);
            return Descriptor(bytes.begin(), bytes.end());
        });
    }
    void load(CallableKind kind, std::span<const std::byte> bytes, bool may_hold, const Loaded& loaded) override {
        keep_thread_state();
        const py::gil_scoped_acquire acquire;
        std::optional<ScopedSwitchInterval> interval;
        if (may_hold) {
            interval.emplace();
        }
        dropped_->clear();
        loaded(call<std::shared_ptr<void>>([&] {
            py::object callable = self().attr("load")(static_cast<std::uint32_t>(kind), to_bytes(bytes));
            return unloads_ ? unloaded_at_last(std::move(callable)) : dropped_at_last(std::move(callable));
        }));
    }
    void tidy() override {
        if (!dropped_->empty()) {
            const py::gil_scoped_acquire acquire;
            dropped_->clear();
        }
    }
    Result<std::string> take_trace() override {
        return call<std::string>([&] { return self().attr("take_trace")().template cast<std::string>(); });
    }
    // Calls `loader.open()`, which only a node's loader has.
    Result<void> open() {
        auto opened = call<bool>([&] { return !self().attr("open")().is_none(); });
        return opened ? Result<void>() : Result<void>(std::move(opened).error());
    }

private:
    [[nodiscard]] py::handle self() const { return static_cast<PyObject*>(loader_.get()); }

    // A removal does not wait until a task releases the interpreter's lock: the dropped objects are destroyed when a
    // thread has the lock anyway.
    [[nodiscard]] std::shared_ptr<void> dropped_at_last(py::object loaded) const {
        const Dropped::Held held = dropped_->hold(loaded.ptr());
        return {loaded.release().ptr(), [dropped = dropped_, held](void*) { dropped->drop(held); }};
    }

    std::shared_ptr<void> unloaded_at_last(py::object loaded) const {
        return {loaded.release().ptr(), [loader = loader_](void* held) {
                    const py::gil_scoped_acquire acquire;
                    const auto last = py::reinterpret_steal<py::object>(static_cast<PyObject*>(held));
                    try {
                        py::handle(static_cast<PyObject*>(loader.get())).attr("unload")(last);
                    } catch (py::error_already_set& error) {
                        error.discard_as_unraisable("unload");
                    }
                }};
    }

    // A NativeError of the loader keeps its code.
    template <class T, class Work>
    static Result<T> call(const Work& work) {
        const py::gil_scoped_acquire acquire;
        try {
            return work();
        } catch (const py::error_already_set& error) {
            if (error.matches(py::module_::import("runtime._core").attr("NativeError"))) {
                const py::tuple args = error.value().attr("args");
                return Error{static_cast<Code>(args[0].cast<std::uint32_t>()), text_of(args[1])};
            }
            const std::string type = reinterpret_cast<PyTypeObject*>(error.type().ptr())->tp_name;
            return Error{Code::prepare_failed, type + ": " + text_of(error.value())};
        } catch (const std::bad_alloc&) {
            PyErr_Clear();  // set if there was no memory to throw it
            throw;
        }
    }

    std::shared_ptr<void> loader_;
    std::shared_ptr<Dropped> dropped_ = std::make_shared<Dropped>();
    std::vector<std::uint32_t> kinds_;
    bool unloads_;
};

}  // namespace callring::bindings
