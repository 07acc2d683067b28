// Binds a sub-worker: its lane and control thread, the loop that calls the callables of tasks, and a task's arguments.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "bindings/dtypes.h"
#include "bindings/python_loader.h"
#include "bindings/values.h"
#include "child_side/callable_cache.h"
#include "common/clock.h"
#include "lane/frame.h"

namespace callring::bindings {

namespace {

// The arguments of one task, as a sequence of arrays over shared memory; those tagged INPUT are read-only.
struct FrameArgs {
    DecodedArguments decoded;
};

py::array array_at(const py::object& self, std::int64_t index) {
    const DecodedArguments& args = self.cast<const FrameArgs&>().decoded;
    const auto count = static_cast<std::int64_t>(args.tensors.size());
    if (index < -count || index >= count) {
        throw py::index_error("tensor " + std::to_string(index) + " of " + std::to_string(count));
    }
    const auto position = static_cast<std::size_t>(index < 0 ? index + count : index);
    const callring_tensor& tensor = args.tensors[position];
    const py::dtype dtype = numpy_dtype(tensor.dtype);
    std::vector<py::ssize_t> shape(tensor.shape, tensor.shape + tensor.rank);
    std::vector<py::ssize_t> strides(tensor.strides, tensor.strides + tensor.rank);
    for (py::ssize_t& stride : strides) {
        stride *= dtype.itemsize();
    }
    py::array array(dtype, std::move(shape), std::move(strides), tensor.data, self);
    if (args.tags[position] == Tag::input) {
        array.attr("setflags")(py::arg("write") = false);
    }
    return array;
}

// All arrays at once: Python's iteration by index would end with a C++ exception, which costs more than many arrays.
py::iterator iterate(const py::object& self) {
    const std::size_t count = self.cast<const FrameArgs&>().decoded.tensors.size();
    py::tuple arrays(count);
    for (std::size_t i = 0; i < count; ++i) {
        arrays[i] = array_at(self, static_cast<std::int64_t>(i));
    }
    return py::iter(arrays);
}

class SubWorkerHost {
public:
    SubWorkerHost(int control, const py::object& loader) {
        auto own = std::make_unique<Loader>(loader);
        auto started = [&] {
            const py::gil_scoped_release release;
            return ChildHost::start(UniqueFd(control), [&](const StartBody& body) {
                auto store = std::make_unique<PythonStore>(std::move(own), body.max_callables);
                store_ = store.get();
                return Result<std::unique_ptr<CallableStore>>(std::move(store));
            });
        }();
        host_ = unwrap(std::move(started));
        callables_.emplace(store_->table());
    }

    // Executes tasks until the parent asks to stop: calls `function(args)` for each.
    void serve(const py::object& dumps, const py::object& pack_exception) {
        ChildLane& lane = host_->lane();
        for (;;) {
            if (const Frame* frame = lane.try_next()) {
                run(*frame, dumps, pack_exception);
                if (retires_) {
                    lane.retire();
                    return;
                }
                continue;
            }
            callables_->forget_stale();
            store_->begin_idle();
            {
                const py::gil_scoped_release release;
                if (!lane.wait()) {
                    return;
                }
            }
            store_->end_idle();
        }
    }

    // Ends serve() after the current task, so that a fresh process can replace this one.
    void retire() noexcept { retires_ = true; }

    std::optional<std::uint32_t> slot_of(const py::bytes& digest) { return store_->table().slot_of(to_digest(digest)); }

private:
    void run(const Frame& frame, const py::object& dumps, const py::object& pack_exception) {
        const std::uint64_t begin_ns = (frame.config.flags & kFrameTraced) != 0 ? now_ns() : 0;
        const Code code = within_memory([&] { return execute(frame, dumps, pack_exception); }, payload_);
        host_->complete(code, begin_ns, begin_ns != 0 ? now_ns() : 0, std::as_bytes(std::span(payload_)));
    }

    Code execute(const Frame& frame, const py::object& dumps, const py::object& pack_exception) {
        // Resolved immediately before execution: the frame only has the digest. The reference keeps the callable alive
        // while it runs, also if it is removed meanwhile.
        const std::shared_ptr<void> function = callables_->find(frame.digest);
        if (!function) {
            payload_ = "its digest is not installed in this child";
            return Code::not_installed;
        }
        // Reuses the previous task's arguments object, unless the task or an array still refers to it.
        if (!args_ || Py_REFCNT(args_.ptr()) > 1) {
            args_ = py::cast(FrameArgs{});
        }
        if (auto decoded = decode_arguments(frame, host_->arenas(), args_.cast<FrameArgs&>().decoded); !decoded) {
            payload_ = decoded.error().message;
            return decoded.error().code;
        }
        const auto call = [&] { return PyObject_CallOneArg(static_cast<PyObject*>(function.get()), args_.ptr()); };
        return pack_outcome(call, dumps, pack_exception, host_->lane().extents(), payload_);
    }

    std::unique_ptr<ChildHost> host_;
    PythonStore* store_ = nullptr;  // owned by the host
    std::optional<CallableCache<void>> callables_;
    py::object args_;  // FrameArgs
    bool retires_ = false;
    std::string payload_;
};

}  // namespace

void register_sub_worker(py::module_& module) {
    using namespace py::literals;
    py::class_<FrameArgs>(module, "FrameArgs",
                          "The arguments of a task: args[i] are arrays over shared memory, args.scalars integers.")
        .def("__len__", [](const FrameArgs& args) { return args.decoded.tensors.size(); })
        .def(
            "__getitem__", [](const py::object& self, std::int64_t index) { return array_at(self, index); }, "index"_a)
        .def("__iter__", &iterate)
        .def_property_readonly("scalars", [](const FrameArgs& args) { return args.decoded.scalars; })
        // The memoryview is over shared memory of this task: it is valid while the task runs.
        .def_property_readonly("opaque", [](const FrameArgs& args) {
            const auto bytes = args.decoded.opaque;
            return py::memoryview::from_memory(bytes.data(), static_cast<py::ssize_t>(bytes.size()));
        });
    py::class_<SubWorkerHost>(module, "SubWorkerHost", "A sub-worker's lane and control thread.")
        .def(py::init<int, const py::object&>(), "control_fd"_a, "loader"_a)
        .def("serve", &SubWorkerHost::serve, "dumps"_a, "pack_exception"_a)
        .def("retire", &SubWorkerHost::retire)
        .def("slot_of", &SubWorkerHost::slot_of, "digest"_a);
}

}  // namespace callring::bindings
