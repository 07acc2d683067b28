// The failure of a task as bytes of a completion, from which runtime/failure.py makes a message. A kernel's failure is
// a KernelFailure, an exception has the bytes of runtime/pickles/outcomes.py, and any other failure is text or empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace callring {

struct KernelFailure {
    std::int32_t code = 0;  // the value that the kernel or the orchestration function returned
    std::uint32_t block = 0;
    std::string_view kernel;   // empty: the orchestration function
    std::string_view message;  // the kernel's text
};

// The two numbers, the length of the kernel's name, the name, and the message, which a completion may cut short.
[[nodiscard]] inline std::string encode_kernel_failure(const KernelFailure& failure) {
    const auto name_bytes = static_cast<std::uint32_t>(failure.kernel.size());
    std::string bytes(sizeof failure.code + sizeof failure.block + sizeof name_bytes, '\0');
    std::memcpy(bytes.data(), &failure.code, sizeof failure.code);
    std::memcpy(bytes.data() + sizeof failure.code, &failure.block, sizeof failure.block);
    std::memcpy(bytes.data() + sizeof failure.code + sizeof failure.block, &name_bytes, sizeof name_bytes);
    return bytes.append(failure.kernel).append(failure.message);
}

// A view into `bytes`; nullopt if they are no KernelFailure.
[[nodiscard]] inline std::optional<KernelFailure> decode_kernel_failure(std::string_view bytes) noexcept {
    KernelFailure failure;
    std::uint32_t name_bytes = 0;
    if (bytes.size() < sizeof failure.code + sizeof failure.block + sizeof name_bytes) {
        return std::nullopt;
    }
    std::memcpy(&failure.code, bytes.data(), sizeof failure.code);
    std::memcpy(&failure.block, bytes.data() + sizeof failure.code, sizeof failure.block);
    std::memcpy(&name_bytes, bytes.data() + sizeof failure.code + sizeof failure.block, sizeof name_bytes);
    bytes.remove_prefix(sizeof failure.code + sizeof failure.block + sizeof name_bytes);
    if (name_bytes > bytes.size()) {
        return std::nullopt;
    }
    failure.kernel = bytes.substr(0, name_bytes);
    failure.message = bytes.substr(name_bytes);
    return failure;
}

// Whether `bytes` are an exception's pickle, type name, text and traceback, each after its length.
[[nodiscard]] inline bool is_packed_exception(std::string_view bytes) noexcept {
    for (int part = 0; part < 4; ++part) {
        std::uint32_t length = 0;
        if (bytes.size() < sizeof length) {
            return false;
        }
        std::memcpy(&length, bytes.data(), sizeof length);
        bytes.remove_prefix(sizeof length);
        if (bytes.size() < length) {
            return false;
        }
        bytes.remove_prefix(length);
    }
    return bytes.empty();
}

}  // namespace callring
