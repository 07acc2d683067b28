// ops_entry: an orchestration function that uses the chip's operations in the way that scalars[0] names, and writes
// what they return into its tensor. Its kernels: 0 is fill, 1 is failing.
#include "ops_entry.h"

#include <callring/chip.h>

namespace {

using callring::test::Use;

int launch_fill(callring_chip* chip, const callring_tensor& tensor, double value) {
    union {
        double value;
        uint64_t bits;
    } scalar{value};
    callring_tensor copy = tensor;
    const callring_args args{&copy, &scalar.bits, 1, 1};
    const int code = chip->ops->launch(chip, 0, 0, &args);
    copy.data = nullptr;  // the arguments were copied
    scalar.bits = 0;
    return code;
}

int launch_failing(callring_chip* chip, uint64_t block) {
    const callring_args args{nullptr, &block, 0, 1};
    return chip->ops->launch(chip, 1, 4, &args);
}

// Three allocations, also of no bytes: aligned, zeroed and apart.
double allocations_are_good(callring_chip* chip) {
    const uint64_t sizes[3] = {0, 1, 1000};
    unsigned char* memory[3] = {};
    for (int i = 0; i < 3; ++i) {
        memory[i] = static_cast<unsigned char*>(chip->ops->alloc(chip, sizes[i]));
        if (memory[i] == nullptr || reinterpret_cast<uintptr_t>(memory[i]) % 64 != 0) {
            return 0;
        }
        for (uint64_t byte = 0; byte < sizes[i]; ++byte) {
            if (memory[i][byte] != 0) {
                return 0;
            }
            memory[i][byte] = 0xFF;  // not seen by the next allocation
        }
    }
    return memory[0] != memory[1] && memory[1] != memory[2] ? 1 : 0;
}

}  // namespace

CALLRING_EXPORT int ops_entry(callring_chip* chip, const callring_args* args) {
    const callring_tensor& tensor = args->tensors[0];
    auto* out = static_cast<double*>(tensor.data);
    switch (static_cast<Use>(args->scalars[0])) {
        case Use::launch_unknown_and_go_on:
            out[0] = chip->ops->launch(chip, 99, 1, args);
            return 0;
        case Use::launch_without_arguments_and_go_on: {
            const callring_args none{};
            out[0] = chip->ops->launch(chip, 0, 1, &none);
            return 0;
        }
        case Use::launch_rank_9: {
            callring_tensor wrong = tensor;
            wrong.rank = 9;
            out[0] = launch_fill(chip, wrong, 1);
            return 0;
        }
        case Use::launch_unknown_dtype: {
            callring_tensor wrong = tensor;
            wrong.dtype = 13;
            out[0] = launch_fill(chip, wrong, 1);
            return 0;
        }
        case Use::allocate:
            out[0] = allocations_are_good(chip);
            out[1] = chip->ops->alloc(chip, UINT64_MAX) == nullptr ? 1 : 0;
            out[2] = chip->ops->alloc(chip, UINT64_MAX - 63) == nullptr ? 1 : 0;
            return 0;
        case Use::describe:
            out[0] = chip->abi_version;
            out[1] = chip->block_count;
            out[2] = chip->ops->core_count(chip);
            return 0;
        case Use::ignore_failed_kernel:
            out[0] = launch_failing(chip, 2);
            out[1] = chip->ops->barrier(chip);
            out[2] = chip->ops->barrier(chip);
            return 0;
        case Use::fail_after_failed_kernel:
            launch_failing(chip, 2);
            return chip->ops->fail(chip, 5, "a kernel failed");
        case Use::fail_twice:
            static_cast<void>(chip->ops->fail(chip, 3, "first"));
            return chip->ops->fail(chip, 4, "second");
        case Use::fail_without_message:
            return chip->ops->fail(chip, -7, nullptr);
        case Use::launch_and_return: {
            callring_tensor scratch = tensor;
            scratch.data = chip->ops->alloc(chip, static_cast<uint64_t>(tensor.shape[0]) * sizeof(double));
            return launch_fill(chip, scratch, 1) + launch_fill(chip, tensor, 8);
        }
        case Use::log:
            chip->ops->log(chip, 0, "zero");
            chip->ops->log(chip, 2, "two");
            chip->ops->log(chip, 99, "more");
            return 0;
    }
    return 1;
}
