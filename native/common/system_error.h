// The Error of the last failed system call, from errno.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "common/result.h"

namespace callring {

// For messages: how to raise the limit of descriptors.
inline constexpr const char* kMoreDescriptors = "raise the limit of open files (ulimit -n)";

// Code::out_of_memory or Code::out_of_descriptors if the call failed for lack of these, else Code::io.
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
