// Binds chips: building and parsing blobs, the platform registry, and the in-process chip for debugging.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "bindings/dtypes.h"
#include "chip/blob.h"
#include "chip/platform.h"

namespace callring::bindings {

namespace {

std::vector<std::byte> to_vector(const py::handle& bytes) {
    const auto view = as_span(bytes.cast<py::bytes>());
    return {view.begin(), view.end()};
}

std::vector<Direction> to_directions(const py::handle& numbers) {
    std::vector<Direction> result;
    for (const auto number : numbers.cast<std::vector<std::uint32_t>>()) {
        result.push_back(static_cast<Direction>(number));
    }
    return result;
}

py::list from_directions(std::span<const Direction> signature) {
    py::list list;
    for (const Direction direction : signature) {
        list.append(static_cast<std::uint32_t>(direction));
    }
    return list;
}

// kernels: (func_id, name, core kind, signature, binary)
py::bytes build(const std::string& entry, const py::list& signature, const py::bytes& orchestration,
                const py::list& kernels) {
    chip::BlobParts parts{entry, to_directions(signature), to_vector(orchestration), {}};
    for (const py::handle item : kernels) {
        const auto kernel = item.cast<py::tuple>();
        parts.kernels.push_back({kernel[0].cast<std::uint32_t>(), kernel[1].cast<std::string>(),
                                 kernel[2].cast<std::string>(), to_directions(kernel[3]), to_vector(kernel[4])});
    }
    return to_bytes(unwrap(chip::build_blob(std::move(parts))));
}

py::tuple parse(const py::bytes& blob) {
    const chip::BlobParts parts = unwrap(chip::parse_blob(as_span(blob)));
    py::list kernels;
    for (const chip::KernelPart& kernel : parts.kernels) {
        kernels.append(py::make_tuple(kernel.func_id, kernel.name, kernel.core_kind, from_directions(kernel.signature),
                                      to_bytes(kernel.binary)));
    }
    return py::make_tuple(parts.entry, from_directions(parts.signature), to_bytes(parts.orchestration), kernels);
}

callring_tensor to_tensor(const py::array& array) {
    callring_tensor tensor{};
    tensor.data = const_cast<void*>(array.data());
    tensor.dtype = parse_dtype(array.dtype().attr("name").cast<std::string>());
    if (array.ndim() > static_cast<py::ssize_t>(CALLRING_MAX_RANK)) {
        throw py::value_error("a tensor has at most 8 dimensions");
    }
    tensor.rank = static_cast<std::uint32_t>(array.ndim());
    for (py::ssize_t i = 0; i < array.ndim(); ++i) {
        tensor.shape[i] = array.shape(i);
        tensor.strides[i] = array.strides(i) / array.itemsize();
    }
    return tensor;
}

// None, or (code, kernel, block, message).
py::object execute(chip::Chip& chip, chip::Prepared& prepared, const std::vector<py::array>& arrays,
                   const std::vector<std::uint64_t>& scalars, std::uint32_t block_count) {
    std::vector<callring_tensor> tensors;
    tensors.reserve(arrays.size());
    for (const py::array& array : arrays) {
        tensors.push_back(to_tensor(array));
    }
    const callring_args args{tensors.data(), scalars.data(), static_cast<std::uint32_t>(tensors.size()),
                             static_cast<std::uint32_t>(scalars.size())};
    std::optional<chip::Failure> failure;
    {
        const py::gil_scoped_release release;
        failure = chip.execute(prepared, args, {block_count}, nullptr);
    }
    if (!failure) {
        return py::none();
    }
    return py::make_tuple(failure->code, failure->kernel, failure->block, failure->message);
}

}  // namespace

void register_chip(py::module_& module) {
    using namespace py::literals;
    module.def("build_blob", &build, "entry"_a, "signature"_a, "orchestration"_a, "kernels"_a);
    module.def("parse_blob", &parse, "blob"_a);
    module.def("chip_platforms", [] {
        py::list list;
        for (const chip::Platform& platform : chip::platforms()) {
            py::dict entry;
            entry["name"] = platform.name;
            entry["arch"] = platform.arch;
            entry["available"] = platform.missing.empty();
            entry["missing"] = platform.missing;
            list.append(entry);
        }
        return list;
    });
    // NOLINTNEXTLINE(bugprone-unused-raii): this makes the type, which has no methods
    py::class_<chip::Prepared>(module, "PreparedCallable", "Loaded binaries of one chip callable.");
    py::class_<chip::Chip>(module, "Chip", "A chip in this process.")
        .def(py::init([](const std::string& platform, std::uint32_t cores) {
                 return unwrap(chip::open_chip(platform, {cores}));
             }),
             "platform"_a, "cores"_a)
        .def_property_readonly("core_count", &chip::Chip::core_count)
        .def(
            "prepare", [](chip::Chip& chip, const py::bytes& blob) { return unwrap(chip.prepare(as_span(blob))); },
            "blob"_a)
        .def("execute", &execute, "prepared"_a, "arrays"_a, "scalars"_a, "block_count"_a);
}

}  // namespace callring::bindings
