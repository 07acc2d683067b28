#include "chip/blob.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

namespace callring::chip {

namespace {

constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxSignature = 4096;

Error malformed_blob(const std::string& what) {
    return {Code::malformed, "chip callable: " + what};
}

// Not std::isalnum, which depends on the locale of the process.
bool is_identifier(std::string_view name) {
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto fits = [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
    };
    return !name.empty() && name.size() <= kMaxName && !is_digit(name[0]) &&
           std::all_of(name.begin(), name.end(), fits);
}

class Writer {
public:
    template <class T>
    void number(T value) {
        for (std::size_t i = 0; i < sizeof value; ++i) {
            bytes_.push_back(static_cast<std::byte>(value >> (8 * i)));
        }
    }
    void raw(std::span<const std::byte> value) { bytes_.insert(bytes_.end(), value.begin(), value.end()); }
    void str(std::string_view value) {
        number(static_cast<std::uint32_t>(value.size()));
        raw(std::as_bytes(std::span(value.data(), value.size())));
    }
    void signature(std::span<const Direction> value) {
        number(static_cast<std::uint32_t>(value.size()));
        for (const Direction direction : value) {
            number(static_cast<std::uint32_t>(direction));
        }
    }
    void align() { bytes_.resize((bytes_.size() + kBlobAlignment - 1) / kBlobAlignment * kBlobAlignment); }

    std::vector<std::byte> bytes_;
};

// Reads the output of Writer. A failure is permanent, so callers check once.
class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

    template <class T>
    T number() {
        T value = 0;
        for (std::size_t i = 0; i < sizeof value && take(1); ++i) {
            value = static_cast<T>(value | (static_cast<T>(bytes_[position_ - 1]) << (8 * i)));
        }
        return value;
    }
    std::vector<std::byte> raw(std::uint64_t size) {
        if (!take(size)) {
            return {};
        }
        const auto part = bytes_.subspan(position_ - size, size);
        return {part.begin(), part.end()};
    }
    std::string str() {
        const auto value = raw(number<std::uint32_t>());
        return {reinterpret_cast<const char*>(value.data()), value.size()};
    }
    std::vector<Direction> signature() {
        const auto count = number<std::uint32_t>();
        failed_ = failed_ || count > kMaxSignature;
        std::vector<Direction> value;
        for (std::uint32_t i = 0; i < count && !failed_; ++i) {
            const auto direction = number<std::uint32_t>();
            failed_ = failed_ || direction > static_cast<std::uint32_t>(Direction::inout);
            value.push_back(static_cast<Direction>(direction));
        }
        return value;
    }
    void align() {
        const std::size_t over = position_ % kBlobAlignment;
        if (over != 0) {
            take(kBlobAlignment - over);
        }
    }
    [[nodiscard]] bool failed() const noexcept { return failed_; }

private:
    bool take(std::uint64_t size) {
        failed_ = failed_ || size > bytes_.size() - position_;
        if (!failed_) {
            position_ += size;
        }
        return !failed_;
    }

