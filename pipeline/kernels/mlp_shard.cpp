// One chip's share of a two-layer network: its columns of the first layer, and what they contribute to the logits.
//
// The hidden activations stay on the chip. The second launch reads what the first writes, so the chip runs it after
// the first without being told.
//
// Arguments: images uint8 [samples, inputs], W1 shard float32 [inputs, units], b1 shard [units], W2 shard
// [units, classes], b2 [classes] (the bias on one shard, zeros on the others), partial logits [samples, classes],
// scale of the pixels (double).
// Codes: 1 an argument has the wrong rank, 2 no memory for the hidden activations; else the code of the launch.
#include <callring/chip.h>

CALLRING_SIGNATURE(mlp_shard, CALLRING_IN, CALLRING_IN, CALLRING_IN, CALLRING_IN, CALLRING_IN, CALLRING_OUT,
                   CALLRING_SCALAR);

namespace {

// func_ids: the order of the kernels in the callable's declaration.
constexpr uint32_t kDenseRelu = 0;
constexpr uint32_t kDense = 1;

}  // namespace

CALLRING_EXPORT int mlp_shard(callring_chip* chip, const callring_args* args) {
    const callring_tensor& images = args->tensors[0];
    const callring_tensor& w1 = args->tensors[1];
    if (images.rank != 2 || w1.rank != 2) {
        return chip->ops->fail(chip, 1, "images and W1 must be matrices");
    }
    const int64_t samples = images.shape[0];
    const int64_t units = w1.shape[1];

    callring_tensor hidden = {};
    hidden.dtype = CALLRING_FLOAT32;
    hidden.rank = 2;
    hidden.shape[0] = samples;
    hidden.shape[1] = units;
    hidden.strides[0] = units;
    hidden.strides[1] = 1;
    hidden.data = chip->ops->alloc(chip, static_cast<uint64_t>(samples * units) * sizeof(float));
    if (hidden.data == nullptr) {
        return chip->ops->fail(chip, 2, "no memory for the hidden activations");
    }

    const callring_tensor first[] = {images, w1, args->tensors[2], hidden};
    const callring_args first_args = {first, args->scalars, 4, 1};
    if (const int code = chip->ops->launch(chip, kDenseRelu, chip->block_count, &first_args); code != 0) {
        return code;
    }
    const callring_tensor second[] = {hidden, args->tensors[3], args->tensors[4], args->tensors[5]};
    const callring_args second_args = {second, nullptr, 4, 0};
    return chip->ops->launch(chip, kDense, chip->block_count, &second_args);
}
