// out = left + right for float32 vectors of any length and stride; blocks take contiguous, disjoint ranges.
//
// Codes: 1 an argument is not a float32 vector, 2 the lengths differ.
#include <callring/chip.h>

CALLRING_SIGNATURE(vector_add, CALLRING_IN, CALLRING_IN, CALLRING_OUT);

CALLRING_EXPORT int vector_add(const callring_block* block, const callring_args* args) {
    const callring_tensor& left = args->tensors[0];
    const callring_tensor& right = args->tensors[1];
    const callring_tensor& out = args->tensors[2];
    for (uint32_t i = 0; i < 3; ++i) {
        if (args->tensors[i].dtype != CALLRING_FLOAT32 || args->tensors[i].rank != 1) {
            return 1;
        }
    }
    if (left.shape[0] != out.shape[0] || right.shape[0] != out.shape[0]) {
        return 2;
    }

    const float* a = static_cast<const float*>(left.data);
    const float* b = static_cast<const float*>(right.data);
    float* c = static_cast<float*>(out.data);
    const int64_t a_stride = left.strides[0];
    const int64_t b_stride = right.strides[0];
    const int64_t c_stride = out.strides[0];

    int64_t begin = 0;
    int64_t end = 0;
    callring_block_range(block, out.shape[0], &begin, &end);
    if (a_stride == 1 && b_stride == 1 && c_stride == 1) {
        for (int64_t i = begin; i < end; ++i) {
            c[i] = a[i] + b[i];
        }
    } else {
        for (int64_t i = begin; i < end; ++i) {
            c[i * c_stride] = a[i * a_stride] + b[i * b_stride];
        }
    }
    return 0;
}
