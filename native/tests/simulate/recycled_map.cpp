// Replaces memory/shared_map.cpp: shared memory is used again instead of being unmapped, because a new mapping takes
// longer than everything else that a child's death causes. Both ends have the same mapping.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "common/system_error.h"
#include "lane/layout.h"
#include "memory/shared_map.h"

namespace callring {

namespace {

struct Mapping {
    int fd = -1;
    std::byte* data = nullptr;
    std::size_t bytes = 0;
    std::size_t uses = 0;
};

struct Mappings {
    std::map<ino_t, Mapping> known;
    std::map<std::size_t, std::vector<ino_t>> idle;  // by size
};

// Never destroyed: other static objects may still give memory back at the end.
Mappings& mappings() {
    static auto* all = new Mappings;
    return *all;
}

Result<ino_t> make(const char* name, std::size_t bytes, std::uint64_t file_bytes) {
    const int fd = ::memfd_create(name, MFD_CLOEXEC);
    if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(file_bytes)) != 0) {
        return system_error("memfd_create");
    }
    struct stat info{};
    void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED || ::fstat(fd, &info) != 0) {
        return system_error("mmap");
    }
    mappings().known[info.st_ino] = {fd, static_cast<std::byte*>(address), bytes, 0};
    return info.st_ino;
}

}  // namespace

SharedMap::SharedMap(UniqueFd fd, std::byte* data, std::size_t size, std::uint64_t file_size) noexcept
    : fd_(std::move(fd)), data_(data), size_(size), file_size_(file_size) {}

SharedMap::SharedMap(SharedMap&& other) noexcept
    : fd_(std::move(other.fd_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      file_size_(std::exchange(other.file_size_, 0)) {}

SharedMap& SharedMap::operator=(SharedMap&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(file_size_, other.file_size_);
    return *this;
}

SharedMap::~SharedMap() {
    struct stat info{};
    if (data_ != nullptr && ::fstat(fd_.get(), &info) == 0 && --mappings().known[info.st_ino].uses == 0) {
        mappings().idle[size_].push_back(info.st_ino);
    }
}

Result<SharedMap> SharedMap::create(const char* name, std::size_t bytes, std::uint64_t file_bytes) {
    auto& idle = mappings().idle[bytes];
    if (idle.empty()) {
        const auto made = make(name, bytes, file_bytes);
        if (!made) {
            return made.error();
        }
        idle.push_back(*made);
    }
    Mapping& mapping = mappings().known[idle.back()];
    idle.pop_back();
    // Stale bytes are harmless here: the result area and the store of a lane are written before they are read.
    std::memset(mapping.data, 0, bytes > kResultBytes ? bytes - kResultBytes : bytes);
    ++mapping.uses;
    return SharedMap(UniqueFd::copy_of(mapping.fd), mapping.data, bytes, file_bytes);
}

Result<SharedMap> SharedMap::attach(UniqueFd fd) {
    struct stat info{};
    if (::fstat(fd.get(), &info) != 0) {
        return system_error("fstat");
    }
    Mapping& mapping = mappings().known[info.st_ino];
    ++mapping.uses;
    return SharedMap(std::move(fd), mapping.data, mapping.bytes, static_cast<std::uint64_t>(info.st_size));
}

Result<SharedMap> SharedMap::attach(UniqueFd fd, std::size_t /*bytes*/) {
    return attach(std::move(fd));
}

}  // namespace callring
