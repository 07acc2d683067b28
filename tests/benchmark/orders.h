// How a native peer answers an order: with the seconds by the clock and of processor time that its execution spent.
#pragma once

#include <time.h>

#include <iomanip>
#include <iostream>

inline double seconds(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Does the work, and writes the answer.
template <typename Work>
void answer(Work&& work) {
    const double wall = seconds(CLOCK_MONOTONIC);
    const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    work();
    std::cout << std::setprecision(12) << seconds(CLOCK_MONOTONIC) - wall << ' '
              << seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu << std::endl;
}
