#include "identity/descriptor.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "common/utf8.h"
#include "identity/encoder.h"

namespace callring {

namespace {

constexpr std::uint32_t kPayloadFormatVersion = 1;
constexpr std::uint32_t kSerializerCloudpickle = 1;

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kArchitectures{
    {{"", ""}, {"a2a3", "a2a3"}, {"a2a3sim", "a2a3"}, {"a5", "a5"}, {"a5sim", "a5"}}};

Encoder begin(CallableKind kind) {
    Encoder encoder;
    encoder.u32(kDescriptorSchemaVersion);
    encoder.u32(static_cast<std::uint32_t>(kind));
    return encoder;
}

bool read_texts(Decoder& decoder, int count) {
    for (int i = 0; i < count; ++i) {
        const auto text = decoder.bytes();
        if (!text || !is_utf8(*text)) {
            return false;
        }
    }
    return true;
}

bool read_digests(Decoder& decoder, int count) {
    for (int i = 0; i < count; ++i) {
        const auto digest = decoder.bytes();
        if (!digest || digest->size() != sizeof(Digest)) {
            return false;
        }
    }
    return true;
}

bool read_fields(Decoder& decoder, CallableKind kind) {
    switch (kind) {
        case CallableKind::chip_callable:
            return read_texts(decoder, 3) && read_digests(decoder, 2);
        case CallableKind::python_serialized:
            return decoder.u32() == kPayloadFormatVersion && decoder.u32() == kSerializerCloudpickle &&
                   read_digests(decoder, 1);
        case CallableKind::python_source:
            return read_texts(decoder, 2) && read_digests(decoder, 1);
    }
    return false;
}

}  // namespace

Digest signature_schema_hash(std::span<const Direction> signature) {
    Encoder encoder;
    encoder.u32(1);
    encoder.u32(static_cast<std::uint32_t>(signature.size()));
    for (const Direction direction : signature) {
        encoder.u32(static_cast<std::uint32_t>(direction));
    }
    return sha256(std::move(encoder).take());
}

Result<std::string_view> target_arch(std::string_view platform) {
    for (const auto& [name, architecture] : kArchitectures) {
        if (name == platform) {
            return architecture;
        }
    }
    return Error{Code::invalid_argument, "unknown platform '" + std::string(platform) + "'"};
}

Result<Descriptor> chip_callable_descriptor(std::string_view platform, std::string_view runtime,
                                            std::span<const std::byte> blob, std::span<const Direction> signature) {
    auto architecture = target_arch(platform);
    if (!architecture) {
        return std::move(architecture).error();
    }
    Encoder encoder = begin(CallableKind::chip_callable);
    encoder.str(*architecture);
    encoder.str(platform);
    encoder.str(runtime);
    encoder.bytes(sha256(blob));
    encoder.bytes(signature_schema_hash(signature));
    return std::move(encoder).take();
}

Descriptor python_serialized_descriptor(std::span<const std::byte> payload) {
    Encoder encoder = begin(CallableKind::python_serialized);
    encoder.u32(kPayloadFormatVersion);
    encoder.u32(kSerializerCloudpickle);
    encoder.bytes(sha256(payload));
    return std::move(encoder).take();
}

Descriptor python_source_descriptor(std::string_view module, std::string_view qualname, const Digest& source) {
    Encoder encoder = begin(CallableKind::python_source);
    encoder.str(module);
    encoder.str(qualname);
    encoder.bytes(source);
    return std::move(encoder).take();
}

Result<CallableKind> validate_descriptor(std::span<const std::byte> descriptor) {
    Decoder decoder(descriptor);
    const auto version = decoder.u32();
    const auto kind = decoder.u32();
    if (!version || !kind) {
        return Error{Code::malformed, "descriptor is shorter than its version and kind"};
    }
    if (*version != kDescriptorSchemaVersion) {
        return Error{Code::malformed, "descriptor schema version " + std::to_string(*version) + " is not known"};
    }
    if (*kind != 1 && *kind != 2 && *kind != 4) {
        return Error{Code::kind_unsupported, "callable kind " + std::to_string(*kind) + " is not known"};
    }
    const auto known = static_cast<CallableKind>(*kind);
    if (!read_fields(decoder, known) || !decoder.at_end()) {
        return Error{Code::malformed, "descriptor fields are malformed"};
    }
    return known;
}

}  // namespace callring
