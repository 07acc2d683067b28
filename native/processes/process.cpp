#include "processes/process.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "common/system_calls.h"
#include "common/system_error.h"

namespace callring {

namespace {

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    result.reserve(strings.size() + 1);
    for (const std::string& text : strings) {
        result.push_back(const_cast<char*>(text.c_str()));
    }
    result.push_back(nullptr);
    return result;
}

// The attributes and file actions of one posix_spawn, destroyed together.
struct SpawnPlan {
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
    int failed = 0;  // the error number of a failed step

    explicit SpawnPlan(int control) {
        ::posix_spawn_file_actions_init(&actions);
        for (const int error : {sys::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0),
                                sys::posix_spawn_file_actions_adddup2(&actions, control, kControlFd),
                                sys::posix_spawn_file_actions_addclosefrom_np(&actions, kControlFd + 1)}) {
            failed = failed != 0 ? failed : error;
        }
        // The spawning thread blocks all signals, and the user may ignore some; a child starts with no signal blocked
        // and none ignored: a child that ignored SIGCHLD could not wait for its own children. SIGHUP is not changed, so
        // that children of a program that survives its terminal (nohup) survive it, too.
        sigset_t none;
        sigset_t defaults;
        ::sigemptyset(&none);
        ::sigfillset(&defaults);
        ::sigdelset(&defaults, SIGHUP);
        ::posix_spawnattr_init(&attributes);
        ::posix_spawnattr_setsigmask(&attributes, &none);
        ::posix_spawnattr_setsigdefault(&attributes, &defaults);
        ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;
    ~SpawnPlan() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }
};

}  // namespace

Result<std::shared_ptr<const Process>> Process::spawn(const std::vector<std::string>& argv,
                                                      const std::vector<std::string>& environment, int control) {
    // Allocated before there is a child: no process could be left behind for want of memory.
    auto process = std::make_shared<Process>();
    // dup2 onto itself would keep close-on-exec: posix_spawn gets a descriptor other than kControlFd.
    const UniqueFd source(sys::fcntl(control, F_DUPFD_CLOEXEC, kControlFd + 1));
    if (!source.valid()) {
        return system_error("fcntl(F_DUPFD_CLOEXEC)");
    }
    const SpawnPlan plan(source.get());
    pid_t pid = -1;
    const int failed = plan.failed != 0 ? plan.failed
                                        : sys::posix_spawn(&pid, argv.front().c_str(), &plan.actions, &plan.attributes,
                                                           pointers(argv).data(), pointers(environment).data());
    if (failed != 0) {
        // The program's name without its folder: a path of this machine does not belong in a log that others read.
        const std::string call = "cannot execute " + argv.front().substr(argv.front().rfind('/') + 1);
        errno = failed;
        return system_error(call.c_str());
    }
    UniqueFd pidfd(static_cast<int>(sys::syscall(SYS_pidfd_open, pid, 0)));
    if (!pidfd.valid()) {
        // The child has ended and was reaped because this process ignores SIGCHLD: another process may have its pid.
        const int why = errno;
        if (why != ESRCH) {
            sys::kill(pid, SIGKILL);
            sys::waitpid(pid, nullptr, 0);
        }
        errno = why;
        return system_error("pidfd_open");
    }
    *process = Process(pid, std::move(pidfd));
    return std::shared_ptr<const Process>(std::move(process));
}

void Process::kill(int signal) const noexcept {
    if (pidfd_.valid()) {
        sys::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
    }
}

void Process::end_group(bool direct) const noexcept {
    constexpr unsigned kProcessGroup = 4;  // PIDFD_SIGNAL_PROCESS_GROUP, of Linux 6.9
    if (sys::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, kProcessGroup) != 0 && errno == EINVAL &&
        direct) {
        sys::kill(-pid_, SIGKILL);
    }
}

void Process::end() const noexcept {
    kill(SIGKILL);
    siginfo_t info{};
    while (sys::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0 && errno == EINTR) {
    }
}

std::optional<ExitStatus> Process::try_reap() const noexcept {
    siginfo_t info{};
    if (sys::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG) != 0) {
        return ExitStatus{};
    }
    if (info.si_pid == 0) {
        return std::nullopt;
    }
    ExitStatus status;
    status.known = true;
    if (info.si_code == CLD_EXITED) {
        status.exit_code = info.si_status;
    } else {
        status.signal = info.si_status;
    }
    return status;
}

}  // namespace callring
