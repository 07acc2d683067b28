#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "identity/digest.h"
#include "identity/sha256_blocks.h"

using namespace callring;

namespace {
// The block functions that this processor can run.
std::vector<Sha256Blocks> block_functions() {
    std::vector<Sha256Blocks> found{sha256_blocks_portable};
    if (const Sha256Blocks own = sha256_blocks_of_processor(); own != nullptr) {
        found.push_back(own);
    }
    return found;
}

std::string hex(Sha256Blocks blocks, std::string_view text) {
    return to_hex(sha256_with(blocks, std::as_bytes(std::span(text))));
}
}  // namespace

TEST_CASE("every block function gives the digests of the standard's examples") {
    for (const Sha256Blocks blocks : block_functions()) {
        CHECK(hex(blocks, "") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        CHECK(hex(blocks, "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        CHECK(hex(blocks, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
        CHECK(hex(blocks,
                  "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
                  "lmnopqrsmnopqrstnopqrstu") == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
        CHECK(hex(blocks, std::string(1'000'000, 'a')) ==
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
}

TEST_CASE("every length of the last block is padded as the standard says") {
    for (const Sha256Blocks blocks : block_functions()) {
        std::string digests;
        for (std::size_t size = 0; size < 300; ++size) {
            std::string text;
            for (std::size_t i = 0; i < size; ++i) {
                text += static_cast<char>(static_cast<unsigned char>(i * 7 + size));
            }
            const Digest digest = sha256_with(blocks, std::as_bytes(std::span(text)));
            digests.append(reinterpret_cast<const char*>(digest.data()), digest.size());
        }
        // Computed with Python's hashlib.
        CHECK(hex(blocks, digests) == "d5238871a46ac4a1a75ac3fb19d645b0b3b9e5f35f5f720e2b240d605c6b694e");
    }
}
