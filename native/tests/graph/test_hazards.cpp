// HazardMap against an oracle that keeps the whole history of every single byte.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "graph/hazards.h"
#include "tests/graph/views.h"

using namespace callring;

namespace {

using Ids = std::vector<TaskId>;
using ByteRange = Segments::Range;

Ids record(HazardMap& map, TaskId task, std::vector<ByteRange> ranges, Access access) {
    Ids dependencies;
    for (const ByteRange& range : ranges) {
        map.record(task, Region::bytes(range.space, range.begin, range.end), access, dependencies);
    }
    return dependencies;
}

// Byte by byte: the last writer and every reader since.
class Oracle {
public:
    void record(TaskId task, const std::vector<ByteRange>& ranges, Access access, std::set<TaskId>& dependencies) {
        for (const ByteRange& range : ranges) {
            for (std::uint64_t byte = range.begin; byte < range.end; ++byte) {
                History& history = bytes_[{range.space, byte}];
                if (history.written && history.writer != task) {
                    dependencies.insert(history.writer);
                }
                if (access == Access::read) {
                    history.readers.insert(task);
                    continue;
                }
                dependencies.insert(history.readers.begin(), history.readers.end());
                dependencies.erase(task);
                history = {true, task, {}};
            }
        }
    }

private:
    struct History {
        bool written = false;
        TaskId writer = 0;
        std::set<TaskId> readers;
    };
    std::map<std::pair<std::uint64_t, std::uint64_t>, History> bytes_;
};

std::vector<ByteRange> random_ranges(std::mt19937& random) {
    std::vector<ByteRange> ranges;
    const auto count = 1 + (random() % 4);
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint64_t begin = random() % 64;
        ranges.push_back({random() % 2, begin, begin + (random() % 16)});
    }
    return ranges;
}

}  // namespace

TEST_CASE("a read follows the last writer of its bytes and no other task") {
    HazardMap map;
    CHECK(record(map, 0, {{7, 0, 10}}, Access::write).empty());
    CHECK(record(map, 1, {{7, 0, 10}}, Access::write) == Ids{0});
    CHECK(record(map, 2, {{7, 5, 6}}, Access::read) == Ids{1});
    CHECK(record(map, 3, {{7, 5, 6}}, Access::read) == Ids{1});
}

TEST_CASE("a write follows the last writer and all readers since then") {
    HazardMap map;
    record(map, 0, {{7, 0, 10}}, Access::write);
    record(map, 1, {{7, 0, 4}}, Access::read);
    record(map, 2, {{7, 2, 8}}, Access::read);
    CHECK(record(map, 3, {{7, 3, 5}}, Access::write) == Ids{0, 1, 2});
    CHECK(record(map, 4, {{7, 0, 10}}, Access::write) == Ids{0, 1, 2, 3});
    CHECK(record(map, 5, {{7, 0, 10}}, Access::write) == Ids{4});
}

TEST_CASE("a write over bytes that were only read follows their readers") {
    HazardMap map;
    CHECK(record(map, 0, {{7, 0, 10}}, Access::read).empty());
    CHECK(record(map, 1, {{7, 9, 12}}, Access::write) == Ids{0});
}

TEST_CASE("adjacent ranges and other spaces are independent") {
    HazardMap map;
    record(map, 0, {{7, 0, 10}}, Access::write);
    CHECK(record(map, 1, {{7, 10, 20}}, Access::write).empty());
    CHECK(record(map, 2, {{8, 0, 20}}, Access::write).empty());
    CHECK(record(map, 3, {{6, 0, 20}}, Access::read).empty());
    CHECK(record(map, 4, {{7, 4, 4}}, Access::write).empty());
}

TEST_CASE("a task that reads and writes the same bytes does not wait for itself") {
    HazardMap map;
    Ids dependencies;
    const Region range = Region::bytes(7, 0, 10);
    map.record(0, range, Access::read, dependencies);
    map.record(0, range, Access::write, dependencies);
    map.record(0, range, Access::read, dependencies);
    CHECK(dependencies.empty());
    CHECK(record(map, 1, {{7, 0, 10}}, Access::read) == Ids{0});
}

TEST_CASE("dependencies that were collected before are kept, in order and once") {
    HazardMap map;
    record(map, 3, {{7, 0, 10}}, Access::write);
    Ids dependencies{9, 3};
    map.record(11, Region::bytes(7, 0, 4), Access::read, dependencies);
    map.record(11, Region::bytes(7, 6, 8), Access::read, dependencies);
    CHECK(dependencies == Ids{3, 9});
}

