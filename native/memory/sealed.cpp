#include "memory/sealed.h"

#include <cerrno>
#include <utility>

#include "common/system_calls.h"
#include "common/system_error.h"

namespace callring {

namespace {
constexpr int kAllSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
}  // namespace

SealedPayload::SealedPayload(UniqueFd fd, const std::byte* data, std::size_t size) noexcept
    : fd_(std::move(fd)), data_(data), size_(size) {}

SealedPayload::SealedPayload(SealedPayload&& other) noexcept
    : fd_(std::move(other.fd_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SealedPayload& SealedPayload::operator=(SealedPayload&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

SealedPayload::~SealedPayload() {
    if (data_ != nullptr) {
        sys::munmap(const_cast<std::byte*>(data_), size_);
    }
}

Result<SealedPayload> SealedPayload::create(std::span<const std::byte> bytes) {
    UniqueFd fd(sys::memfd_create("callring-payload", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd.valid()) {
        return system_error("memfd_create");
    }
    for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t written = sys::write(fd.get(), bytes.data() + done, bytes.size() - done);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return system_error("write");
        }
        done += static_cast<std::size_t>(written);
    }
    if (sys::fcntl(fd.get(), F_ADD_SEALS, kAllSeals) != 0) {
        return system_error("fcntl(F_ADD_SEALS)");
    }
    return map(std::move(fd));
}

Result<SealedPayload> SealedPayload::adopt(UniqueFd fd) {
    const int seals = fd.valid() ? sys::fcntl(fd.get(), F_GET_SEALS) : -1;
    if (seals < 0 || (seals & kAllSeals) != kAllSeals) {
        return Error{Code::malformed, "the payload is not sealed against every change"};
    }
    return map(std::move(fd));
}

Result<SealedPayload> SealedPayload::map(UniqueFd fd) {
    struct stat info{};
    if (sys::fstat(fd.get(), &info) != 0) {
        return system_error("fstat");
    }
    const auto size = static_cast<std::size_t>(info.st_size);
    if (size == 0) {
        return SealedPayload(std::move(fd), nullptr, 0);
    }
    void* address = sys::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (address == MAP_FAILED) {
        return system_error("mmap");
    }
    return SealedPayload(std::move(fd), static_cast<const std::byte*>(address), size);
}

}  // namespace callring
