// The Error of a system call that failed just now, from errno.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "common/result.h"

namespace callring {

// What raises the number of descriptors that a process may have; for messages.
inline constexpr const char* kMoreDescriptors = "raise the limit of open files (ulimit -n)";

// Code::out_of_memory and Code::out_of_descriptors where there is no more to be had, Code::io otherwise.
[[nodiscard]] inline Error system_error(const char* call) {
    const int number = errno;
    std::string message = std::string(call) + ": " + std::strerror(number);
    if (number == EMFILE || number == ENFILE || number == ETOOMANYREFS) {
        return {Code::out_of_descriptors, std::move(message) + "; " + kMoreDescriptors};
    }
    const bool memory = number == ENOMEM || number == ENOSPC || number == ENOBUFS;
    return {memory ? Code::out_of_memory : Code::io, std::move(message)};
}

}  // namespace callring
