#include "child_side/python_store.h"

#include <string>
#include <utility>

#include "identity/envelope.h"

namespace callring {

Result<std::span<const std::byte>> PythonStore::check(CallableKind kind, const Digest& digest,
                                                      std::span<const std::byte> payload) {
    if (!loader_->takes(kind)) {
        return Error{Code::kind_unsupported,
                     "this child cannot run callables of kind " + std::to_string(static_cast<std::uint32_t>(kind))};
    }
    std::span<const std::byte> bytes = payload;
    Result<Descriptor> descriptor = Descriptor{};
    if (kind == CallableKind::python_serialized) {
        const auto opened = open_envelope(payload);
        if (!opened) {
            return opened.error();
        }
        bytes = *opened;
        descriptor = python_serialized_descriptor(bytes);
    } else {
        descriptor = loader_->describe(kind, payload);
    }
    if (!descriptor) {
        return std::move(descriptor).error();
    }
    if (descriptor_digest(*descriptor) != digest) {
        return Error{Code::hashid_descriptor_mismatch, "the received bytes do not hash to the requested digest"};
    }
    return bytes;
}

void PythonStore::install(std::uint32_t kind, const Digest& digest, std::span<const std::byte> payload, bool may_hold,
                          const Installed& installed) {
    const auto known = static_cast<CallableKind>(kind);
    const auto bytes = check(known, digest, payload);
    if (!bytes) {
        installed(bytes.error());
    } else if (table_.contains(digest)) {
        installed({});
    } else {
        loader_->load(known, *bytes, may_hold, [&](const Result<std::shared_ptr<void>>& callable) {
            installed(callable ? table_.install(digest, *callable) : Result<void>(callable.error()));
        });
    }
}

}  // namespace callring
