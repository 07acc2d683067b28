/* The C ABI between Callring chips and the code that runs on them: the only header that a kernel author includes.
 *
 * A chip callable consists of kernels and, optionally, an orchestration function. The orchestration function runs
 * on the chip's main thread and launches kernels; the blocks of a launch run spread over the chip's cores. Launches
 * are ordered by their tensor arguments exactly as tasks are on the host: a launch waits for earlier launches whose
 * bytes it reads or overwrites (directions come from the kernel's declared signature), and for nothing else.
 *
 * Everything here is plain C, usable from C (C11) and C++. The layout is versioned by CALLRING_CHIP_ABI_VERSION; a
 * chip refuses a binary that was built against another version. */
#ifndef CALLRING_CHIP_H
#define CALLRING_CHIP_H

#include <stdint.h>

#ifdef __cplusplus
#define CALLRING_EXTERN_C extern "C"
#else
#define CALLRING_EXTERN_C extern
#endif

/* Marks what the chip looks up by name: kernels and orchestration functions. */
#define CALLRING_EXPORT CALLRING_EXTERN_C __attribute__((visibility("default")))

#define CALLRING_CHIP_ABI_VERSION 1u
#define CALLRING_MAX_RANK 8u

/* Element types of tensors. The numbers are part of the ABI. */
enum callring_dtype {
    CALLRING_BOOL = 0,
    CALLRING_INT8 = 1,
    CALLRING_UINT8 = 2,
    CALLRING_INT16 = 3,
    CALLRING_UINT16 = 4,
    CALLRING_INT32 = 5,
    CALLRING_UINT32 = 6,
    CALLRING_INT64 = 7,
    CALLRING_UINT64 = 8,
    CALLRING_FLOAT16 = 9,
    CALLRING_FLOAT32 = 10,
    CALLRING_FLOAT64 = 11,
    CALLRING_BFLOAT16 = 12
};

/* Directions in a signature. The numbers are part of the identity (signature schema hash). */
enum callring_direction { CALLRING_SCALAR = 0, CALLRING_IN = 1, CALLRING_OUT = 2, CALLRING_INOUT = 3 };

/* A view of memory that the chip can address. Strides count elements, not bytes; entries beyond rank are zero. */
typedef struct callring_tensor {
    void* data;
    uint32_t dtype; /* enum callring_dtype */
    uint32_t rank;  /* 0 .. CALLRING_MAX_RANK */
    int64_t shape[CALLRING_MAX_RANK];
    int64_t strides[CALLRING_MAX_RANK];
} callring_tensor;

/* The arguments of a call: tensors in signature order, scalars in signature order. A scalar is 64 raw bits: an
 * integer, or the bit pattern of a double (callring_scalar_f64). */
typedef struct callring_args {
    const callring_tensor* tensors;
    const uint64_t* scalars;
    uint32_t tensor_count;
    uint32_t scalar_count;
} callring_args;

/* Where one invocation of a kernel stands in its launch. */
typedef struct callring_block {
    uint32_t index;         /* 0 .. count - 1 */
    uint32_t count;         /* blocks in this launch */
    uint32_t core;          /* the core that executes this block */
    uint32_t reserved;      /* zero */
    void* scratch;          /* private to the block while it runs, 64-byte aligned, contents undefined */
    uint64_t scratch_bytes; /* at least 65536 */
} callring_block;

/* A kernel. Returns 0, or a code that reaches the user as ChipError with this block's index. */
typedef int (*callring_kernel_fn)(const callring_block* block, const callring_args* args);

typedef struct callring_chip callring_chip;

/* What an orchestration function can ask of the chip. Every function may be called only from the thread that runs
 * the orchestration function, and only until it returns. */
typedef struct callring_chip_ops {
    /* Enqueues `blocks` invocations of the kernel with this func_id; `blocks` 0 means one per core. The arguments
     * are copied. Returns 0, or non-zero (unknown func_id, or arguments that contradict the kernel's signature),
     * in which case the call has failed and the orchestration function should return. */
    int (*launch)(callring_chip* chip, uint32_t func_id, uint32_t blocks, const callring_args* args);
    /* Zeroed memory, 64-byte aligned, that lives until the last launch of this call has ended. NULL if there is none.
     */
    void* (*alloc)(callring_chip* chip, uint64_t bytes);
    /* Returns when every launch so far has ended: 0, or the code of the first that failed. */
    int (*barrier)(callring_chip* chip);
    uint32_t (*core_count)(callring_chip* chip);
    /* Writes one line to the chip's log. Level: 0 debug, 1 info, 2 warning, 3 error. */
    void (*log)(callring_chip* chip, uint32_t level, const char* message);
    /* Records why this call fails and returns `code`, so that one can write `return ops->fail(chip, 3, "why")`. */
    int (*fail)(callring_chip* chip, int code, const char* message);
} callring_chip_ops;

struct callring_chip {
    uint32_t abi_version; /* CALLRING_CHIP_ABI_VERSION of the chip */
    uint32_t block_count; /* the caller's configured block count, 0 if it left the choice to the callable */
    const callring_chip_ops* ops;
    void* state; /* the chip's own */
};

/* An orchestration function. Returns 0, or a code that reaches the user as ChipError. */
typedef int (*callring_entry_fn)(callring_chip* chip, const callring_args* args);

/* Declares the signature of an exported kernel or entry beside its definition, for instance
 *     CALLRING_SIGNATURE(vector_add, CALLRING_IN, CALLRING_IN, CALLRING_OUT);
 * The toolchain and the chip compare it with the declared signature and refuse a contradiction. */
#define CALLRING_SIGNATURE(name, ...)                           \
    CALLRING_EXPORT const uint32_t callring_signature_##name[]; \
    const uint32_t callring_signature_##name[] = {CALLRING_CHIP_ABI_VERSION, __VA_ARGS__}

/* The double whose bits a scalar argument carries. */
static inline double callring_scalar_f64(uint64_t bits) {
    union {
        uint64_t bits;
        double value;
    } cast;
    cast.bits = bits;
    return cast.value;
}

/* The half-open range [*begin, *end) of `total` items that a block handles: contiguous, differing by at most one. */
static inline void callring_block_range(const callring_block* block, int64_t total, int64_t* begin, int64_t* end) {
    const int64_t share = total / (int64_t)block->count;
    const int64_t extra = total % (int64_t)block->count;
    const int64_t index = (int64_t)block->index;
    *begin = index * share + (index < extra ? index : extra);
    *end = *begin + share + (index < extra ? 1 : 0);
}

#endif /* CALLRING_CHIP_H */
