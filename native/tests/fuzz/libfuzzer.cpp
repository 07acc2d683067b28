// The program that libFuzzer drives: `fuzz --decoder=NAME [libFuzzer's options] CORPUS`, or, to make a corpus to begin
// with, `fuzz --decoder=NAME --write-seeds=FOLDER`.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/fuzz/harness.h"

using namespace callring::fuzz;

namespace {

const Harness* chosen = nullptr;  // NOLINT(*-avoid-non-const-global-variables): libFuzzer's interface has no context

std::string option(int argc, char** argv, std::string_view name) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view given = argv[i];
        if (given.starts_with(name)) {
            return std::string(given.substr(name.size()));
        }
    }
    return {};
}

void write_seeds(const std::string& folder) {
    int number = 0;
    for (const Bytes& seed : chosen->seeds()) {
        std::ofstream file(folder + "/seed-" + std::to_string(number++), std::ios::binary);
        file.write(reinterpret_cast<const char*>(seed.data()), static_cast<std::streamsize>(seed.size()));
    }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
    const std::string name = option(*argc, *argv, "--decoder=");
    for (const Harness& harness : harnesses()) {
        chosen = harness.name == name ? &harness : chosen;
    }
    if (chosen == nullptr) {
        for (const Harness& harness : harnesses()) {
            std::printf("%s\n", std::string(harness.name).c_str());
        }
        std::exit(name.empty() ? 0 : 2);
    }
    if (const std::string folder = option(*argc, *argv, "--write-seeds="); !folder.empty()) {
        write_seeds(folder);
        std::exit(0);
    }
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    chosen->run({reinterpret_cast<const std::byte*>(data), size});
    return 0;
}