TEST_CASE("random programs have exactly the dependencies that a byte-by-byte history gives") {
    for (std::uint32_t seed = 0; seed < 60; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        HazardMap map;
        Oracle oracle;
        for (TaskId task = 0; task < 120; ++task) {
            Ids dependencies;
            std::set<TaskId> expected;
            const auto accesses = 1 + (random() % 3);
            for (std::uint32_t i = 0; i < accesses; ++i) {
                const auto ranges = random_ranges(random);
                const Access access = random() % 3 == 0 ? Access::write : Access::read;
                for (const ByteRange& range : ranges) {
                    map.record(task, Region::bytes(range.space, range.begin, range.end), access, dependencies);
                }
                oracle.record(task, ranges, access, expected);
            }
            REQUIRE(dependencies == Ids(expected.begin(), expected.end()));
        }
    }
}

TEST_CASE("forgetting successful tasks loses no dependency on failed or unended ones") {
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        HazardMap map;
        Oracle oracle;
        // Wide enough for many sweeps: bytes are spread over more segments than the smallest sweep visits.
        std::vector<bool> forgettable;
        const auto may_forget = [&](TaskId task) { return forgettable[task]; };
        for (TaskId task = 0; task < 3000; ++task) {
            forgettable.push_back(false);
            const std::uint64_t begin = (random() % 2000) * 4;
            const ByteRange range{0, begin, begin + 1 + (random() % 12)};
            const Access access = random() % 2 == 0 ? Access::write : Access::read;
            Ids dependencies;
            std::set<TaskId> expected;
            map.record(task, Region::bytes(range.space, range.begin, range.end), access, dependencies, may_forget);
            oracle.record(task, {range}, access, expected);
            std::erase_if(expected, may_forget);
            REQUIRE(dependencies == Ids(expected.begin(), expected.end()));
            // Tasks end out of order. Every tenth fails, and is not forgotten.
            const TaskId ended = random() % (task + 1);
            forgettable[ended] = ended % 10 != 0;
        }
    }
}

TEST_CASE("data that is read again and again and never written does not grow the map") {
    HazardMap map;
    std::uint64_t asked = 0;
    const auto ended = [&](TaskId) {
        ++asked;
        return true;
    };
    const Region range = Region::bytes(7, 0, 10);
    Ids dependencies;
    constexpr TaskId kReads = 100'000;
    for (TaskId task = 0; task < kReads; ++task) {
        map.record(task, range, Access::read, dependencies, ended);
    }
    CHECK(map.segment_count() == 1);
    CHECK(asked <= 2 * kReads);  // amortised: every reader is checked a constant number of times
    // If the readers had been kept, each of them would be checked now.
    asked = 0;
    map.record(kReads, range, Access::write, dependencies, ended);
    CHECK(asked <= 32);
    CHECK(dependencies.empty());
}

TEST_CASE("buffers that come and go do not grow the map") {
    HazardMap map;
    std::size_t most = 0;
    Ids dependencies;
    for (TaskId task = 0; task < 100'000; ++task) {
        const Region range = Region::bytes(task, 0, 64);
        map.record(task, range, Access::write, dependencies, [](TaskId) { return true; });
        most = std::max(most, map.segment_count());
    }
    CHECK(most <= 512);
}

TEST_CASE("slices that were written one by one become one segment when they are overwritten as a whole") {
    HazardMap map;
    for (TaskId task = 0; task < 100; ++task) {
        record(map, task, {{7, task * 10, (task + 1) * 10}}, Access::write);
    }
    CHECK(map.segment_count() == 100);
    CHECK(record(map, 100, {{7, 0, 1000}}, Access::write).size() == 100);
    CHECK(map.segment_count() == 1);
}

TEST_CASE("independent tiles of a matrix do not wait for each other, however large they are") {
    constexpr std::int64_t kTiles = 15;
    constexpr std::int64_t kSide = 65;
    constexpr std::int64_t kRow = kTiles * kSide;
    HazardMap map;
    Ids dependencies;
    const auto tile = [](std::int64_t row, std::int64_t column) {
        return region_of(7, static_cast<std::uint64_t>(((row * kRow) + column) * kSide * 4), 4,
                         std::array{kSide, kSide}, std::array{kRow, std::int64_t{1}});
    };
    TaskId task = 0;
    for (std::int64_t row = 0; row < kTiles; ++row) {
        for (std::int64_t column = 0; column < kTiles; ++column) {
            map.record(task++, tile(row, column), Access::write, dependencies);
        }
    }
    CHECK(dependencies.empty());
    CHECK(map.segment_count() == 225);
    for (std::int64_t row = 0; row < kTiles; ++row) {
        for (std::int64_t column = 0; column < kTiles; ++column) {
            dependencies.clear();
            map.record(task++, tile(row, column), Access::read, dependencies);
            CHECK(dependencies == Ids{static_cast<TaskId>((row * kTiles) + column)});
        }
    }
    // The whole matrix, and a contiguous piece of three rows of it.
    dependencies.clear();
    map.record(task, Region::bytes(7, kRow * 4 * 64, kRow * 4 * 67), Access::read, dependencies);
    CHECK(dependencies.size() == 30);
    dependencies.clear();
    map.record(task + 1, Region::bytes(7, 0, kRow * kRow * 4), Access::write, dependencies);
    CHECK(dependencies.size() == 451);
    CHECK(map.segment_count() == 1);
}

