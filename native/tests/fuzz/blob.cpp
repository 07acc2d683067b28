// Blobs of chip callables: one encoding for one callable.
#include "chip/blob.h"

#include <algorithm>

#include "tests/fuzz/decoders.h"

namespace callring::fuzz::blob {

std::vector<Bytes> seeds() {
    using chip::BlobParts;
    using chip::KernelPart;
    const std::vector<Direction> signature{Direction::in, Direction::out, Direction::scalar};
    const KernelPart add{0, "add", "aiv", signature, copy("binary")};
    const KernelPart scale{7, "scale", "aic", {}, Bytes(100, std::byte{1})};
    const BlobParts one{"add", signature, {}, {add}};
    const BlobParts several{"orchestrate", {Direction::inout}, copy("orchestration"), {add, scale}};
    return {chip::build_blob(one).value(), chip::build_blob(several).value()};
}

void run(std::span<const std::byte> input) {
    auto parts = chip::parse_blob(input);
    if (!parts) {
        require(parts.error().code == Code::malformed, "a refusal is malformed");
        return;
    }
    const auto built = chip::build_blob(std::move(parts).value());
    require(built.ok(), "parsed parts can be built");
    require(std::ranges::equal(*built, input), "an accepted blob is the one that building its parts gives");
}

}  // namespace callring::fuzz::blob
