#include "child_side/crash_note.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "chip/block_at_work.h"

namespace callring {

namespace {

// Set before a handler is installed, and constant from then on.
CrashNote* g_note = nullptr;
pid_t g_process = 0;  // a forked process has no lane

void on_crash(int signal, siginfo_t* info, void* /*context*/) {
    const chip::BlockAtWork at = chip::block_at_work;
    const bool own = info->si_code > 0 || (info->si_code == SI_TKILL && info->si_pid == g_process);
    std::uint32_t before = CrashNote::kNone;
    if (own && at.kernel != nullptr && ::getpid() == g_process &&
        g_note->state.compare_exchange_strong(before, CrashNote::kBegun, std::memory_order_relaxed)) {
        g_note->block = at.block;
        const std::size_t length = std::min(std::strlen(at.kernel), g_note->kernel.size());
        std::memcpy(g_note->kernel.data(), at.kernel, length);
        g_note->state.store(CrashNote::kWhole, std::memory_order_release);
    }
    ::raise(signal);  // the handler is not installed any more: the process ends as without it
}

}  // namespace

void note_crashes(CrashNote& note) noexcept {
    g_note = &note;
    g_process = ::getpid();
    struct sigaction action{};
    action.sa_sigaction = on_crash;
    action.sa_flags = static_cast<int>(SA_SIGINFO | SA_RESETHAND | SA_NODEFER);
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) {
        struct sigaction present{};
        if (::sigaction(signal, nullptr, &present) == 0 && present.sa_handler == SIG_DFL) {
            static_cast<void>(::sigaction(signal, &action, nullptr));  // fails only for a number that is no signal
        }
    }
}

}  // namespace callring
