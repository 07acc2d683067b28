// Lets a process die with its parent, together with the processes that it forks.
#pragma once

#include <sys/types.h>

#include "common/system_calls.h"

namespace callring {

// From now on this process dies (SIGKILL) with the thread of `parent` that started it, also after exec. False on
// failure, or if `parent` has ended already: then no signal would come.
[[nodiscard]] inline bool die_with_parent(pid_t parent) noexcept {
    return sys::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == parent;
}

// The forks of a process that die with it. The kernel kills a forked process with the thread that forked it, so only
// forks of threads that live as long as their process may be tied to it.
enum class TiedForks : bool {
    all,             // every thread lives as long as the process
    of_main_thread,  // unless they make their own session, which says that a program outlives its parent
};

namespace tied_forks {
inline TiedForks which = TiedForks::all;
inline pid_t session = 0;
inline thread_local pid_t parent = 0;  // the parent of the fork that this thread makes; 0: the fork is not tied

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

// From now on the forks of this process, and their forks, die with it. This excludes processes of posix_spawn and
// vfork, which execute another program at once.
inline void tie_forks(TiedForks which) noexcept {
    tied_forks::which = which;
    tied_forks::session = ::getsid(0);
    sys::pthread_atfork(tied_forks::before_fork, nullptr, tied_forks::in_fork);
}

}  // namespace callring
