// An eventfd that wakes one thread, or all threads that watch it. Both calls always succeed: Callring's eventfds do not
// block, and their counters never reach the limit.
#pragma once

#include <sys/eventfd.h>

namespace callring {

inline void raise_event(int fd) noexcept {
    [[maybe_unused]] const int raised = ::eventfd_write(fd, 1);
}

inline void clear_event(int fd) noexcept {
    eventfd_t count = 0;
    [[maybe_unused]] const int cleared = ::eventfd_read(fd, &count);
}

}  // namespace callring
