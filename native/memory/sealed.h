// SealedPayload: bytes in a memfd that nobody can change any more, mapped read-only. What one process hashed is what
// another maps: all of F_SEAL_WRITE, GROW, SHRINK and SEAL are set before anybody reads, and checked on arrival.
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

    // A sealed copy of `content`, which may be empty. Code::io when the system refuses.
    static Result<SealedPayload> create(std::span<const std::byte> content);
    // Takes what another process sent. Code::malformed unless every seal is present.
    static Result<SealedPayload> adopt(UniqueFd fd);

    // Valid as long as this object lives; moving the object does not move the bytes.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
    SealedPayload(UniqueFd fd, const std::byte* data, std::size_t size) noexcept;
    static Result<SealedPayload> map(UniqueFd fd);

    UniqueFd fd_;
    const std::byte* data_ = nullptr;  // null when empty: an empty mapping does not exist
    std::size_t size_ = 0;
};

}  // namespace callring
