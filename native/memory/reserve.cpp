#include "memory/reserve.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

namespace callring {

namespace {

// What a burst of bookkeeping takes is far below one piece; the pieces are for bursts while others compete for what is
// given back to the system.
constexpr std::size_t kPieces = 16;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20U;

// Initial-exec: space for it is there when a thread starts. Otherwise glibc allocates it at the first use, and ends the
// process where there is no memory left.
[[gnu::tls_model("initial-exec")]] thread_local constinit Books* t_books = nullptr;

class Reserve {
public:
    void fill() noexcept {
        const std::lock_guard lock(mutex_);
        for (void*& piece : pieces_) {
            if (piece == nullptr) {
                void* const got = ::mmap(nullptr, kPieceBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (got == MAP_FAILED) {
                    return;
                }
                piece = got;
                missing_.fetch_sub(1, std::memory_order_relaxed);
            }
        }
    }
    // Gives one piece back to the system. False: there is none left.
    bool spend() noexcept {
        const std::lock_guard lock(mutex_);
        for (void*& piece : pieces_) {
            if (piece != nullptr) {
                ::munmap(std::exchange(piece, nullptr), kPieceBytes);
                missing_.fetch_add(1, std::memory_order_relaxed);
                return true;
            }
        }
        return false;
    }
    [[nodiscard]] bool whole() const noexcept { return missing_.load(std::memory_order_relaxed) == 0; }

private:
    std::mutex mutex_;
    std::array<void*, kPieces> pieces_{};
    std::atomic<std::size_t> missing_{kPieces};
};

constinit Reserve g_reserve;
std::new_handler g_before = nullptr;

// Called by `new` when it finds nothing; it tries again when this returns.
void out_of_memory() {
    if (t_books == nullptr) {
        if (g_before == nullptr) {
            throw std::bad_alloc();
        }
        g_before();
    } else if (!g_reserve.spend()) {
        t_books->torn.store(true);
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(t_books->event.load(), &one, sizeof one);
        throw std::bad_alloc();
    }
}

}  // namespace

bool memory_reserve_is_whole() noexcept {
    static const bool handled = [] {
        g_before = std::set_new_handler(&out_of_memory);
        return true;
    }();
    if (handled && !g_reserve.whole()) {
        g_reserve.fill();
    }
    return g_reserve.whole();
}

KeepsBooks::KeepsBooks(Books& books) noexcept : before_(std::exchange(t_books, &books)) {}
KeepsBooks::~KeepsBooks() {
    t_books = before_;
}

SparesReserve::SparesReserve() noexcept : before_(std::exchange(t_books, nullptr)) {}
SparesReserve::~SparesReserve() {
    t_books = before_;
}

}  // namespace callring
