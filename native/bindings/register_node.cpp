// Binds a node: its lane and control thread, the loop that runs its tasks, and their arguments as tensors that its own
// Worker can pass on.
#include <pybind11/stl.h>

#include <algorithm>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "bindings/dtypes.h"
#include "bindings/python_loader.h"
#include "bindings/values.h"
#include "common/clock.h"
#include "lane/frame.h"

namespace callring::bindings {

namespace {

class NodeHost {
public:
    // loader.open() starts the nested Worker before this child reports to the parent that it is ready.
    NodeHost(int control, const py::object& loader) {
        auto own = std::make_unique<Loader>(loader);
        auto started = [&] {
            const py::gil_scoped_release release;
            return ChildHost::start(UniqueFd(control), [&](const StartBody& body) {
                if (auto opened = own->open(); !opened) {
                    return Result<std::unique_ptr<CallableStore>>(std::move(opened).error());
                }
                // Chip callables and Python callables, each up to the limit of the children that run them.
                auto store = std::make_unique<PythonStore>(std::move(own), 2 * body.max_callables);
                store_ = store.get();
                return Result<std::unique_ptr<CallableStore>>(std::move(store));
            });
        }();
        host_ = unwrap(std::move(started));
    }

    // Executes tasks until the parent asks to stop, up to `most` at once. `begin` gets a list of tasks, each a tuple
    // (loaded, tensors, tags, scalars, block count, the parent's arena of each tensor, whether what it writes may stay,
    // run, how often it may begin again, whether it has a deadline), and returns a call for each, which waits for its
    // value. The tensors lie in the parent's arenas, which `pool` adopts under numbers of its own.
    void serve(const std::shared_ptr<MemoryPool>& pool, const py::object& begin, const py::object& dumps,
               const py::object& pack_exception, std::size_t most) {
        ChildLane& lane = host_->lane();
        for (;;) {
            if (const Frame* frame = lane.try_next()) {
                const std::uint64_t begin_ns = now_ns();
                std::vector<Begun> begun;
                begun.push_back(prepare(*frame, *pool));
                for (const Frame* next : lane.claim_ahead(most - 1)) {
                    begun.push_back(prepare(*next, *pool));
                }
                begin_all(begun, begin);
                for (std::size_t i = 0; i < begun.size(); ++i) {
                    if (i > 0) {
                        static_cast<void>(lane.try_next());
                    }
                    complete(begun[i], begin_ns, dumps, pack_exception);
                }
                continue;
            }
            const py::gil_scoped_release release;
            if (!lane.wait()) {
                return;
            }
        }
    }

    // The view whose elements lie from byte `begin` to byte `end` of one of the parent's arenas; None if that is not
    // mapped here, or too short. `strides` are in bytes. The bytes may have another owner by now.
    py::object view(MemoryPool& pool, std::uint32_t arena, std::uint64_t begin, std::uint64_t end,
                    const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides,
                    const std::string& dtype) {
        const auto address = host_->arenas().resolve(arena, begin, end - begin);
        const auto place = address ? host_->arenas().find(*address) : std::nullopt;
        if (!place) {
            return py::none();
        }
        TensorView view;
        view.buffer = unwrap(pool.adopt(place->arena, place->fd));
        view.dtype = parse_dtype(dtype);
        view.rank = static_cast<std::uint32_t>(shape.size());
        view.read_only = true;
        view.offset = place->offset;
        for (std::size_t i = 0; i < shape.size(); ++i) {
            view.shape.at(i) = shape[i];
            view.strides.at(i) = strides.at(i) / static_cast<std::int64_t>(element_bytes(view.dtype));
            if (strides[i] < 0) {
                view.offset += static_cast<std::uint64_t>((1 - shape[i]) * strides[i]);
            }
        }
        return py::cast(view);
    }

private:
    // A task on its way: `task` until begin_all(), then `call`; or the code and the text with which it has failed.
    struct Begun {
        Code code = Code::ok;
        std::string text;
        bool traced = false;
        py::object task;
        py::object call;
    };

    Begun prepare(const Frame& frame, MemoryPool& pool) {
        Begun begun;
        begun.traced = (frame.config.flags & kFrameTraced) != 0;
        begun.code = within_memory([&] { return prepare(frame, pool, begun); }, begun.text);
        return begun;
    }

