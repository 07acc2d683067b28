// fill: out[i] = value, in parallel blocks.
#include <callring/chip.h>

CALLRING_SIGNATURE(fill, CALLRING_OUT, CALLRING_SCALAR);

CALLRING_EXPORT int fill(const callring_block* block, const callring_args* args) {
    int64_t begin = 0;
    int64_t end = 0;
    callring_block_range(block, args->tensors[0].shape[0], &begin, &end);
    for (int64_t i = begin; i < end; ++i) {
        static_cast<double*>(args->tensors[0].data)[i] = callring_scalar_f64(args->scalars[0]);
    }
    return 0;
}
