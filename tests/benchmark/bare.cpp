// Measures what the machine itself allows between two processes, without Callring: the futex wake-up of a sleeping
// process, and the round trip between two spinning processes. Prints the two medians in microseconds.
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

struct Shared {
    alignas(64) std::atomic<std::uint32_t> asked;
    alignas(64) std::atomic<std::uint32_t> answered;
};

double now_us() {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void answer_all(Shared& shared, std::uint32_t count, bool sleeps) {
    for (std::uint32_t i = 1; i <= count; ++i) {
        while (shared.asked.load() < i) {
            if (sleeps) {
                ::syscall(SYS_futex, &shared.asked, FUTEX_WAIT, i - 1, nullptr, nullptr, 0);
            }
        }
        shared.answered.store(i);
    }
}

double median_of(std::uint32_t count, bool sleeps) {
    auto& shared = *static_cast<Shared*>(
        ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    if (::fork() == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        answer_all(shared, count, sleeps);
        ::_exit(0);
    }
    std::vector<double> durations;
    for (std::uint32_t i = 1; i <= count; ++i) {
        if (sleeps) {
            ::usleep(2000);
        }
        const double begin = now_us();
        shared.asked.store(i);
        if (sleeps) {
            ::syscall(SYS_futex, &shared.asked, FUTEX_WAKE, 1, nullptr, nullptr, 0);
        }
        while (shared.answered.load() < i) {
        }
        durations.push_back(now_us() - begin);
    }
    std::nth_element(durations.begin(), durations.begin() + count / 2, durations.end());
    return durations[count / 2];
}

}  // namespace

int main(int, char** argv) {
    const auto count = static_cast<std::uint32_t>(std::atoi(argv[1]));
    std::printf("%f %f\n", median_of(std::max(count / 10, 10U), true), median_of(count, false));
}
