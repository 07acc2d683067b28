// The Error of a system call that failed just now, from errno.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

#include "common/result.h"

namespace callring {

// Code::out_of_memory where the machine has no more to give, Code::io otherwise.
[[nodiscard]] inline Error system_error(const char* call) {
    const Code code = errno == ENOMEM || errno == ENOSPC ? Code::out_of_memory : Code::io;
    return {code, std::string(call) + ": " + std::strerror(errno)};
}

}  // namespace callring
