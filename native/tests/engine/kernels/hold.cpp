// hold: sets the first word of its tensor when it begins, and ends when the test sets the second one.
#include <callring/chip.h>

#include <atomic>

CALLRING_SIGNATURE(hold, CALLRING_INOUT);

CALLRING_EXPORT int hold(const callring_block* block, const callring_args* args) {
    if (block->index != 0) {
        return 0;
    }
    auto* const words = static_cast<int64_t*>(args->tensors[0].data);
    std::atomic_ref<int64_t> begun(words[0]);
    std::atomic_ref<int64_t> released(words[1]);
    begun.store(1);
    while (released.load() == 0) {
        asm volatile("" ::: "memory");
    }
    return 0;
}
