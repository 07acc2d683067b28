#include "child/python_store.h"

#include <string>
#include <utility>

#include "identity/envelope.h"

namespace callring {

Result<void> PythonStore::install(std::uint32_t kind, const Digest& digest, std::span<const std::byte> payload,
                                  std::uint32_t count) {
    const auto known = static_cast<CallableKind>(kind);
    if (!loader_->takes(known)) {
        return Error{Code::kind_unsupported, "this child cannot run callables of kind " + std::to_string(kind)};
    }
    std::span<const std::byte> bytes = payload;
    Result<Descriptor> descriptor = Descriptor{};
    if (known == CallableKind::python_serialized) {
        const auto opened = open_envelope(payload);
        if (!opened) {
            return opened.error();
        }
        bytes = *opened;
        descriptor = python_serialized_descriptor(bytes);
    } else {
        descriptor = loader_->describe(known, payload);
    }
    if (!descriptor) {
        return std::move(descriptor).error();
    }
    if (descriptor_digest(*descriptor) != digest) {
        return Error{Code::hashid_descriptor_mismatch, "the received bytes do not hash to the requested digest"};
    }
    if (table_.retain(digest, count)) {
        return {};
    }
    auto callable = loader_->load(known, bytes);
    if (!callable) {
        return std::move(callable).error();
    }
    return table_.install(digest, std::move(callable).value(), count);
}

}  // namespace callring
