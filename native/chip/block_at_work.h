// BlockAtWork: the kernel and the block that the calling thread executes, for the handler of a signal that kills the
// process.
#pragma once

#include <cstdint>

namespace callring::chip {

struct BlockAtWork {
    const char* kernel = nullptr;  // null: no kernel
    std::uint32_t block = 0;
};

// Written before and after the call of each block. The compiler cannot see into that call, and so keeps both writes.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local BlockAtWork block_at_work;

}  // namespace callring::chip
