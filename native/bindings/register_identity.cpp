// Binds the native descriptors, for tests that compare them with runtime.identity.
#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "identity/descriptor.h"
#include "identity/envelope.h"

namespace callring::bindings {

namespace {
std::vector<Direction> directions(const std::vector<std::uint32_t>& numbers) {
    std::vector<Direction> result;
    for (const std::uint32_t number : numbers) {
        if (number > static_cast<std::uint32_t>(Direction::inout)) {
            throw py::value_error("direction " + std::to_string(number) + " is not 0 to 3");
        }
        result.push_back(static_cast<Direction>(number));
    }
    return result;
}
}  // namespace

void register_identity(py::module_& module) {
    using namespace py::literals;
    module.def(
        "chip_callable_descriptor",
        [](const py::bytes& blob, const std::vector<std::uint32_t>& signature, const std::string& platform,
           const std::string& runtime) {
            return to_bytes(unwrap(chip_callable_descriptor(platform, runtime, as_span(blob), directions(signature))));
        },
        "blob"_a, "signature"_a, "platform"_a, "runtime"_a);
    module.def(
        "python_serialized_descriptor",
        [](const py::bytes& payload) { return to_bytes(python_serialized_descriptor(as_span(payload))); }, "payload"_a);
    module.def(
        "python_source_descriptor",
        [](const std::string& name, const std::string& qualname, const py::bytes& source_digest) {
            return to_bytes(python_source_descriptor(name, qualname, to_digest(source_digest)));
        },
        "module"_a, "qualname"_a, "source_digest"_a);
    module.def(
        "signature_schema_hash",
        [](const std::vector<std::uint32_t>& signature) {
            return to_bytes(signature_schema_hash(directions(signature)));
        },
        "signature"_a);
    module.def(
        "validate_descriptor",
        [](const py::bytes& descriptor) {
            return static_cast<std::uint32_t>(unwrap(validate_descriptor(as_span(descriptor))));
        },
        "descriptor"_a);
    module.def(
        "wrap_envelope", [](const py::bytes& payload) { return to_bytes(wrap_envelope(as_span(payload))); },
        "payload"_a);
    module.def(
        "open_envelope", [](const py::bytes& envelope) { return to_bytes(unwrap(open_envelope(as_span(envelope)))); },
        "envelope"_a);
}

}  // namespace callring::bindings
