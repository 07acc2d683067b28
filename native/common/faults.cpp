#include <execinfo.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

#include "common/system_calls.h"

namespace callring::faults {

namespace {

constexpr auto kCalls = static_cast<std::size_t>(Call::count);
constexpr std::size_t kStack = 24;
constexpr std::size_t kSites = 1024;

// The roles: the user's process; chips and processes that become chips; fork servers; sub-workers and nodes.
enum class Role : std::uint32_t { parent, chip, server, python, count };
constexpr auto kRoles = static_cast<std::size_t>(Role::count);

// The layout of the file; tests/faults/control.py declares the same layout.
struct Site {
    std::atomic<std::uint32_t> taken;
    std::uint32_t call;
    std::uint32_t line;
    std::array<char, 52> file;
    std::array<std::atomic<std::uint64_t>, kRoles> uses;
};
struct Control {
    std::atomic<std::uint32_t> armed;
    std::int32_t parent;  // the parent's process ID
    std::uint32_t role;   // the role of the processes in which the call fails
    std::uint32_t call;   // the call that fails
    std::uint64_t first;  // the first use that fails, counted from 1 over all processes of this role
    std::uint64_t times;  // the number of failing uses
    std::int32_t error;
    std::atomic<std::uint32_t> hits;
    std::int32_t hit_process;
    std::uint32_t hit_line;
    std::array<char, 64> hit_file;
    std::array<std::uint64_t, kStack> hit_stack;  // offsets in this module; 0: an address in another module
    std::array<std::array<std::atomic<std::uint64_t>, 64>, kRoles> uses;
    std::atomic<std::int64_t> blocks;  // blocks in the parent that `new` made and `delete` has not freed
    std::array<Site, kSites> sites;
};
static_assert(kCalls <= 64 && std::atomic<std::uint64_t>::is_always_lock_free);

std::atomic<Control*> g_control{nullptr};
std::atomic<bool> g_looked{false};
bool g_forked = false;

void open(const char* path) noexcept {
    const int file = ::open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    void* const map = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (map != MAP_FAILED) {
        g_control.store(static_cast<Control*>(map), std::memory_order_release);
        ::pthread_atfork(nullptr, nullptr, [] { g_forked = true; });
    }
}

// The mapped file, or null. Only system calls map it: allocations before a process's first system call, during the
// import of the extension, are not counted.
Control* control(Call call) noexcept {
    Control* const known = g_control.load(std::memory_order_acquire);
    if (known != nullptr || call == Call::operator_new || g_looked.exchange(true)) {
        return known;
    }
    if (const char* const path = std::getenv("CALLRING_FAULTS_FILE")) {
        open(path);
    }
    return g_control.load(std::memory_order_acquire);
}

Role role_here(const Control& control) noexcept {
    if (::getpid() == control.parent) {
        return Role::parent;
    }
    if (std::string_view(program_invocation_short_name).starts_with("callring-")) {
        return Role::chip;
    }
    return g_forked ? Role::python : Role::server;
}

// Records that the site was reached.
void note(Control& control, Call call, Role role, const std::source_location& at) noexcept {
    const std::string_view file(at.file_name());
    std::size_t place = (std::hash<std::string_view>{}(file) + at.line()) % kSites;
    for (std::size_t i = 0; i < kSites; ++i, place = (place + 1) % kSites) {
        Site& site = control.sites[place];
        std::uint32_t state = site.taken.load(std::memory_order_acquire);
        if (state == 0 && site.taken.compare_exchange_strong(state, 1)) {
            site.call = static_cast<std::uint32_t>(call);
            site.line = at.line();
            file.copy(site.file.data(), site.file.size() - 1);
            site.taken.store(2, std::memory_order_release);
            state = 2;
        }
        while (state == 1) {
            state = site.taken.load(std::memory_order_acquire);
        }
        if (site.line == at.line() && site.call == static_cast<std::uint32_t>(call) && file == site.file.data()) {
            site.uses[static_cast<std::size_t>(role)].fetch_add(1, std::memory_order_relaxed);
            return;
        }
    }
}

// The offset of an address in this program or library; 0 if it lies outside.
std::uint64_t offset_here(void* address) noexcept {
    Dl_info here{};
    Dl_info there{};
    const bool known = ::dladdr(reinterpret_cast<void*>(&offset_here), &here) != 0 && ::dladdr(address, &there) != 0;
    return known && here.dli_fbase == there.dli_fbase
               ? reinterpret_cast<std::uint64_t>(address) - reinterpret_cast<std::uint64_t>(here.dli_fbase)
               : 0;
}

int next_of(Control& control, Call call, const std::source_location& at) noexcept {
    const Role role = role_here(control);
    const std::uint64_t use =
        control.uses[static_cast<std::size_t>(role)][static_cast<std::size_t>(call)].fetch_add(1) + 1;
    if (call != Call::operator_new) {
        note(control, call, role, at);
    }
    if (static_cast<std::uint32_t>(role) != control.role || static_cast<std::uint32_t>(call) != control.call ||
        use < control.first || use - control.first >= control.times) {
        return 0;
    }
    if (control.hits.fetch_add(1) == 0) {
        control.hit_process = ::getpid();
        control.hit_line = at.line();
        std::string_view(at.file_name()).copy(control.hit_file.data(), control.hit_file.size() - 1);
        std::array<void*, kStack> stack{};
        ::backtrace(stack.data(), static_cast<int>(stack.size()));
        std::transform(stack.begin(), stack.end(), control.hit_stack.begin(), &offset_here);
    }
    return control.error;
}

}  // namespace

int next(Call call, const std::source_location& at) noexcept {
    const int before = errno;
    Control* const known = control(call);
    const bool armed = known != nullptr && known->armed.load(std::memory_order_acquire) != 0;
    const int error = armed ? next_of(*known, call, at) : 0;
    errno = before;
    return error;
}

namespace {

void* allocate(std::size_t bytes, std::size_t alignment) {
    const std::size_t rounded = (std::max<std::size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
    for (;;) {
        if (next(Call::operator_new, std::source_location()) == 0) {
            void* const made =
                alignment > alignof(std::max_align_t) ? ::aligned_alloc(alignment, rounded) : ::malloc(rounded);
            if (made != nullptr) {
                if (Control* const known = g_control.load(); known != nullptr && ::getpid() == known->parent) {
                    known->blocks.fetch_add(1, std::memory_order_relaxed);
                }
                return made;
            }
        }
        const std::new_handler handler = std::get_new_handler();
        if (handler == nullptr) {
            throw std::bad_alloc();
        }
        handler();
    }
}

void free_block(void* block) noexcept {
    if (block == nullptr) {
        return;
    }
    if (Control* const known = g_control.load(); known != nullptr && ::getpid() == known->parent) {
        known->blocks.fetch_sub(1, std::memory_order_relaxed);
    }
    ::free(block);
}

}  // namespace
}  // namespace callring::faults

// Maps the file at `path`, in a process that has made no system call yet, or that has mapped an earlier file.
extern "C" [[gnu::visibility("default")]] void callring_faults_open(const char* path) {
    std::array<void*, 1> stack{};
    ::backtrace(stack.data(), 1);  // the first call loads a library
    callring::faults::open(path);
}

// NOLINTBEGIN(misc-new-delete-overloads)
void* operator new(std::size_t bytes) {
    return callring::faults::allocate(bytes, alignof(std::max_align_t));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return callring::faults::allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept {
    callring::faults::free_block(block);
}
void operator delete(void* block, std::size_t /*bytes*/) noexcept {
    callring::faults::free_block(block);
}
void operator delete(void* block, std::align_val_t /*alignment*/) noexcept {
    callring::faults::free_block(block);
}
void operator delete(void* block, std::size_t /*bytes*/, std::align_val_t /*alignment*/) noexcept {
    callring::faults::free_block(block);
}
// NOLINTEND(misc-new-delete-overloads)
