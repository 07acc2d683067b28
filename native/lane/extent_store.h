// ExtentStore: the parent's end of a lane's store, where a child writes large results. The parent reads them in place:
// an Extent is one result, and its memory is given back when its last owner drops it. Guarantees, also for a faulty
// child: nothing outside the store is read, and no byte of it is in two extents. A taken extent does not change when
// the child ends, and then keeps only its own memory; memory that a forked process may still read is not given back
// before that process has ended; of the given-back memory that the child has not taken, at most kMostGivenBack bytes
// keep their pages. Thread-safe, also without the interpreter's lock.
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

    // The bytes of the result. A faulty child can still write them.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
    }

private:
    friend class ExtentStore;
    std::shared_ptr<ExtentStore> store_;
    std::uint64_t begin_ = 0;  // the start of its block
    std::span<std::byte> bytes_;
};

using ExtentPtr = std::shared_ptr<const Extent>;
using Extents = std::vector<ExtentPtr>;

class ExtentStore : public std::enable_shared_from_this<ExtentStore> {
public:
    static constexpr std::uint64_t kMostGivenBack = std::uint64_t{64} << 20U;

    // Covers `range` of the file `fd`. `given_back` is LaneHeader::extents_given_back; it and `fd` are used until
    // close() or end().
    ExtentStore(int fd, StoreRange range, std::atomic<std::uint64_t>& given_back);
    ExtentStore(const ExtentStore&) = delete;
    ExtentStore& operator=(const ExtentStore&) = delete;
    ~ExtentStore();

    // Takes an extent that the child reports. Errors: malformed (invalid, or overlaps one that the child has not got
    // back); out_of_memory (it cannot be mapped; the child gets it back).
    Result<ExtentPtr> take(const ExtentRecord& record);
    // Called when the child has ended: returns all memory except that of extents to the system.
    void close() noexcept;
    // Like close(), for a file that no other process has: if no extent is left, all memory is freed with the file.
    void end() noexcept;

private:
    friend class Extent;
    struct Held {
        std::uint64_t end;
        std::uint64_t since;  // what fork_watch::hold() returned
    };
    struct Mapping {
        std::byte* data;
        std::uint64_t bytes;
        std::uint32_t users;
    };
    using Blocks = std::map<std::uint64_t, Held>;  // by the start of each block

    void give_back(std::uint64_t begin) noexcept;
    // All members below are under the lock.
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
    std::uint64_t given_back_bytes_ = 0;      // since the child last took the whole list
    Blocks held_;
    Blocks inherited_;                           // dropped by this process, but perhaps not by every forked process
    std::map<std::uint64_t, Mapping> mappings_;  // by the start of the first cell
};

}  // namespace callring
