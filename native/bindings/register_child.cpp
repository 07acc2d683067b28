// Binds the child's side for Python processes: SubWorkerHost (a sub-worker's lane and control thread), FrameArgs (a
// task's arguments) and Channel (the fork server's control socket).
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "bindings/dtypes.h"
#include "child/python_store.h"
#include "lane/frame.h"
#include "supervise/process.h"

namespace callring::bindings {

namespace {

// A reference to a Python object that may be dropped on any thread, without the interpreter's lock.
std::shared_ptr<void> keep(py::object object) {
    return {object.release().ptr(), [](void* held) {
                const py::gil_scoped_acquire acquire;
                Py_DECREF(static_cast<PyObject*>(held));
            }};
}

// Forwards to Python: loader.describe_source(target) returns a descriptor, loader.load(kind, payload) a callable.
class Loader final : public PythonLoader {
public:
    explicit Loader(const py::object& loader) : loader_(keep(loader)) {}

    Result<Descriptor> describe_source(std::string_view target) override {
        const py::gil_scoped_acquire acquire;
        return call<Descriptor>([&] {
            const py::bytes described = self().attr("describe_source")(py::bytes(target.data(), target.size()));
            const auto bytes = as_span(described);
            return Descriptor(bytes.begin(), bytes.end());
        });
    }
    Result<std::shared_ptr<void>> load(CallableKind kind, std::span<const std::byte> bytes) override {
        const py::gil_scoped_acquire acquire;
        return call<std::shared_ptr<void>>(
            [&] { return keep(self().attr("load")(static_cast<std::uint32_t>(kind), to_bytes(bytes))); });
    }

private:
    [[nodiscard]] py::handle self() const { return static_cast<PyObject*>(loader_.get()); }

    template <class T, class Work>
    static Result<T> call(const Work& work) {
        try {
            return work();
        } catch (const py::error_already_set& error) {
            const std::string type = py::str(error.type().attr("__name__"));
            return Error{Code::prepare_failed, type + ": " + std::string(py::str(error.value()))};
        }
    }

    std::shared_ptr<void> loader_;
};

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
    }

    // The next task: (callable, arguments), or None when the parent asked to stop. What cannot be begun is completed
    // here.
    py::object next() {
        function_.reset();
        for (;;) {
            frame_ = host_->lane().try_next();
            if (frame_ == nullptr) {
                const py::gil_scoped_release release;
                if (!host_->lane().wait()) {
                    break;
                }
                continue;
            }
            begin_ns_ = traced() ? now_ns() : 0;
            // Immediately before it executes: the digest is all that the frame says.
            function_ = store_->resolve(frame_->digest);
            if (!function_) {
                refuse({Code::not_installed, "its digest is not installed in this child"});
                continue;
            }
            auto args = std::make_unique<FrameArgs>();
            if (auto decoded = decode_arguments(*frame_, host_->arenas(), args->decoded); !decoded) {
                refuse(decoded.error());
                continue;
            }
            const py::handle function(static_cast<PyObject*>(function_.get()));
            return py::make_tuple(function, py::cast(std::move(args)));
        }
        return py::none();
    }

    std::optional<std::uint32_t> slot_of(const py::bytes& digest) { return store_->slot_of(to_digest(digest)); }

    void complete(std::uint32_t code, const py::bytes& payload) {
        complete_bytes(static_cast<Code>(code), as_span(payload));
    }

private:
    void refuse(const Error& error) { complete_bytes(error.code, std::as_bytes(std::span(error.message))); }
    [[nodiscard]] bool traced() const { return (frame_->config.flags & kFrameTraced) != 0; }
    void complete_bytes(Code code, std::span<const std::byte> payload) {
        host_->complete(frame_->sequence, code, begin_ns_, traced() ? now_ns() : 0, payload);
    }

    std::unique_ptr<ChildHost> host_;
    const PythonStore* store_ = nullptr;  // the host's
    const Frame* frame_ = nullptr;
    std::shared_ptr<void> function_;  // outlives its removal while it executes
    std::uint64_t begin_ns_ = 0;
};

py::object receive(const Channel& channel, bool wait) {
    auto received = [&]() -> Result<std::optional<Message>> {
        const py::gil_scoped_release release;
        if (!wait) {
            return channel.try_receive();
        }
        auto message = channel.receive(std::nullopt);
        if (!message) {
            return std::move(message).error();
        }
        return std::optional<Message>(std::move(message).value());
    }();
    auto message = unwrap(std::move(received));
    if (!message) {
        return py::none();
    }
    return py::make_tuple(message->header.op, message->header.sequence, message->header.argument,
                          py::bytes(message->body), message->take_fd(0).release());
}

void send(const Channel& channel, std::uint32_t op, std::uint64_t sequence, std::uint64_t argument,
          const py::bytes& body, const std::vector<int>& fds) {
    MessageHeader header;
    header.op = op;
    header.sequence = sequence;
    header.argument = argument;
    const py::gil_scoped_release release;
    static_cast<void>(channel.send(header, std::string_view(body), fds, UINT64_MAX));
}

}  // namespace

void register_child(py::module_& module) {
    using namespace py::literals;
    py::class_<FrameArgs>(module, "FrameArgs",
                          "The arguments of a task: args[i] are arrays over shared memory, args.scalars integers.")
        .def("__len__", [](const FrameArgs& args) { return args.decoded.tensors.size(); })
        .def(
            "__getitem__", [](const py::object& self, std::int64_t index) { return array_at(self, index); }, "index"_a)
        .def_property_readonly("scalars", [](const FrameArgs& args) { return args.decoded.scalars; })
        // Shared memory of this task: valid while it runs.
        .def_property_readonly("opaque", [](const FrameArgs& args) {
            const auto bytes = args.decoded.opaque;
            return py::memoryview::from_memory(bytes.data(), static_cast<py::ssize_t>(bytes.size()));
        });
    py::class_<SubWorkerHost>(module, "SubWorkerHost", "A sub-worker's lane and control thread.")
        .def(py::init<int, const py::object&>(), "control_fd"_a, "loader"_a)
        .def("next", &SubWorkerHost::next)
        .def("slot_of", &SubWorkerHost::slot_of, "digest"_a)
        .def("complete", &SubWorkerHost::complete, "code"_a, "payload"_a);
    py::class_<Channel>(module, "Channel", "One end of a control socket.")
        .def(py::init([](int fd) { return Channel(UniqueFd(fd)); }), "fd"_a)
        .def("fileno", &Channel::fd)
        .def("close", &Channel::close)
        .def("receive", &receive, "wait"_a)
        .def("send", &send, "op"_a, "sequence"_a, "argument"_a, "body"_a, "fds"_a = std::vector<int>{});
    module.def("die_with_parent", &die_with_parent);
    module.attr("CONTROL_FD") = kControlFd;
    py::dict operations;
    operations["start"] = static_cast<std::uint32_t>(Op::start);
    operations["shutdown"] = static_cast<std::uint32_t>(Op::shutdown);
    operations["fork_child"] = static_cast<std::uint32_t>(Op::fork_child);
    operations["child_exited"] = static_cast<std::uint32_t>(Op::child_exited);
    module.attr("OPERATIONS") = operations;
}

}  // namespace callring::bindings
