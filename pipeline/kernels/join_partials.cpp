// into += from, for float32 matrices of equal shape and any stride: joins the partial results of two shards.
//
// Blocks take disjoint ranges of rows.
// Codes: 1 an argument is not a float32 matrix, 2 the shapes differ.
#include <callring/chip.h>

CALLRING_SIGNATURE(join_partials, CALLRING_INOUT, CALLRING_IN);

CALLRING_EXPORT int join_partials(const callring_block* block, const callring_args* args) {
    const callring_tensor& into = args->tensors[0];
    const callring_tensor& from = args->tensors[1];
    if (into.dtype != CALLRING_FLOAT32 || from.dtype != CALLRING_FLOAT32 || into.rank != 2 || from.rank != 2) {
        return 1;
    }
    if (into.shape[0] != from.shape[0] || into.shape[1] != from.shape[1]) {
        return 2;
    }
    auto* target = static_cast<float*>(into.data);
    const auto* source = static_cast<const float*>(from.data);
    int64_t begin = 0;
    int64_t end = 0;
    callring_block_range(block, into.shape[0], &begin, &end);
    for (int64_t row = begin; row < end; ++row) {
        for (int64_t column = 0; column < into.shape[1]; ++column) {
            target[row * into.strides[0] + column * into.strides[1]] +=
                source[row * from.strides[0] + column * from.strides[1]];
        }
    }
    return 0;
}
