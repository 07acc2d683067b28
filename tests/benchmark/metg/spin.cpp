// The work of a task as a library, for tasks that are Python functions.
#include "spin.h"

extern "C" void spin_for(uint64_t iterations) {
    spin(iterations);
}
