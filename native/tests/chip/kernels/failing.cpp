// failing: block number scalars[0] fails with code 7.
#include <callring/chip.h>

CALLRING_SIGNATURE(failing, CALLRING_SCALAR);

CALLRING_EXPORT int failing(const callring_block* block, const callring_args* args) {
    return block->index == args->scalars[0] ? 7 : 0;
}
