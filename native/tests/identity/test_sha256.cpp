#include <doctest/doctest.h>

#include <bit>
#include <cstddef>
#include <random>
#include <set>
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

std::vector<std::byte> random_bytes(std::mt19937& random, std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::byte& byte : bytes) {
        byte = static_cast<std::byte>(random());
    }
    return bytes;
}

Sha256State random_state(std::mt19937& random) {
    Sha256State state{};
    for (std::uint32_t& word : state) {
        word = static_cast<std::uint32_t>(random());
    }
    return state;
}

// One block as FIPS 180-4 writes it, with its names: the whole schedule first, then 64 rounds.
void plain_block(Sha256State& hash, const std::byte* block) {
    std::array<std::uint32_t, 64> w{};
    for (std::size_t t = 0; t < 16; ++t) {
        for (std::size_t i = 0; i < 4; ++i) {
            w[t] = w[t] * 256 + std::to_integer<std::uint32_t>(block[4 * t + i]);
        }
    }
    for (std::size_t t = 16; t < 64; ++t) {
        const auto sigma0 = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ (w[t - 15] >> 3U);
        const auto sigma1 = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ (w[t - 2] >> 10U);
        w[t] = sigma1 + w[t - 7] + sigma0 + w[t - 16];
    }
    auto [a, b, c, d, e, f, g, h] = hash;
    for (std::size_t t = 0; t < 64; ++t) {
        const std::uint32_t ch = (e & f) ^ (~e & g);
        const std::uint32_t maj = (a & b) ^ (a & c) ^ (b & c);
        const auto t1 = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ch + kSha256Rounds[t] + w[t];
        const auto t2 = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + maj;
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const Sha256State added{a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < hash.size(); ++i) {
        hash[i] += added[i];
    }
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

TEST_CASE("every block function changes any hash by any block as the standard says") {
    std::mt19937 random(1);
    for (const Sha256Blocks blocks : block_functions()) {
        for (int round = 0; round < 300; ++round) {
            const auto block = random_bytes(random, kSha256Block);
            Sha256State plain = random_state(random);
            Sha256State state = plain;
            plain_block(plain, block.data());
            blocks(state, block.data(), 1);
            REQUIRE(state == plain);
        }
    }
}

TEST_CASE("blocks may come in calls of any size, at any address, and no block changes nothing") {
    std::mt19937 random(2);
    constexpr std::size_t kBlocks = 9;
    for (const Sha256Blocks blocks : block_functions()) {
        for (std::size_t shift = 0; shift < 17; ++shift) {
            const auto bytes = random_bytes(random, shift + (kBlocks * kSha256Block));
            const std::byte* const first = bytes.data() + shift;
            const Sha256State begin = random_state(random);
            Sha256State whole = begin;
            blocks(whole, first, kBlocks);
            for (std::size_t cut = 0; cut <= kBlocks; ++cut) {
                Sha256State state = begin;
                blocks(state, first, cut);
                REQUIRE((cut > 0 || state == begin));
                blocks(state, first + (cut * kSha256Block), kBlocks - cut);
                REQUIRE(state == whole);
            }
        }
    }
}

TEST_CASE("each bit and each trailing zero byte of a message changes its digest") {
    std::mt19937 random(3);
    auto message = random_bytes(random, 130);
    std::set<Digest> digests{sha256(message)};
    for (std::size_t bit = 0; bit < 8 * message.size(); ++bit) {
        const auto flip = static_cast<std::byte>(1U << bit % 8);
        message[bit / 8] ^= flip;
        digests.insert(sha256(message));
        message[bit / 8] ^= flip;
    }
    for (std::size_t zeros = 1; zeros <= 130; ++zeros) {
        message.push_back(std::byte{0});
        digests.insert(sha256(message));
    }
    CHECK(digests.size() == 1 + (8 * 130) + 130);
}

TEST_CASE("the digest that is used everywhere is that of each block function") {
    std::mt19937 random(4);
    for (std::size_t size : {0U, 1U, 55U, 56U, 63U, 64U, 65U, 119U, 120U, 4096U, 100'003U}) {
        CAPTURE(size);
        const auto bytes = random_bytes(random, size);
        for (const Sha256Blocks blocks : block_functions()) {
            CHECK(sha256(bytes) == sha256_with(blocks, bytes));
        }
    }
}
