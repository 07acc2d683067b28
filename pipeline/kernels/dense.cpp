// logits = hidden W + bias: a fully connected layer without activation, in float32.
//
// Blocks take disjoint ranges of samples. Every tensor may be strided, so that W can be a shard: some of the rows of a
// larger layer, whose partial results are then added up.
//
// Arguments: hidden [samples, units], W [units, classes], bias [classes], logits [samples, classes], all float32.
// Codes: 1 a dtype or rank is wrong, 2 the shapes do not fit.
#include <callring/chip.h>

CALLRING_SIGNATURE(dense, CALLRING_IN, CALLRING_IN, CALLRING_IN, CALLRING_OUT);

CALLRING_EXPORT int dense(const callring_block* block, const callring_args* args) {
    const callring_tensor& hidden = args->tensors[0];
    const callring_tensor& weights = args->tensors[1];
    const callring_tensor& bias = args->tensors[2];
    const callring_tensor& logits = args->tensors[3];
    for (uint32_t i = 0; i < 4; ++i) {
        if (args->tensors[i].dtype != CALLRING_FLOAT32 || args->tensors[i].rank != (i == 2 ? 1U : 2U)) {
            return 1;
        }
    }
    const int64_t units = hidden.shape[1];
    const int64_t classes = logits.shape[1];
    if (logits.shape[0] != hidden.shape[0] || weights.shape[0] != units || weights.shape[1] != classes ||
        bias.shape[0] != classes) {
        return 2;
    }

    const auto* h = static_cast<const float*>(hidden.data);
    const auto* w = static_cast<const float*>(weights.data);
    const auto* b = static_cast<const float*>(bias.data);
    auto* out = static_cast<float*>(logits.data);

    int64_t begin = 0;
    int64_t end = 0;
    callring_block_range(block, hidden.shape[0], &begin, &end);
    for (int64_t sample = begin; sample < end; ++sample) {
        for (int64_t label = 0; label < classes; ++label) {
            float sum = b[label * bias.strides[0]];
            for (int64_t unit = 0; unit < units; ++unit) {
                sum += h[sample * hidden.strides[0] + unit * hidden.strides[1]] *
                       w[unit * weights.strides[0] + label * weights.strides[1]];
            }
            out[sample * logits.strides[0] + label * logits.strides[1]] = sum;
        }
    }
    return 0;
}
