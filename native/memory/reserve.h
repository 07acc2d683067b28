// The memory reserve: keeps bookkeeping consistent when the process runs out of memory. A change of the state of many
// tasks allocates a little memory in many places and cannot be undone. So the process reserves some address space:
// while a thread changes that state (KeepsBooks), an allocation that would fail takes from the reserve, and new work is
// refused until the reserve is full again. Large values never take from it: a value that does not fit fails only its
// task. Guarantees: takes no memory until it is used; `new` outside a KeepsBooks fails as without the reserve.
#pragma once

#include <atomic>
#include <utility>

namespace callring {

namespace reserve {
extern std::atomic<bool> is_whole;
[[nodiscard]] bool make_whole() noexcept;
}  // namespace reserve

// Whether the reserve is full. The first call fills it; later calls refill it if there is memory. The engine calls this
// before it accepts new work.
[[nodiscard]] inline bool memory_reserve_is_whole() noexcept {
    return reserve::is_whole.load(std::memory_order_relaxed) || reserve::make_whole();
}

// Allocates libstdc++'s memory for the exceptions of the calling thread. libstdc++ does so at the thread's first throw,
// and glibc ends the process if there is no memory then ("cannot allocate memory for thread-local data"). Callring's
// threads call this when they start.
void prepare_thread_to_throw() noexcept;

// Throws bad_alloc in any thread, with memory from the reserve if necessary. A failing `new` calls this.
[[noreturn]] void throw_out_of_memory();

// Stands for the state that a thread changes. It becomes invalid if the reserve does not suffice for a change.
struct Books {
    std::atomic<bool> torn{false};  // a change stopped half-way: the state is invalid
    std::atomic<int> event{-1};     // the eventfd that is written when that happens
};

namespace reserve {
// The books that this thread changes; null: none.
// Initial-exec: its space exists when a thread starts. Otherwise glibc allocates it at the first use, and ends the
// process if there is no memory.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local Books* books;
}  // namespace reserve

// While an object of this class exists, allocations of its thread that would fail take from the reserve.
class KeepsBooks {
public:
    explicit KeepsBooks(Books& books) noexcept : before_(std::exchange(reserve::books, &books)) {}
    ~KeepsBooks() { reserve::books = before_; }
    KeepsBooks(const KeepsBooks&) = delete;
    KeepsBooks& operator=(const KeepsBooks&) = delete;

private:
    Books* before_;
};

// While an object of this class exists, its thread does not take from the reserve: its work may fail.
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
