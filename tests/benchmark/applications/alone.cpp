// A program executed by a plain loop in the order of its tasks: the kernels' own time. A library for ctypes.
#include <sstream>

#include "program.h"

// The program in this text, on buffers that stay the caller's.
extern "C" Program* program_of(const char* text, double* const* buffers) {
    std::istringstream stream(text);
    return new Program(stream, [&](std::size_t number, std::size_t) { return buffers[number]; });
}

// Returns 0, or the code of the first kernel that failed.
extern "C" int execute(const Program* program) {
    for (const Task& task : program->tasks) {
        if (const int code = task.execute()) {
            return code;
        }
    }
    return 0;
}

extern "C" void free_program(Program* program) {
    delete program;
}
