// Every decoder against its seeds and some thousand mutations of them, with any compiler: `python -m tests.fuzz` runs
// the same decoders under libFuzzer, for millions.
#include <doctest/doctest.h>

#include <string>

#include "tests/fuzz/harness.h"
#include "tests/fuzz/mutate.h"

using namespace callring::fuzz;

TEST_CASE("every decoder survives its seeds, cut anywhere, and their mutations") {
    constexpr int kMutations = 20'000;
    for (const Harness& harness : harnesses()) {
        CAPTURE(std::string(harness.name));
        const std::vector<Bytes> seeds = harness.seeds();
        REQUIRE_FALSE(seeds.empty());
        harness.run({});
        for (const Bytes& seed : seeds) {
            for (std::size_t size = 0; size <= seed.size(); ++size) {
                harness.run(Bytes(seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(size)));
            }
        }
        Mutator mutator(1);
        for (int i = 0; i < kMutations; ++i) {
            harness.run(mutator.mutate(seeds));
        }
    }
}
