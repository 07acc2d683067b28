#include "chip/loader.h"

#include <link.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "callring/chip.h"
#include "common/system_calls.h"

namespace callring::chip {

namespace {

// The path for the loader, built without allocating.
class Path {
public:
    explicit Path(const SealedPayload& image) noexcept {
        std::snprintf(text_.data(), text_.size(), "/proc/self/fd/%d", image.fd());
    }
    [[nodiscard]] const char* c_str() const noexcept { return text_.data(); }

private:
    std::array<char, 32> text_{};
};

// The dynamic loader's last message, without the path, which is only valid in this process.
std::string loader_error(const std::string& path) {
    const char* words = ::dlerror();
    std::string text = words == nullptr ? "unknown error" : words;
    if (const std::size_t at = text.find(path); at != std::string::npos) {
        text.replace(at, path.size(), "binary");
    }
    return text;
}

// Whether a part of an ELF file is missing that would be mapped: the dynamic loader does not check that, and the
// process would die of SIGBUS. What is no ELF file is left to the dynamic loader, which says so.
bool is_cut_short(std::span<const std::byte> binary) noexcept {
    ElfW(Ehdr) header;
    if (binary.size() < sizeof header) {
        return false;
    }
    std::memcpy(&header, binary.data(), sizeof header);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
        return false;
    }
    const auto is_within = [&](std::uint64_t offset, std::uint64_t bytes) {
        return offset <= binary.size() && bytes <= binary.size() - offset;
    };
    ElfW(Phdr) segment;
    for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
        if (!is_within(header.e_phoff, (i + 1) * sizeof segment)) {
            return true;
        }
        std::memcpy(&segment, binary.data() + header.e_phoff + (i * sizeof segment), sizeof segment);
        if (segment.p_type == PT_LOAD && !is_within(segment.p_offset, segment.p_filesz)) {
            return true;
        }
    }
    return false;
}

std::string describe(std::span<const Direction> signature) {
    constexpr std::array<const char*, 4> kNames{"scalar", "in", "out", "inout"};
    std::string text = "[";
    for (const Direction direction : signature) {
        text += (text.size() > 1 ? ", " : "") + std::string(kNames.at(static_cast<std::size_t>(direction)));
    }
    return text + "]";
}

}  // namespace

Library::Library(Library&& other) noexcept
    : image_(std::move(other.image_)), handle_(std::exchange(other.handle_, nullptr)) {}

Library& Library::operator=(Library&& other) noexcept {
    std::swap(image_, other.image_);
    std::swap(handle_, other.handle_);
    return *this;
}

Library::~Library() {
    if (handle_ == nullptr) {
        return;
    }
    const Path path(image_);
    sys::dlclose(handle_);
    // Some objects cannot be unloaded (unique symbols). The loader then keeps the path, and would return this library
    // for the next image with the same descriptor number. So the descriptor must stay open.
    if (sys::dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD) != nullptr) {
        std::move(image_).keep_for_ever();
    }
}

Result<Library> Library::load(std::span<const std::byte> binary) {
    if (is_cut_short(binary)) {
        return Error{Code::prepare_failed, "a binary does not load: it is cut short"};
    }
    auto image = SealedPayload::create(binary);
    if (!image) {
        return std::move(image).error();
    }
    const Path path(*image);
    void* handle = sys::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        return Error{Code::prepare_failed, "a binary does not load: " + loader_error(path.c_str())};
    }
    return Library(std::move(image).value(), handle);
}

// dlsym also searches the libraries on which this one depends: a kernel `exp` that is not exported would be found in
// the C library.
bool Library::contains(const void* function) const noexcept {
    Dl_info info{};
    void* of_function = nullptr;
    link_map* of_this = nullptr;
    return sys::dladdr1(function, &info, &of_function, RTLD_DL_LINKMAP) != 0 &&
           ::dlinfo(handle_, RTLD_DI_LINKMAP, &of_this) == 0 && of_function == of_this;
}

Result<void*> Library::find(const std::string& name, std::span<const Direction> signature) const {
    void* function = sys::dlsym(handle_, name.c_str());
    if (function == nullptr || !contains(function)) {
        return Error{Code::prepare_failed, "the binary does not export '" + name + "' (mark it CALLRING_EXPORT)"};
    }
    const auto* declared =
        static_cast<const std::uint32_t*>(sys::dlsym(handle_, ("callring_signature_" + name).c_str()));
    if (declared == nullptr) {
        return function;
    }
    Dl_info info{};
    void* extra = nullptr;
    if (sys::dladdr1(declared, &info, &extra, RTLD_DL_SYMENT) == 0 || extra == nullptr) {
        return Error{Code::prepare_failed, "the declared signature of '" + name + "' cannot be read"};
    }
    const std::size_t words = static_cast<const ElfW(Sym)*>(extra)->st_size / sizeof(std::uint32_t);
    if (words == 0 || declared[0] != CALLRING_CHIP_ABI_VERSION) {
        return Error{Code::prepare_failed, "'" + name + "' was built against another version of callring/chip.h"};
    }
    std::vector<Direction> found;
    for (std::size_t i = 1; i < words; ++i) {
        if (declared[i] > CALLRING_INOUT) {
            return Error{Code::prepare_failed, "'" + name + "' declares direction " + std::to_string(declared[i]) +
                                                   ", which is none of callring/chip.h"};
        }
        found.push_back(static_cast<Direction>(declared[i]));
    }
    if (!std::equal(found.begin(), found.end(), signature.begin(), signature.end())) {
        return Error{Code::prepare_failed, "'" + name + "' declares the signature " + describe(found) +
                                               " in its source, but the callable has " + describe(signature)};
    }
    return function;
}

}  // namespace callring::chip
