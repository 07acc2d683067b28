// The memory reserve: what keeps bookkeeping whole when the process runs out of memory. Changing the state of many
// tasks allocates a little in many places, none of which can be undone. So the process keeps some address space aside:
// while a thread keeps books, an allocation that would fail takes from there instead, and new work is refused until the
// reserve is whole again. Large values are never taken from it: not to receive one fails its task alone. Guarantees:
// costs no memory that is not used; `new` outside of a KeepsBooks fails as it would without this.
#pragma once

#include <atomic>
#include <utility>

namespace callring {

namespace reserve {
extern std::atomic<bool> is_whole;
[[nodiscard]] bool make_whole() noexcept;
}  // namespace reserve

// Whether the reserve is whole; makes it when asked first, and takes back what was used of it if that can be had.
// The engine asks before it accepts new work.
[[nodiscard]] inline bool memory_reserve_is_whole() noexcept {
    return reserve::is_whole.load(std::memory_order_relaxed) || reserve::make_whole();
}

// Allocates what libstdc++ keeps for the exceptions of the calling thread. libstdc++ does so at the thread's first
// throw, and glibc ends the process if there is no memory then ("cannot allocate memory for thread-local data").
// Threads of ours call this when they start.
void prepare_thread_to_throw() noexcept;

// Throws bad_alloc in any thread, for which it takes from the reserve if need be. So does a `new` that fails.
[[noreturn]] void throw_out_of_memory();

// What is lost if the reserve does not suffice, too.
struct Books {
    std::atomic<bool> torn{false};  // something was changed by half: nothing here can be believed any more
    std::atomic<int> event{-1};     // an eventfd that is written then
};

namespace reserve {
// For whom this thread keeps books; null: for none.
// Initial-exec: space for it is there when a thread starts. Otherwise glibc allocates it at the first use, and ends the
// process where there is no memory left.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local Books* books;
}  // namespace reserve

// While one lives, this thread takes from the reserve what it cannot allocate otherwise.
class KeepsBooks {
public:
    explicit KeepsBooks(Books& books) noexcept : before_(std::exchange(reserve::books, &books)) {}
    ~KeepsBooks() { reserve::books = before_; }
    KeepsBooks(const KeepsBooks&) = delete;
    KeepsBooks& operator=(const KeepsBooks&) = delete;

private:
    Books* before_;
};

// While one lives, this thread does not: what fails here can be given up.
class SparesReserve {
public:
    SparesReserve() noexcept : before_(std::exchange(reserve::books, nullptr)) {}
    ~SparesReserve() { reserve::books = before_; }
    SparesReserve(const SparesReserve&) = delete;
    SparesReserve& operator=(const SparesReserve&) = delete;

private:
    Books* before_;
};

}  // namespace callring
