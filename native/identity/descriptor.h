// Descriptors: the canonical, versioned bytes that describe a callable, and the validation of descriptors from other
// sources (docs/explanation/identity.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "identity/digest.h"

namespace callring {

inline constexpr std::uint32_t kDescriptorSchemaVersion = 1;

enum class CallableKind : std::uint32_t { chip_callable = 1, python_serialized = 2, python_source = 4 };

// The numbers are part of the identity.
enum class Direction : std::uint32_t { scalar = 0, in = 1, out = 2, inout = 3 };

using Descriptor = std::vector<std::byte>;

// SHA-256 of `u32 1, u32 count, u32 direction[count]`.
[[nodiscard]] Digest signature_schema_hash(std::span<const Direction> signature);

// The architecture of a platform, e.g. "a2a3" for "a2a3sim", "" for "". Error: invalid_argument, naming the platform.
[[nodiscard]] Result<std::string_view> target_arch(std::string_view platform);

// Kind 1. Error: invalid_argument (unknown platform).
[[nodiscard]] Result<Descriptor> chip_callable_descriptor(std::string_view platform, std::string_view runtime,
                                                          std::span<const std::byte> blob,
                                                          std::span<const Direction> signature);
// Kind 2, over the serializer's bytes only.
[[nodiscard]] Descriptor python_serialized_descriptor(std::span<const std::byte> payload);
// Kind 4, with the SHA-256 of the module file's bytes.
[[nodiscard]] Descriptor python_source_descriptor(std::string_view module, std::string_view qualname,
                                                  const Digest& source);

// Checks the version, the kind, every field and the end. Errors: malformed, kind_unsupported.
[[nodiscard]] Result<CallableKind> validate_descriptor(std::span<const std::byte> descriptor);

[[nodiscard]] inline Digest descriptor_digest(std::span<const std::byte> descriptor) {
    return sha256(descriptor);
}

}  // namespace callring
