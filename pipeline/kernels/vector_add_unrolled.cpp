// The same sum as vector_add, eight elements a step: a variant with the same signature, to be exchanged in a sweep.
//
// Codes: 1 an argument is not a contiguous float32 vector, 2 the lengths differ.
#include <callring/chip.h>

CALLRING_SIGNATURE(vector_add_unrolled, CALLRING_IN, CALLRING_IN, CALLRING_OUT);

CALLRING_EXPORT int vector_add_unrolled(const callring_block* block, const callring_args* args) {
    const int64_t size = args->tensors[2].shape[0];
    for (uint32_t i = 0; i < 3; ++i) {
        const callring_tensor& tensor = args->tensors[i];
        if (tensor.dtype != CALLRING_FLOAT32 || tensor.rank != 1 || (tensor.shape[0] > 1 && tensor.strides[0] != 1)) {
            return 1;
        }
        if (tensor.shape[0] != size) {
            return 2;
        }
    }

    // The compiler may assume that the three do not overlap: the graph orders tasks whose bytes do.
    const float* __restrict a = static_cast<const float*>(args->tensors[0].data);
    const float* __restrict b = static_cast<const float*>(args->tensors[1].data);
    float* __restrict c = static_cast<float*>(args->tensors[2].data);

    constexpr int64_t kStep = 8;
    int64_t i = 0;
    int64_t end = 0;
    callring_block_range(block, size, &i, &end);
    for (; i + kStep <= end; i += kStep) {
        for (int64_t lane = 0; lane < kStep; ++lane) {
            c[i + lane] = a[i + lane] + b[i + lane];
        }
    }
    for (; i < end; ++i) {
        c[i] = a[i] + b[i];
    }
    return 0;
}