    Code prepare(const Frame& frame, MemoryPool& pool, Begun& begun) {
        // Resolved immediately before execution: the frame only has the digest. The reference keeps the callable alive
        // while it runs, also if it is removed meanwhile.
        const std::shared_ptr<void> loaded = store_->table().resolve(frame.digest);
        if (!loaded) {
            begun.text = "its digest is not installed in this child";
            return Code::not_installed;
        }
        auto tensors = [&] {
            const py::gil_scoped_release release;
            return adopt_arguments(frame, pool);
        }();
        if (!tensors) {
            begun.text = tensors.error().message;
            return tensors.error().code;
        }
        std::vector<int> tags(arguments_.tags.size());
        std::ranges::transform(arguments_.tags, tags.begin(), [](Tag tag) { return static_cast<int>(tag); });
        begun.task = py::make_tuple(py::reinterpret_borrow<py::object>(static_cast<PyObject*>(loaded.get())),
                                    std::move(*tensors), std::move(tags), arguments_.scalars, frame.config.block_count,
                                    arenas_, (frame.config.flags & kFrameKeeps) != 0, frame.run, frame.retries,
                                    (frame.config.flags & kFrameTimed) != 0);
        return Code::ok;
    }

    static void begin_all(std::vector<Begun>& begun, const py::object& begin) {
        py::list tasks;
        for (const Begun& one : begun) {
            if (one.code == Code::ok) {
                tasks.append(one.task);
            }
        }
        std::size_t next = 0;
        const py::list calls = begin(tasks);
        for (Begun& one : begun) {
            if (one.code == Code::ok) {
                one.task = py::object();
                one.call = calls[next++];
            }
        }
    }

    void complete(Begun& begun, std::uint64_t begin_ns, const py::object& dumps, const py::object& pack_exception) {
        if (begun.code == Code::ok) {
            begun.code = within_memory(
                [&] {
                    const auto call = [&] { return PyObject_CallNoArgs(begun.call.ptr()); };
                    return pack_outcome(call, dumps, pack_exception, host_->lane().extents(), begun.text);
                },
                begun.text);
        }
        host_->complete(begun.code, begun.traced ? begin_ns : 0, begun.traced ? now_ns() : 0,
                        std::as_bytes(std::span(begun.text)));
    }

    Result<std::vector<TensorView>> adopt_arguments(const Frame& frame, MemoryPool& pool) {
        if (auto decoded = decode_arguments(frame, host_->arenas(), arguments_); !decoded) {
            return std::move(decoded).error();
        }
        std::vector<TensorView> tensors;
        arenas_.clear();
        for (std::size_t i = 0; i < arguments_.tensors.size(); ++i) {
            const callring_tensor& tensor = arguments_.tensors[i];
            const auto place = host_->arenas().find(tensor.data);
            if (!place) {
                return Error{Code::malformed, "tensor " + std::to_string(i) + " lies in no arena"};
            }
            auto buffer = pool.adopt(place->arena, place->fd);
            if (!buffer) {
                return std::move(buffer).error();
            }
            arenas_.push_back(place->arena);
            TensorView& view = tensors.emplace_back();
            view.buffer = std::move(buffer).value();
            view.offset = place->offset;
            view.dtype = tensor.dtype;
            view.rank = tensor.rank;
            std::copy_n(tensor.shape, tensor.rank, view.shape.begin());
            std::copy_n(tensor.strides, tensor.rank, view.strides.begin());
            view.read_only = arguments_.tags[i] == Tag::input;
        }
        return tensors;
    }

    std::unique_ptr<ChildHost> host_;
    const PythonStore* store_ = nullptr;  // owned by the host
    DecodedArguments arguments_;
    std::vector<std::uint32_t> arenas_;  // of the tensors in arguments_
};

}  // namespace

void register_node(py::module_& module) {
    using namespace py::literals;
    py::class_<NodeHost>(module, "NodeHost", "A node child's lane and control thread.")
        .def(py::init<int, const py::object&>(), "control_fd"_a, "loader"_a)
        .def("serve", &NodeHost::serve, "pool"_a, "begin"_a, "dumps"_a, "pack_exception"_a, "most"_a)
        .def("view", &NodeHost::view, "pool"_a, "arena"_a, "begin"_a, "end"_a, "shape"_a, "strides"_a, "dtype"_a);
}

}  // namespace callring::bindings
