#include "memory/fork_watch.h"

#include <atomic>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "common/system_calls.h"
#include "common/unique_fd.h"

namespace callring::fork_watch {

namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::uint64_t kAll = UINT64_MAX;

// The guard page of one fork.
struct Guard {
    UniqueFd file;
    void* page;            // the mapping of the page; null after the fork
    std::uint64_t covers;  // memory that was held up to this generation may have been inherited
};

std::mutex g_mutex;
std::vector<Guard> g_guards;
std::uint64_t g_generation = 1;
std::uint64_t g_covered_for_ever = 0;
std::uint64_t g_held = 0;
std::atomic<std::uint64_t> g_process{1};

// Whether no process maps the guard's page any more.
bool is_over(const Guard& guard) noexcept {
    return guard.page == nullptr && sys::fcntl(guard.file.get(), F_ADD_SEALS, F_SEAL_WRITE) == 0;
}

bool add_guard() noexcept {
    UniqueFd file(sys::memfd_create("callring-fork", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file.valid() || sys::ftruncate(file.get(), kPageBytes) != 0) {
        return false;
    }
    void* page = sys::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (page == MAP_FAILED) {
        return false;
    }
    try {
        g_guards.push_back({std::move(file), page, kAll});
    } catch (const std::bad_alloc&) {
        sys::munmap(page, kPageBytes);
        return false;
    }
    return true;
}

// The lock is held from before a fork until after it, so that both processes see consistent data.
void before_fork() noexcept {
    g_mutex.lock();
    std::erase_if(g_guards, is_over);
    if (g_held > 0 && !add_guard()) {
        g_covered_for_ever = g_generation;
    }
}

void after_fork_in_parent() noexcept {
    if (!g_guards.empty() && g_guards.back().page != nullptr) {
        sys::munmap(std::exchange(g_guards.back().page, nullptr), kPageBytes);
        g_guards.back().covers = g_generation;
    }
    ++g_generation;
    g_mutex.unlock();
}

void after_fork_in_child() noexcept {
    g_guards.clear();  // the page stays mapped, so the parent cannot seal its file
    g_covered_for_ever = 0;
    g_held = 0;
    g_process.fetch_add(1, std::memory_order_relaxed);
    g_mutex.unlock();
}

void watch() noexcept {
    [[maybe_unused]] static const int watched =
        sys::pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child);
}

}  // namespace

std::uint64_t hold() noexcept {
    watch();
    const std::lock_guard lock(g_mutex);
    ++g_held;
    return g_generation;
}

void let_go() noexcept {
    const std::lock_guard lock(g_mutex);
    --g_held;
}

bool may_be_inherited(std::uint64_t since) noexcept {
    const std::lock_guard lock(g_mutex);
    if (since <= g_covered_for_ever) {
        return true;
    }
    bool inherited = false;
    std::erase_if(g_guards, [&](const Guard& guard) {
        const bool over = is_over(guard);
        inherited = inherited || (!over && guard.covers >= since);
        return over;
    });
    return inherited;
}

std::uint64_t process() noexcept {
    watch();
    return g_process.load(std::memory_order_relaxed);
}

}  // namespace callring::fork_watch