    std::span<const std::byte> bytes_;
    std::size_t position_ = 0;
    bool failed_ = false;
};

Result<void> check_signature(const std::string& name, std::span<const Direction> signature) {
    if (signature.size() > kMaxSignature) {
        return malformed_blob("the signature of " + name + " has " + std::to_string(signature.size()) +
                              " directions; the most is " + std::to_string(kMaxSignature));
    }
    for (const Direction direction : signature) {
        if (direction > Direction::inout) {
            return malformed_blob("the signature of " + name + " has the unknown direction " +
                                  std::to_string(static_cast<std::uint32_t>(direction)));
        }
    }
    return {};
}

Result<void> check(const BlobParts& parts) {
    if (parts.kernels.empty()) {
        return malformed_blob("it has no kernel");
    }
    if (!is_identifier(parts.entry)) {
        return malformed_blob("entry '" + parts.entry + "' is not a C identifier");
    }
    if (auto checked = check_signature(parts.entry, parts.signature); !checked) {
        return checked;
    }
    for (std::size_t i = 0; i < parts.kernels.size(); ++i) {
        const KernelPart& kernel = parts.kernels[i];
        if (!is_identifier(kernel.name) || !is_identifier(kernel.core_kind)) {
            return malformed_blob("kernel name '" + kernel.name + "' or core kind '" + kernel.core_kind +
                                  "' is not a C identifier");
        }
        if (kernel.binary.empty()) {
            return malformed_blob("kernel " + kernel.name + " has an empty binary");
        }
        if (auto checked = check_signature(kernel.name, kernel.signature); !checked) {
            return checked;
        }
        for (std::size_t k = 0; k < i; ++k) {
            if (parts.kernels[k].func_id == kernel.func_id || parts.kernels[k].name == kernel.name) {
                return malformed_blob("two kernels share func_id " + std::to_string(kernel.func_id) + " or name " +
                                      kernel.name);
            }
        }
    }
    if (parts.orchestration.empty()) {
        const KernelPart& kernel = parts.kernels.front();
        if (parts.kernels.size() != 1 || kernel.name != parts.entry || kernel.signature != parts.signature) {
            return malformed_blob(
                "without an orchestration function it must be one kernel with the public name and signature");
        }
    }
    return {};
}

std::vector<std::byte> write(const BlobParts& parts) {
    Writer writer;
    writer.number(kBlobMagic);
    writer.number(kBlobVersion);
    writer.number(std::uint64_t{0});  // total, set at the end
    writer.number(static_cast<std::uint32_t>(parts.kernels.size()));
    writer.align();
    writer.signature(parts.signature);
    writer.str(parts.entry);
    writer.number(std::uint64_t{parts.orchestration.size()});
    writer.align();
    writer.raw(parts.orchestration);
    writer.align();
    for (const KernelPart& kernel : parts.kernels) {
        writer.number(kernel.func_id);
        writer.str(kernel.name);
        writer.str(kernel.core_kind);
        writer.signature(kernel.signature);
        writer.number(std::uint64_t{kernel.binary.size()});
        writer.align();
        writer.raw(kernel.binary);
        writer.align();
    }
    const std::uint64_t total = writer.bytes_.size();
    for (std::size_t i = 0; i < sizeof total; ++i) {
        writer.bytes_[8 + i] = static_cast<std::byte>(total >> (8 * i));
    }
    return std::move(writer.bytes_);
}

}  // namespace

Result<std::vector<std::byte>> build_blob(BlobParts parts) {
    std::sort(parts.kernels.begin(), parts.kernels.end(),
              [](const KernelPart& a, const KernelPart& b) { return a.func_id < b.func_id; });
    if (auto checked = check(parts); !checked) {
        return std::move(checked).error();
    }
    return write(parts);
}

Result<BlobParts> parse_blob(std::span<const std::byte> blob) {
    Reader reader(blob);
    if (reader.number<std::uint32_t>() != kBlobMagic) {
        return malformed_blob("not a chip callable (magic)");
    }
    if (const auto version = reader.number<std::uint32_t>(); version != kBlobVersion) {
        return malformed_blob("blob version " + std::to_string(version) + " is not " + std::to_string(kBlobVersion));
    }
    if (reader.number<std::uint64_t>() != blob.size()) {
        return malformed_blob("its size contradicts its header");
    }
    const auto kernels = reader.number<std::uint32_t>();
    reader.align();
    BlobParts parts;
    parts.signature = reader.signature();
    parts.entry = reader.str();
    const auto orchestration_bytes = reader.number<std::uint64_t>();
    reader.align();
    parts.orchestration = reader.raw(orchestration_bytes);
    reader.align();
    for (std::uint32_t i = 0; i < kernels && !reader.failed(); ++i) {
        KernelPart kernel;
        kernel.func_id = reader.number<std::uint32_t>();
        kernel.name = reader.str();
        kernel.core_kind = reader.str();
        kernel.signature = reader.signature();
        const auto bytes = reader.number<std::uint64_t>();
        reader.align();
        kernel.binary = reader.raw(bytes);
        reader.align();
        parts.kernels.push_back(std::move(kernel));
    }
    if (reader.failed()) {
        return malformed_blob("it ends inside a section, or a count is impossible");
    }
    if (auto checked = check(parts); !checked) {
        return std::move(checked).error();
    }
    // A callable has only one encoding: order, padding and all other choices must be those of build_blob().
    const auto canonical = write(parts);
    if (canonical.size() != blob.size() || std::memcmp(canonical.data(), blob.data(), blob.size()) != 0 ||
        !std::is_sorted(parts.kernels.begin(), parts.kernels.end(),
                        [](const KernelPart& a, const KernelPart& b) { return a.func_id < b.func_id; })) {
        return malformed_blob("not in canonical form");
    }
    return parts;
}

}  // namespace callring::chip
