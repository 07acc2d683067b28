// BlockAtWork: what the calling thread executes of a kernel, for the handler of a signal that kills it.
#pragma once

#include <cstdint>

namespace callring::chip {

struct BlockAtWork {
    const char* kernel = nullptr;  // null: no kernel
    std::uint32_t block = 0;
};

// Written around each block, before and after a call that the compiler cannot see into.
extern constinit thread_local BlockAtWork block_at_work;

}  // namespace callring::chip
