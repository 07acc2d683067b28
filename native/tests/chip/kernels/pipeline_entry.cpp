// pipeline_entry: fills a scratch vector with 1, adds it scalars[0] times into the output, with memory from the chip;
// a negative count makes it fail with a message of its own, count 1000 makes it launch an unknown kernel.
#include <callring/chip.h>

CALLRING_SIGNATURE(pipeline_entry, CALLRING_INOUT, CALLRING_SCALAR);

CALLRING_EXPORT int pipeline_entry(callring_chip* chip, const callring_args* args) {
    const auto count = static_cast<int64_t>(args->scalars[0]);
    if (count < 0) {
        return chip->ops->fail(chip, 3, "count is negative");
    }
    if (count == 1000) {
        return chip->ops->launch(chip, 99, 1, args);
    }
    callring_tensor scratch = args->tensors[0];
    scratch.data = chip->ops->alloc(chip, static_cast<uint64_t>(scratch.shape[0]) * sizeof(double));
    const uint64_t one = 0x3FF0000000000000U;
    const callring_args fill{&scratch, &one, 1, 1};
    if (const int code = chip->ops->launch(chip, 0, 0, &fill); code != 0) {
        return code;
    }
    const callring_tensor tensors[2] = {scratch, args->tensors[0]};
    const callring_args add{tensors, nullptr, 2, 0};
    for (int64_t i = 0; i < count; ++i) {
        if (const int code = chip->ops->launch(chip, 1, 3, &add); code != 0) {
            return code;
        }
    }
    return chip->ops->barrier(chip);
}
