// A program that the tests start. As a fork server of the engine does, it answers requests to rest on descriptor 3:
//   helper rest        answers, and ends when its parent closes the socket
//   helper chatty      the same, but sends messages about children before each answer
//   helper mute        ends at the first request to rest
// Or it forks, and writes to descriptor 3 which of the forks die with it, one character each (T: tied, F: free):
//   helper forks all|main
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <string_view>
#include <thread>

#include "control/channel.h"
#include "processes/die_with_parent.h"
#include "processes/process.h"

using namespace callring;

namespace {

int rest(std::string_view how) {
    const Channel control(UniqueFd{kControlFd});
    for (;;) {
        const auto request = control.receive(std::nullopt);
        if (!request || how == "mute") {
            return request ? 1 : 0;
        }
        for (int i = 0; how == "chatty" && i < 3; ++i) {
            static_cast<void>(control.send(header_of(Op::child_exited, 7), "0000", {}, UINT64_MAX));
        }
        MessageHeader answer = request->header;
        static_cast<void>(control.send(answer, {}, {}, UINT64_MAX));
    }
}

char fork_and_tell() {
    const pid_t pid = ::fork();
    if (pid == 0) {
        int signal = 0;
        ::prctl(PR_GET_PDEATHSIG, &signal);
        ::_exit(signal == SIGKILL ? 'T' : 'F');
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return static_cast<char>(WEXITSTATUS(status));
}

// Of a fork by the main thread, by another thread, and by the main thread of a fork in a session of its own.
int forks(std::string_view which) {
    tie_forks(which == "all" ? TiedForks::all : TiedForks::of_main_thread);
    char told[3]{};
    told[0] = fork_and_tell();
    std::thread([&] { told[1] = fork_and_tell(); }).join();
    const pid_t daemon = ::fork();  // a leader of a process group, as this process is, cannot make a session
    if (daemon == 0) {
        ::_exit(::setsid() < 0 ? '?' : fork_and_tell());
    }
    int status = 0;
    ::waitpid(daemon, &status, 0);
    told[2] = static_cast<char>(WEXITSTATUS(status));
    return ::write(kControlFd, told, sizeof told) == sizeof told ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    return argc > 2 ? forks(argv[2]) : rest(argv[1]);
}
