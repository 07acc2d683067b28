// Library: one ELF shared object, loaded from sealed memory without a name in the file system.
// Guarantees: two libraries never alias, also if the kernel reuses descriptor numbers; unloaded when destroyed.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "common/result.h"
#include "identity/descriptor.h"
#include "memory/sealed.h"

namespace callring::chip {

class Library {
public:
    Library(Library&& other) noexcept;
    Library& operator=(Library&& other) noexcept;
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;
    ~Library();

    // Error: prepare_failed with the dynamic loader's message.
    static Result<Library> load(std::span<const std::byte> binary);

    // The exported function `name`, whose CALLRING_SIGNATURE, if it declares one, must be `signature`.
    // Error: prepare_failed: no such symbol in this library itself, another ABI version, or a contradicting signature.
    [[nodiscard]] Result<void*> find(const std::string& name, std::span<const Direction> signature) const;

private:
    [[nodiscard]] bool contains(const void* function) const noexcept;

    Library(SealedPayload image, void* handle) noexcept : image_(std::move(image)), handle_(handle) {}

    SealedPayload image_;  // its descriptor stays open as long as the dynamic loader has the library under its path
    void* handle_;
};

}  // namespace callring::chip
