// The encoded form of a task's arguments, for tests.
#pragma once

#include <cstddef>
#include <vector>

#include "lane/frame.h"
#include "memory/task_args.h"

namespace callring {

inline std::vector<std::byte> encoded(const TaskArgs& args) {
    std::vector<std::byte> blob(argument_bytes(args));
    encode_arguments(args, blob);
    return blob;
}

}  // namespace callring
