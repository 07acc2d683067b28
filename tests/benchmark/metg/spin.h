/* The work of a task: a chain of multiplications, which takes the same time whatever the compiler does around it. */
#include <stdint.h>

static inline void spin(uint64_t iterations) {
    uint64_t value = iterations;
    for (uint64_t i = 0; i < iterations; ++i) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(value)); /* the compiler must not foresee the value */
    }
}
