// SharedMap: one size-sealed memfd mapped read-write, for lanes, the bell and arenas. Move-only; unmaps and closes
// itself. The size seals keep the other end from shrinking the file, which would make accesses fault.
#pragma once

#include <cstddef>
#include <cstdint>

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
    static Result<SharedMap> create(const char* name, std::size_t bytes) { return create(name, bytes, bytes); }
    // New zeroed shared memory in a file of `file_bytes`, of which only the first `bytes` are mapped.
    static Result<SharedMap> create(const char* name, std::size_t bytes, std::uint64_t file_bytes);
    // Maps memory of another process. Refused unless it is sealed against shrinking and growing.
    static Result<SharedMap> attach(UniqueFd fd);
    // Maps only the first `bytes` of such memory. Also refused if it is smaller.
    static Result<SharedMap> attach(UniqueFd fd, std::size_t bytes);

    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    // The size of the file, mapped or not.
    [[nodiscard]] std::uint64_t file_size() const noexcept { return file_size_; }

private:
    SharedMap(UniqueFd fd, std::byte* data, std::size_t size, std::uint64_t file_size) noexcept;
    static Result<SharedMap> map(UniqueFd fd, std::size_t bytes, std::uint64_t file_bytes);

    UniqueFd fd_;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::uint64_t file_size_ = 0;
};

}  // namespace callring
