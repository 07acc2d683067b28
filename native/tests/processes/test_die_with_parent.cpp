// callring-start, the program that starts all others, and processes that die with their parent.
#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <thread>

#include "tests/processes/shell.h"

using namespace callring;
using namespace callring::test;

namespace {

const std::string kParent = std::to_string(::getpid());

}  // namespace

TEST_CASE("the starter executes its program, with the program's path as the first argument and the others behind it") {
    const Program program(
        {START_PROGRAM, kParent, "/bin/sh", "-c", "echo \"$0 $1 $#\" >&3; exit 9", "zero", "one two"});
    CHECK(program.said() == "zero one two 1\n");
    CHECK(program.wait().exit_code == 9);
}

TEST_CASE("the process keeps its id, and dies with the process that started it from its first instruction on") {
    const Program program({START_PROGRAM, kParent, HELPER, "rest"});
    std::array<char, 1> byte{};
    CHECK(::recv(program.here.get(), byte.data(), 1, MSG_DONTWAIT) == -1);  // it runs
    program.process->kill(SIGTERM);
    CHECK(program.wait().signal == SIGTERM);
}

TEST_CASE("a process dies with the thread that started it") {
    const auto start = [](const std::string& parent) {
        std::unique_ptr<Program> program;
        std::thread([&] {
            program = std::make_unique<Program>(std::vector<std::string>{START_PROGRAM, parent, "/bin/sh", "-c",
                                                                         "echo begun >&3; read line <&3; exit 5"});
            std::array<char, 6> begun{};
            static_cast<void>(::recv(program->here.get(), begun.data(), begun.size(), MSG_WAITALL));
        }).join();
        return program;
    };
    CHECK(start(kParent)->wait().signal == SIGKILL);
}

TEST_CASE("a process whose parent is another one than the named one ends without executing the program") {
    for (const char* parent : {"1", "0", "999999999", "none"}) {
        const Program program({START_PROGRAM, parent, "/bin/sh", "-c", "echo executed >&3"});
        CHECK(program.said().empty());
        CHECK(program.wait().exit_code == 1);
    }
}

TEST_CASE("a starter without a program says that people do not start it, and one that finds no program says which") {
    const Shell without("exec " START_PROGRAM " 2>&3");
    CHECK(without.said() == "callring-start is started by a Worker, not by hand\n");
    CHECK(without.wait().exit_code == 2);
    const Shell missing("exec " START_PROGRAM " " + kParent + " /nowhere/program 2>&3");
    CHECK(missing.said() == "/nowhere/program: No such file or directory\n");
    CHECK(missing.wait().exit_code == 127);
}

TEST_CASE("all forks of a process die with it, or only those of its main thread in its own session") {
    const Program all({HELPER, "forks", "all"});
    CHECK(all.said() == "TTT");
    CHECK(all.wait().exit_code == 0);
    const Program main_only({HELPER, "forks", "main"});
    CHECK(main_only.said() == "TFF");
    CHECK(main_only.wait().exit_code == 0);
}
