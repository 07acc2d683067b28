#include "child/python_store.h"

#include <string>
#include <utility>

#include "identity/envelope.h"

namespace callring {

Result<void> PythonStore::install(std::uint32_t kind, const Digest& digest, std::span<const std::byte> payload,
                                  std::uint32_t count) {
    const auto known = static_cast<CallableKind>(kind);
    std::span<const std::byte> bytes = payload;
    Result<Descriptor> descriptor = Descriptor{};
    if (known == CallableKind::python_serialized) {
        const auto opened = open_envelope(payload);
        if (!opened) {
            return opened.error();
        }
        bytes = *opened;
        descriptor = python_serialized_descriptor(bytes);
    } else if (known == CallableKind::python_source) {
        descriptor = loader_->describe_source({reinterpret_cast<const char*>(payload.data()), payload.size()});
    } else {
        return Error{Code::kind_unsupported, "a sub-worker cannot run callables of kind " + std::to_string(kind)};
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
