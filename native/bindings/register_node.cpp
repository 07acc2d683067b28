// Binds a node: its lane and control thread, the loop that runs its tasks, and their arguments as tensors that its own
// Worker can pass on.
#include <pybind11/stl.h>

#include <algorithm>

#include "bindings/bindings.h"
#include "bindings/convert.h"
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

    // Executes tasks until the parent asks to stop: calls `run(loaded, tensors, tags, scalars, block count)` for each.
    // The tensors lie in the parent's arenas, which `pool` adopts.
    void serve(const std::shared_ptr<MemoryPool>& pool, const py::object& run, const py::object& dumps,
               const py::object& pack_exception) {
        ChildLane& lane = host_->lane();
        for (;;) {
            if (const Frame* frame = lane.try_next()) {
                const std::uint64_t begin_ns = (frame->config.flags & kFrameTraced) != 0 ? now_ns() : 0;
                const Code code =
                    within_memory([&] { return execute(*frame, *pool, run, dumps, pack_exception); }, payload_);
                host_->complete(code, begin_ns, begin_ns != 0 ? now_ns() : 0, std::as_bytes(std::span(payload_)));
                continue;
            }
            const py::gil_scoped_release release;
            if (!lane.wait()) {
                return;
            }
        }
    }

private:
    Code execute(const Frame& frame, MemoryPool& pool, const py::object& run, const py::object& dumps,
                 const py::object& pack_exception) {
        // Resolved immediately before execution: the frame only has the digest. The reference keeps the callable alive
        // while it runs, also if it is removed meanwhile.
        const std::shared_ptr<void> loaded = store_->table().resolve(frame.digest);
        if (!loaded) {
            payload_ = "its digest is not installed in this child";
            return Code::not_installed;
        }
        auto tensors = [&] {
            const py::gil_scoped_release release;
            return adopt_arguments(frame, pool);
        }();
        if (!tensors) {
            payload_ = tensors.error().message;
            return tensors.error().code;
        }
        const auto call = [&] {
            const py::handle function(static_cast<PyObject*>(loaded.get()));
            std::vector<int> tags(arguments_.tags.size());
            std::ranges::transform(arguments_.tags, tags.begin(), [](Tag tag) { return static_cast<int>(tag); });
            return run(function, std::move(*tensors), std::move(tags), arguments_.scalars, frame.config.block_count)
                .release()
                .ptr();
        };
        return pack_outcome(call, dumps, pack_exception, host_->lane().extents(), payload_);
    }

    Result<std::vector<TensorView>> adopt_arguments(const Frame& frame, MemoryPool& pool) {
        if (auto decoded = decode_arguments(frame, host_->arenas(), arguments_); !decoded) {
            return std::move(decoded).error();
        }
        std::vector<TensorView> tensors;
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
    std::string payload_;
};

}  // namespace

void register_node(py::module_& module) {
    using namespace py::literals;
    py::class_<NodeHost>(module, "NodeHost", "A node child's lane and control thread.")
        .def(py::init<int, const py::object&>(), "control_fd"_a, "loader"_a)
        .def("serve", &NodeHost::serve, "pool"_a, "run"_a, "dumps"_a, "pack_exception"_a);
}

}  // namespace callring::bindings
