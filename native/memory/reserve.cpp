#include "memory/reserve.h"

#include <cxxabi.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

#include "common/event.h"
#include "common/system_calls.h"
#include "common/tuning.h"

namespace callring {

constinit std::atomic<bool> reserve::is_whole{false};
[[gnu::tls_model("initial-exec")]] constinit thread_local Books* reserve::books = nullptr;

namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20U;

// More than libstdc++ allocates for a thread's exceptions, including the overhead of malloc and the loader.
constexpr std::size_t kFirstThrowBytes = 4096;

class Reserve {
public:
    void fill() noexcept {
        const std::lock_guard lock(mutex_);
        for (void*& piece : pieces_) {
            if (piece == nullptr) {
                void* const got = sys::mmap(nullptr, kPieceBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (got == MAP_FAILED) {
                    return;
                }
                piece = got;
            }
        }
        reserve::is_whole.store(true, std::memory_order_relaxed);
    }
    // Returns one piece to the system. False: none is left.
    bool spend() noexcept {
        const std::lock_guard lock(mutex_);
        for (void*& piece : pieces_) {
            if (piece != nullptr) {
                sys::munmap(std::exchange(piece, nullptr), kPieceBytes);
                reserve::is_whole.store(false, std::memory_order_relaxed);
                return true;
            }
        }
        return false;
    }

private:
    std::mutex mutex_;
    std::array<void*, tuning::kReservePieces> pieces_{};
};

constinit Reserve g_reserve;
std::new_handler g_before = nullptr;

// Called by a failing `new`, which tries again when this returns.
void out_of_memory() {
    if (reserve::books == nullptr) {
        if (g_before == nullptr) {
            throw_out_of_memory();
        }
        g_before();
    } else if (!g_reserve.spend()) {
        prepare_thread_to_throw();
        reserve::books->torn.store(true);
        raise_event(reserve::books->event.load());
        throw std::bad_alloc();
    }
}

}  // namespace

void prepare_thread_to_throw() noexcept {
    static_cast<void>(abi::__cxa_get_globals());
}

void throw_out_of_memory() {
    // Returns pieces to the system until malloc has the little memory for a thread's first exception.
    void* probe = sys::malloc(kFirstThrowBytes);
    while (probe == nullptr && g_reserve.spend()) {
        probe = sys::malloc(kFirstThrowBytes);
    }
    std::free(probe);
    prepare_thread_to_throw();
    throw std::bad_alloc();
}

bool reserve::make_whole() noexcept {
    static const bool handled = [] {
        g_before = std::set_new_handler(&out_of_memory);
        return true;
    }();
    if (handled) {
        g_reserve.fill();
    }
    return is_whole.load(std::memory_order_relaxed);
}

}  // namespace callring
