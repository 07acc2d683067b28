// hidden = max(0, scale * images W + bias): a fully connected layer on 8-bit images, with ReLU.
//
// Blocks take disjoint ranges of images. Every tensor may be strided, so that W and bias can be a shard: some of the
// columns of a larger layer.
//
// Arguments: images uint8 [samples, inputs], W float32 [inputs, units], bias float32 [units],
// hidden float32 [samples, units], scale (double).
// Codes: 1 a dtype or rank is wrong, 2 the shapes do not fit.
#include <callring/chip.h>

CALLRING_SIGNATURE(dense_relu, CALLRING_IN, CALLRING_IN, CALLRING_IN, CALLRING_OUT, CALLRING_SCALAR);

namespace {

bool is(const callring_tensor& tensor, uint32_t dtype, uint32_t rank) {
    return tensor.dtype == dtype && tensor.rank == rank;
}

}  // namespace

CALLRING_EXPORT int dense_relu(const callring_block* block, const callring_args* args) {
    const callring_tensor& images = args->tensors[0];
    const callring_tensor& weights = args->tensors[1];
    const callring_tensor& bias = args->tensors[2];
    const callring_tensor& hidden = args->tensors[3];
    if (!is(images, CALLRING_UINT8, 2) || !is(weights, CALLRING_FLOAT32, 2) || !is(bias, CALLRING_FLOAT32, 1) ||
        !is(hidden, CALLRING_FLOAT32, 2)) {
        return 1;
    }
    const int64_t inputs = images.shape[1];
    const int64_t units = hidden.shape[1];
    if (hidden.shape[0] != images.shape[0] || weights.shape[0] != inputs || weights.shape[1] != units ||
        bias.shape[0] != units) {
        return 2;
    }

    const auto scale = static_cast<float>(callring_scalar_f64(args->scalars[0]));
    const auto* pixels = static_cast<const uint8_t*>(images.data);
    const auto* w = static_cast<const float*>(weights.data);
    const auto* b = static_cast<const float*>(bias.data);
    auto* out = static_cast<float*>(hidden.data);

    int64_t begin = 0;
    int64_t end = 0;
    callring_block_range(block, images.shape[0], &begin, &end);
    for (int64_t sample = begin; sample < end; ++sample) {
        for (int64_t unit = 0; unit < units; ++unit) {
            float sum = 0.0F;
            for (int64_t input = 0; input < inputs; ++input) {
                const uint8_t pixel = pixels[sample * images.strides[0] + input * images.strides[1]];
                sum += static_cast<float>(pixel) * w[input * weights.strides[0] + unit * weights.strides[1]];
            }
            const float value = scale * sum + b[unit * bias.strides[0]];
            out[sample * hidden.strides[0] + unit * hidden.strides[1]] = value > 0.0F ? value : 0.0F;
        }
    }
    return 0;
}
