// Lets a process die with its parent, together with the processes that it forks.
#pragma once

#include <sys/types.h>

#include "common/system_calls.h"

namespace callring {

// From now on this process dies (SIGKILL) with the thread of `parent` that started it, also after exec. False on
// failure, or if `parent` has already ended: no signal would come in that case.
[[nodiscard]] inline bool die_with_parent(pid_t parent) noexcept {
    return sys::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == parent;
}

// Which forks of a process die with it. The kernel kills a forked process with the thread that forked it, so only
// forks of threads that live as long as their process may be tied to it.
enum class TiedForks : bool {
    all,             // for processes in which every thread lives as long as the process
    of_main_thread,  // but not the forks of a process in its own session: daemons make one to outlive their parent
};

namespace tied_forks {
inline TiedForks which = TiedForks::all;
inline pid_t session = 0;
// The parent of the fork that this thread makes; 0: the fork is not tied.
[[gnu::tls_model("initial-exec")]] inline thread_local pid_t parent = 0;

inline void before_fork() noexcept {
    const bool tied = which == TiedForks::all || (::gettid() == ::getpid() && ::getsid(0) == session);
    parent = tied ? ::getpid() : 0;
}
inline void in_fork() noexcept {
    if (parent != 0 && !die_with_parent(parent)) {
        ::_exit(1);
    }
}
}  // namespace tied_forks

// From now on the forks of this process that `which` names, and their forks, die with it. This excludes processes of
// posix_spawn and vfork, which execute another program at once.
inline void tie_forks(TiedForks which) noexcept {
    tied_forks::which = which;
    tied_forks::session = ::getsid(0);
    sys::pthread_atfork(tied_forks::before_fork, nullptr, tied_forks::in_fork);
}

}  // namespace callring
