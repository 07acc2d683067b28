// Lets each use of each system call in a piece of work fail once. This program is built with CALLRING_FAULTS: the
// core's calls ask faults::next(), which is defined here, whether to fail.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <vector>

#include "common/result.h"
#include "common/system_calls.h"

namespace callring::test {

// A piece of work from its begin to its end: everything that it makes is gone when it returns.
using Work = std::function<Result<void>()>;

// Does `work` without a failure, and then once for each use of each system call, which then fails with each of the
// errors of common/system_calls.h. Checks each time that
//   - it succeeds, or ends with an error that has a message and one of `codes`;
//   - it succeeds if the call was only interrupted by a signal (EINTR);
//   - no descriptor, no shared memory, no thread and no child process is left.
void fail_each_call(const Work& work,
                    const std::vector<Code>& codes = {Code::io, Code::out_of_memory, Code::out_of_descriptors});

}  // namespace callring::test
