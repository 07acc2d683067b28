// The memory reserve: what keeps bookkeeping whole when the process runs out of memory. Changing the state of many
// tasks allocates a little in many places, none of which can be undone. So the process keeps some address space aside:
// while a thread keeps books, an allocation that would fail takes from there instead, and new work is refused until the
// reserve is whole again. Large values are never taken from it: not to receive one fails its task alone. Guarantees:
// costs no memory that is not used; `new` outside of a KeepsBooks fails as it would without this.
#pragma once

#include <atomic>

namespace callring {

// Whether the reserve is whole; makes it when asked first, and takes back what was used of it if that can be had.
// The engine asks before it accepts new work.
[[nodiscard]] bool memory_reserve_is_whole() noexcept;

// What is lost if the reserve does not suffice, too.
struct Books {
    std::atomic<bool> torn{false};  // something was changed by half: nothing here can be believed any more
    std::atomic<int> event{-1};     // an eventfd that is written then
};

// While one lives, this thread takes from the reserve what it cannot allocate otherwise.
class KeepsBooks {
public:
    explicit KeepsBooks(Books& books) noexcept;
    ~KeepsBooks();
    KeepsBooks(const KeepsBooks&) = delete;
    KeepsBooks& operator=(const KeepsBooks&) = delete;

private:
    Books* before_;
};

// While one lives, this thread does not: what fails here can be given up.
class SparesReserve {
public:
    SparesReserve() noexcept;
    ~SparesReserve();
    SparesReserve(const SparesReserve&) = delete;
    SparesReserve& operator=(const SparesReserve&) = delete;

private:
    Books* before_;
};

}  // namespace callring
