// accumulate: into[i] += from[i], in parallel blocks.
#include <callring/chip.h>

CALLRING_SIGNATURE(accumulate, CALLRING_IN, CALLRING_INOUT);

CALLRING_EXPORT int accumulate(const callring_block* block, const callring_args* args) {
    int64_t begin = 0;
    int64_t end = 0;
    callring_block_range(block, args->tensors[0].shape[0], &begin, &end);
    for (int64_t i = begin; i < end; ++i) {
        static_cast<double*>(args->tensors[1].data)[i] += static_cast<const double*>(args->tensors[0].data)[i];
    }
    return 0;
}
