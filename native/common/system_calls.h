// sys: all system calls of native/. sys::mmap(...) is ::mmap(...), by a using-declaration without cost. In a build with
// CALLRING_FAULTS it is a function that can be made to fail (common/faults.h), so that tests can try every failure of
// every call. Functions that are not listed here cannot fail, or their failure does not matter: tests/faults/sources.py
// lists them with the reasons, and finds calls that bypass this file.
#pragma once

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX signal functions
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <thread>
#include <utility>

// clang-format off: one line for each call
// call(name, type of the first argument, how it reports a failure, the errors that tests inject).
// minus_one: -1 and errno; number: the error itself; null, zero: this value and errno. after: as minus_one, but only
// after the call was made: a resource that it releases is released in any case.
#define CALLRING_SYSTEM_CALLS(call)                                                             \
    call(aligned_alloc, std::size_t, null, ENOMEM)                                              \
    call(close, int, after, EIO)                                                                \
    call(dladdr1, const void*, zero, EINVAL)                                                    \
    call(dlclose, void*, after, EINVAL)                                                         \
    call(dlopen, const char*, null, ENOMEM)                                                     \
    call(dlsym, void*, null, ENOENT)                                                            \
    call(epoll_create1, int, minus_one, EMFILE, ENOMEM)                                         \
    call(epoll_ctl, int, minus_one, ENOMEM, ENOSPC)                                             \
    call(epoll_wait, int, minus_one, EINTR)                                                     \
    call(eventfd, unsigned, minus_one, EMFILE, ENOMEM)                                          \
    call(execv, const char*, minus_one, ENOMEM)                                                 \
    call(fallocate, int, minus_one, EINTR, ENOSPC)                                              \
    call(fcntl, int, minus_one, EMFILE)                                                         \
    call(fstat, int, minus_one, ENOMEM)                                                         \
    call(ftruncate, int, minus_one, EINTR, ENOSPC)                                              \
    call(getrlimit, __rlimit_resource, minus_one, EINVAL)                                       \
    call(kill, pid_t, after, ESRCH)                                                             \
    call(madvise, void*, minus_one, ENOMEM, EAGAIN)                                             \
    call(malloc, std::size_t, null, ENOMEM)                                                     \
    call(memfd_create, const char*, minus_one, EMFILE, ENOMEM)                                  \
    call(mmap, void*, minus_one, ENOMEM)                                                        \
    call(mprotect, void*, minus_one, ENOMEM)                                                    \
    call(munmap, void*, after, ENOMEM)                                                          \
    call(poll, pollfd*, minus_one, EINTR, ENOMEM)                                               \
    call(posix_spawn, pid_t*, number, ENOMEM, EAGAIN)                                           \
    call(posix_spawn_file_actions_addclosefrom_np, posix_spawn_file_actions_t*, number, ENOMEM) \
    call(posix_spawn_file_actions_adddup2, posix_spawn_file_actions_t*, number, ENOMEM)         \
    call(posix_spawn_file_actions_addopen, posix_spawn_file_actions_t*, number, ENOMEM)         \
    call(ppoll, pollfd*, minus_one, EINTR, ENOMEM)                                              \
    call(prctl, int, minus_one, EINVAL)                                                         \
    call(pread, int, minus_one, EINTR, EIO)                                                     \
    call(pthread_atfork, void (*)(), number, ENOMEM)                                            \
    call(pthread_key_create, pthread_key_t*, number, EAGAIN)                                    \
    call(pthread_setspecific, pthread_key_t, number, ENOMEM)                                    \
    call(pwrite, int, minus_one, EINTR, ENOSPC)                                                 \
    call(recvmsg, int, minus_one, EINTR, ENOMEM)                                                \
    call(sendmsg, int, minus_one, EINTR, ENOBUFS, ETOOMANYREFS)                                 \
    call(socketpair, int, minus_one, EMFILE, ENOBUFS)                                           \
    call(waitid, idtype_t, after, ECHILD)                                                       \
    call(waitpid, pid_t, after, ECHILD)                                                         \
    call(write, int, minus_one, EINTR, ENOSPC)

// The same table for system calls that have no function of their own: sys::syscall(SYS_name, ...).
#define CALLRING_NUMBERED_CALLS(call)           \
    call(futex, minus_one, EINTR)               \
    call(pidfd_open, minus_one, EMFILE, ENOMEM) \
    call(pidfd_send_signal, after, ESRCH)       \
    call(sched_getattr, minus_one, EPERM)       \
    call(sched_setattr, minus_one, EPERM)
// clang-format on

#ifdef CALLRING_FAULTS
#include "common/faulty_calls.h"
#else
namespace callring::sys {

#define CALLRING_USING(name, ...) using ::name;
CALLRING_SYSTEM_CALLS(CALLRING_USING)
#undef CALLRING_USING
using ::syscall;

// A thread that calls `work`. Throws std::system_error if the system has no more threads.
template <class Work>
[[nodiscard]] std::thread start_thread(Work&& work) {
    return std::thread(std::forward<Work>(work));
}

}  // namespace callring::sys
#endif
