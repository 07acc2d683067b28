// SealedPayload: immutable bytes in a memfd, which one process hashes and another one executes. Guarantees: sealed
// against writing before they are hashed; adopt() only accepts memory with all four seals.
#pragma once

#include <cstddef>
#include <span>

#include "common/result.h"
#include "common/unique_fd.h"

namespace callring {

class SealedPayload {
public:
    SealedPayload(SealedPayload&& other) noexcept;
    SealedPayload& operator=(SealedPayload&& other) noexcept;
    SealedPayload(const SealedPayload&) = delete;
    SealedPayload& operator=(const SealedPayload&) = delete;
    ~SealedPayload();

    // Copies `bytes` into new sealed memory. Errors: io, out_of_memory.
    static Result<SealedPayload> create(std::span<const std::byte> bytes);
    // Takes memory that another process sealed. Errors: malformed (not sealed against writing, growing, shrinking and
    // further seals), io, out_of_memory.
    static Result<SealedPayload> adopt(UniqueFd fd);

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    // Keeps the memory mapped, and its descriptor open, until the process ends.
    void keep_for_ever() && noexcept {
        static_cast<void>(fd_.release());
        data_ = nullptr;
    }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
    SealedPayload(UniqueFd fd, const std::byte* data, std::size_t size) noexcept;
    static Result<SealedPayload> map(UniqueFd fd);

    UniqueFd fd_;
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace callring
