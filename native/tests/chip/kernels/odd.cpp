// Kernels with unusual symbols, for the tests of the loader.
#include <callring/chip.h>

namespace {
int g_calls = 0;
}  // namespace

// Returns how often this loaded library was called.
CALLRING_EXPORT int counting(const callring_block*, const callring_args*) {
    return ++g_calls;
}

CALLRING_EXPORT const uint32_t callring_signature_other_version[];
const uint32_t callring_signature_other_version[] = {CALLRING_CHIP_ABI_VERSION + 1, CALLRING_IN};
CALLRING_EXPORT int other_version(const callring_block*, const callring_args*) {
    return 0;
}

CALLRING_EXPORT const uint32_t callring_signature_no_direction[];
const uint32_t callring_signature_no_direction[] = {CALLRING_CHIP_ABI_VERSION, CALLRING_IN, 4};
CALLRING_EXPORT int no_direction(const callring_block*, const callring_args*) {
    return 0;
}

CALLRING_SIGNATURE(no_arguments);
CALLRING_EXPORT int no_arguments(const callring_block*, const callring_args*) {
    return 0;
}
