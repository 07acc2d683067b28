// Callables for tests, assembled from the kernels beside this file.
#pragma once

#include <doctest/doctest.h>

#include <bit>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "chip/blob.h"

namespace callring::test {

inline std::vector<std::byte> read_file(const char* path) {
    std::ifstream file(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    REQUIRE_FALSE(text.empty());
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

using Signature = std::vector<Direction>;

inline chip::BlobParts fill_parts() {
    const Signature signature{Direction::out, Direction::scalar};
    return {"fill", signature, {}, {{0, "fill", "aiv", signature, read_file(KERNEL_FILL)}}};
}

inline chip::BlobParts entry_parts() {
    return {"pipeline_entry",
            {Direction::inout, Direction::scalar},
            read_file(KERNEL_ENTRY),
            {{1, "accumulate", "aiv", {Direction::in, Direction::inout}, read_file(KERNEL_ACCUMULATE)},
             {0, "fill", "aiv", {Direction::out, Direction::scalar}, read_file(KERNEL_FILL)}}};
}

inline std::vector<std::byte> blob_of(chip::BlobParts parts) {
    auto blob = chip::build_blob(std::move(parts));
    REQUIRE(blob.ok());
    return std::move(blob).value();
}

}  // namespace callring::test
