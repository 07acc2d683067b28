#include "memory/shared_map.h"

#include <cerrno>
#include <utility>

#include "common/system_calls.h"
#include "common/system_error.h"

namespace callring {

namespace {
constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
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
    if (data_ != nullptr) {
        sys::munmap(data_, size_);
    }
}

Result<SharedMap> SharedMap::create(const char* name, std::size_t bytes, std::uint64_t file_bytes) {
    UniqueFd fd(sys::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd.valid()) {
        return system_error("memfd_create");
    }
    while (sys::ftruncate(fd.get(), static_cast<off_t>(file_bytes)) != 0) {
        if (errno != EINTR) {
            return system_error("ftruncate");
        }
    }
    if (sys::fcntl(fd.get(), F_ADD_SEALS, kSizeSeals) != 0) {
        return system_error("fcntl(F_ADD_SEALS)");
    }
    return map(std::move(fd), bytes, file_bytes);
}

namespace {
// The size of a file that is sealed against shrinking and growing.
Result<std::uint64_t> sealed_size(const UniqueFd& fd) {
    const int seals = sys::fcntl(fd.get(), F_GET_SEALS);
    if (seals < 0 || (seals & kSizeSeals) != kSizeSeals) {
        return Error{Code::malformed, "shared memory is not sealed against a change of size"};
    }
    struct stat info{};
    if (sys::fstat(fd.get(), &info) != 0) {
        return system_error("fstat");
    }
    return static_cast<std::uint64_t>(info.st_size);
}
}  // namespace

Result<SharedMap> SharedMap::attach(UniqueFd fd) {
    const auto size = sealed_size(fd);
    return size ? map(std::move(fd), *size, *size) : Result<SharedMap>(size.error());
}

Result<SharedMap> SharedMap::attach(UniqueFd fd, std::size_t bytes) {
    const auto size = sealed_size(fd);
    if (!size) {
        return size.error();
    }
    if (bytes > *size) {
        return Error{Code::malformed, "shared memory is smaller than it should be"};
    }
    return map(std::move(fd), bytes, *size);
}

Result<SharedMap> SharedMap::map(UniqueFd fd, std::size_t bytes, std::uint64_t file_bytes) {
    void* address = sys::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (address == MAP_FAILED) {
        return system_error("mmap");
    }
    return SharedMap(std::move(fd), static_cast<std::byte*>(address), bytes, file_bytes);
}

}  // namespace callring
