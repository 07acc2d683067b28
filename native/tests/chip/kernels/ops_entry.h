// What kernels/ops_entry.cpp does, by scalars[0].
#pragma once

#include <cstdint>

namespace callring::test {

enum class Use : std::uint64_t {
    launch_unknown_and_go_on,
    launch_without_arguments_and_go_on,
    launch_rank_9,
    launch_unknown_dtype,
    allocate,
    describe,
    ignore_failed_kernel,
    fail_after_failed_kernel,
    fail_twice,
    fail_without_message,
    launch_and_return,
    log,
};

}  // namespace callring::test
