// callring-start PARENT PROGRAM [ARGUMENT...]: executes PROGRAM, an absolute path. The program dies with the process
// PARENT, from its first instruction on.
#include <cstdio>
#include <cstdlib>

#include "common/system_calls.h"
#include "processes/die_with_parent.h"

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fputs("callring-start is started by a Worker, not by hand\n", stderr);
        return 2;
    }
    if (!callring::die_with_parent(static_cast<pid_t>(std::strtol(argv[1], nullptr, 10)))) {
        return 1;  // the parent has ended, or prctl failed
    }
    callring::sys::execv(argv[2], argv + 2);
    std::perror(argv[2]);
    return 127;
}
