// ExtentStore: the parent's end of a lane's store, where a child writes large results. The parent looks at them where
// they lie, for as long as it likes: an Extent is one, and gives its memory back when the last that has it lets go.
// Guarantees: nothing outside of the store is read, and no byte of it is in two extents, whatever the child says; what
// was taken stays as it is when the child ends, and then keeps no memory but its own; memory that a forked process may
// still look at is not given back before that has ended; of what was given back and the child has not taken back, at
// most kMostGivenBack bytes keep their pages. Thread-safe, also without Python's lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "common/result.h"
#include "lane/layout.h"

namespace callring {

class ExtentStore;

class Extent {
public:
    Extent() = default;
    Extent(const Extent&) = delete;
    Extent& operator=(const Extent&) = delete;
    ~Extent();

    // The child can write them, too, if it breaks its word.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
    }

private:
    friend class ExtentStore;
    std::shared_ptr<ExtentStore> store_;
    std::uint64_t begin_ = 0;  // of its block
    std::span<std::byte> bytes_;
};

using ExtentPtr = std::shared_ptr<const Extent>;
using Extents = std::vector<ExtentPtr>;

class ExtentStore : public std::enable_shared_from_this<ExtentStore> {
public:
    static constexpr std::uint64_t kMostGivenBack = std::uint64_t{64} << 20U;

    // Over `range` of the file `fd`; both that and `given_back`, LaneHeader's, are there until close() or end().
    ExtentStore(int fd, StoreRange range, std::atomic<std::uint64_t>& given_back);
    ExtentStore(const ExtentStore&) = delete;
    ExtentStore& operator=(const ExtentStore&) = delete;
    ~ExtentStore();

    // Takes what the child says that it has written. Errors: malformed (it is no extent, or one that was taken and not
    // given back); out_of_memory (it cannot be mapped; the child has it back).
    Result<ExtentPtr> take(const ExtentRecord& record);
    // The child has ended: all memory goes to the system but that of extents.
    void close() noexcept;
    // The same, and nothing else has the file.
    void end() noexcept;

private:
    friend class Extent;
    struct Held {
        std::uint64_t end;
        std::uint64_t since;  // fork_watch's
    };
    struct Mapping {
        std::byte* data;
        std::uint64_t bytes;
        std::uint32_t users;
    };
    using Blocks = std::map<std::uint64_t, Held>;  // by where they begin

    void give_back(std::uint64_t begin) noexcept;
    // All of these under the lock.
    [[nodiscard]] bool is_block(std::uint64_t begin, std::uint64_t bytes) const noexcept;
    [[nodiscard]] Mapping* map(std::uint64_t begin, std::uint64_t bytes);
    void pass_on(std::uint64_t begin, std::uint64_t end) noexcept;
    void push(std::uint64_t begin, std::byte* header, bool pages_are_gone) noexcept;
    void pass_on_what_forks_had() noexcept;
    void unuse(std::uint64_t cell) noexcept;

    const std::uint64_t process_;
    std::mutex mutex_;
    int fd_;
    StoreRange range_;
    std::atomic<std::uint64_t>* given_back_;  // null once the child has ended
    std::uint64_t given_back_bytes_ = 0;      // since the child took all of it last
    Blocks held_;
    Blocks inherited_;                           // let go of here, but not by every fork
    std::map<std::uint64_t, Mapping> mappings_;  // by the first cell
};

}  // namespace callring
