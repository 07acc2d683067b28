// SharedMap: one size-sealed memfd mapped read-write, for lanes, the bell and arenas. Move-only; unmaps and closes
// itself. The size seals mean that the other end can never make an access of ours fault by shrinking the file.
#pragma once

#include <cstddef>

#include "common/result.h"
#include "common/unique_fd.h"

namespace callring {

class SharedMap {
public:
    SharedMap() = default;
    SharedMap(SharedMap&& other) noexcept;
    SharedMap& operator=(SharedMap&& other) noexcept;
    SharedMap(const SharedMap&) = delete;
    SharedMap& operator=(const SharedMap&) = delete;
    ~SharedMap();

    // New zeroed shared memory of `bytes`. `name` is a label in /proc/PID/maps, not a name in any file system.
    static Result<SharedMap> create(const char* name, std::size_t bytes);
    // Maps what another process created. Refused unless it is sealed against shrinking and growing.
    static Result<SharedMap> attach(UniqueFd fd);

    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
    SharedMap(UniqueFd fd, std::byte* data, std::size_t size) noexcept;
    static Result<SharedMap> map(UniqueFd fd, std::size_t bytes);

    UniqueFd fd_;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace callring