TEST_CASE("a write from before the first tile of its buffer was seen is followed") {
    HazardMap map;
    record(map, 0, {{7, 0, 100}, {8, 0, 100}}, Access::write);
    record(map, 1, {{7, 250, 270}}, Access::write);
    Ids dependencies;
    const Region columns = region_of(7, 50, 1, std::array<std::int64_t, 2>{3, 10}, std::array<std::int64_t, 2>{100, 1});
    map.record(2, columns, Access::write, dependencies);
    CHECK(dependencies == Ids{0, 1});
    CHECK(record(map, 3, {{7, 60, 61}, {7, 55, 56}}, Access::read) == Ids{0, 2});
    CHECK(record(map, 4, {{8, 60, 61}}, Access::read) == Ids{0});
}

TEST_CASE("random views of one buffer have exactly the dependencies that a byte-by-byte history gives") {
    for (std::uint32_t seed = 0; seed < 300; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        HazardMap map;
        Oracle oracle;
        std::vector<bool> forgettable;
        const bool forgets = seed % 2 == 1;
        const auto may_forget = [&](TaskId task) { return forgettable[task]; };
        for (TaskId task = 0; task < 80; ++task) {
            forgettable.push_back(false);
            Ids dependencies;
            std::set<TaskId> expected;
            const View view = random_view(random);
            const Access access = random() % 2 == 0 ? Access::write : Access::read;
            std::vector<ByteRange> bytes;
            for (const std::uint64_t byte : bytes_of(view)) {
                bytes.push_back({0, byte, byte + 1});
            }
            map.record(task, region_of(0, view.base, view.element_bytes, view.shape, view.strides), access,
                       dependencies, may_forget);
            oracle.record(task, bytes, access, expected);
            std::erase_if(expected, may_forget);
            CAPTURE(task);
            REQUIRE(dependencies == Ids(expected.begin(), expected.end()));
            if (forgets) {
                forgettable[random() % (task + 1)] = true;
            }
        }
    }
}

TEST_CASE("every other element of a large vector is followed through its use as a matrix") {
    constexpr std::int64_t kRows = 10'000;
    constexpr std::int64_t kRow = 1000;
    constexpr std::uint64_t kLast = (kRows - 1) * kRow * 4;
    HazardMap map;
    Ids dependencies;
    const auto half = [](std::uint64_t first) {
        return region_of(7, first * 4, 4, std::array{kRows * kRow / 2}, std::array<std::int64_t, 1>{2});
    };
    map.record(0, half(0), Access::write, dependencies);
    map.record(1, half(1), Access::write, dependencies);
    CHECK(dependencies.empty());
    const auto columns = region_of(7, 40, 4, std::array{kRows, std::int64_t{2}}, std::array{kRow, std::int64_t{1}});
    map.record(2, columns, Access::read, dependencies);
    CHECK(dependencies == Ids{0, 1});
    CHECK(record(map, 3, {{7, kLast, kLast + 4}}, Access::read) == Ids{0});
    CHECK(record(map, 4, {{7, kLast + 4, kLast + 8}}, Access::read) == Ids{1});
    CHECK(record(map, 5, {{7, kLast, kLast + 8}}, Access::write) == Ids{0, 1, 3, 4});
    CHECK(map.segment_count() < 100);
}

TEST_CASE("tiles that come and go do not grow the map") {
    HazardMap map;
    std::mt19937 random(3);
    std::size_t most = 0;
    Ids dependencies;
    for (TaskId task = 0; task < 50'000; ++task) {
        const auto rows = static_cast<std::int64_t>(1 + (random() % 70));
        const auto columns = static_cast<std::int64_t>(1 + (random() % 70));
        const std::uint64_t base = ((random() % 1000) * 4000) + (random() % 900);
        map.record(task, region_of(7, base, 1, std::array{rows, columns}, std::array<std::int64_t, 2>{4000, 1}),
                   Access::write, dependencies, [](TaskId) { return true; });
        most = std::max(most, map.segment_count());
    }
    CHECK(most <= 20'000);
}

TEST_CASE("a cleared map has no dependencies") {
    HazardMap map;
    record(map, 0, {{7, 0, 10}}, Access::write);
    map.clear();
    CHECK(map.segment_count() == 0);
    CHECK(record(map, 1, {{7, 0, 10}}, Access::read).empty());
}
