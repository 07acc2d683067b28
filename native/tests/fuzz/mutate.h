// Small random changes of well-formed inputs, for machines without libFuzzer.
#pragma once

#include <algorithm>
#include <array>
#include <random>

#include "tests/fuzz/harness.h"

namespace callring::fuzz {

class Mutator {
public:
    explicit Mutator(std::uint64_t seed) : random_(seed) {}

    // One of `seeds` after one to four changes.
    [[nodiscard]] Bytes mutate(const std::vector<Bytes>& seeds) {
        Bytes bytes = seeds[below(seeds.size())];
        for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
            change(bytes, seeds[below(seeds.size())]);
        }
        return bytes;
    }

private:
    void change(Bytes& bytes, const Bytes& other) {
        if (bytes.empty()) {
            bytes = other;
            return;
        }
        const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size()));
        switch (below(6)) {
            case 0:
                *at ^= static_cast<std::byte>(1U << below(8));
                break;
            case 1:
                *at = static_cast<std::byte>(random_());
                break;
            case 2:
                bytes.erase(at, bytes.end());
                break;
            case 3:
                bytes.insert(at, 1 + below(8), static_cast<std::byte>(random_()));
                break;
            case 4:  // the end of another input
                bytes.erase(at, bytes.end());
                bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(below(other.size() + 1)),
                             other.end());
                break;
            default: {  // a number at the edge of its range
                constexpr std::array<std::uint64_t, 8> kEdges{0,
                                                              1,
                                                              INT32_MAX,
                                                              UINT32_MAX,
                                                              INT64_MAX,
                                                              UINT64_MAX,
                                                              std::uint64_t{1} << 31U,
                                                              std::uint64_t{1} << 63U};
                const std::uint64_t edge = kEdges.at(below(kEdges.size()));
                const std::size_t width =
                    std::min<std::size_t>(below(2) == 0 ? 4 : 8, static_cast<std::size_t>(bytes.end() - at));
                for (std::size_t i = 0; i < width; ++i) {
                    at[static_cast<std::ptrdiff_t>(i)] = static_cast<std::byte>(edge >> (8 * i));
                }
            }
        }
    }
    [[nodiscard]] std::size_t below(std::size_t bound) { return random_() % bound; }

    std::mt19937_64 random_;
};

}  // namespace callring::fuzz
