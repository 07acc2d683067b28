// Failing system calls while binaries are loaded and core threads are started.
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "chip/cores.h"
#include "chip/loader.h"
#include "tests/failing_calls/failing.h"

using namespace callring;
using namespace callring::test;

namespace {

std::vector<std::byte> odd_kernels() {
    std::ifstream file(KERNEL_ODD, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

int count(const callring_block* /*block*/, const callring_args* args) {
    ++*reinterpret_cast<int*>(args->scalars[0]);
    return 0;
}

}  // namespace

TEST_CASE("a library is loaded, searched and unloaded, or a failing call is an error and nothing of it is left") {
    const auto binary = odd_kernels();
    fail_each_call(
        [&]() -> Result<void> {
            const auto library = chip::Library::load(binary);
            if (!library) {
                return library.error();
            }
            const auto function = library->find("no_arguments", {});
            if (!function) {
                return function.error();
            }
            return {};
        },
        {Code::io, Code::out_of_memory, Code::out_of_descriptors, Code::prepare_failed});
}

TEST_CASE("cores start all their threads, or none is left") {
    fail_each_call([]() -> Result<void> {
        chip::Cores cores(4, 4096);
        int calls = 0;
        chip::Launch launch;
        launch.kernel = count;
        launch.scalars = {reinterpret_cast<std::uint64_t>(&calls)};
        cores.submit(launch, {}, false);
        CHECK_FALSE(cores.finish());
        CHECK(calls == 1);
        return {};
    });
}
