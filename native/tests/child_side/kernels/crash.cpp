// crash: block scalars[1] of a launch raises the signal scalars[0].
#include <callring/chip.h>

#include <csignal>

CALLRING_SIGNATURE(crash, CALLRING_SCALAR, CALLRING_SCALAR);

CALLRING_EXPORT int crash(const callring_block* block, const callring_args* args) {
    if (block->index == args->scalars[1]) {
        std::raise(static_cast<int>(args->scalars[0]));
    }
    return 0;
}
