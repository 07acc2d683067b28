#include <doctest/doctest.h>

#include <array>
#include <random>
#include <set>
#include <vector>

#include "graph/hazards.h"

using namespace callring;

namespace {
std::vector<TaskId> access(HazardMap& map, TaskId task, std::uint64_t begin, std::uint64_t end, Access kind,
                           std::uint64_t space = 0) {
    std::vector<TaskId> dependencies;
    const std::array<ByteRange, 1> range{{{space, begin, end}}};
    map.record(task, range, kind, dependencies);
    return dependencies;
}

// Last writer and readers of every single byte: slow and obviously right.
class Oracle {
public:
    std::set<TaskId> record(TaskId task, std::uint64_t begin, std::uint64_t end, Access kind) {
        std::set<TaskId> dependencies;
        for (std::uint64_t i = begin; i < end; ++i) {
            Byte& byte = bytes_.at(i);
            if (byte.written) {
                dependencies.insert(byte.writer);
            }
            if (kind == Access::write) {
                dependencies.insert(byte.readers.begin(), byte.readers.end());
                byte = {true, task, {}};
            } else {
                byte.readers.insert(task);
            }
        }
        dependencies.erase(task);
        return dependencies;
    }

private:
    struct Byte {
        bool written = false;
        TaskId writer = 0;
        std::set<TaskId> readers;
    };
    std::array<Byte, 64> bytes_;
};
}  // namespace

TEST_CASE("a read follows the last write of the same bytes") {
    HazardMap map;
    CHECK(access(map, 1, 0, 8, Access::write).empty());
    CHECK(access(map, 2, 4, 12, Access::read) == std::vector<TaskId>{1});
}

TEST_CASE("a write follows the last write and every read since") {
    HazardMap map;
    access(map, 1, 0, 8, Access::write);
    access(map, 2, 0, 4, Access::read);
    access(map, 3, 4, 8, Access::read);
    CHECK(access(map, 4, 0, 8, Access::write) == std::vector<TaskId>{1, 2, 3});
    CHECK(access(map, 5, 0, 8, Access::write) == std::vector<TaskId>{4});
}

TEST_CASE("reads do not follow each other") {
    HazardMap map;
    access(map, 1, 0, 8, Access::read);
    CHECK(access(map, 2, 0, 8, Access::read).empty());
}

TEST_CASE("disjoint bytes and other spaces are independent") {
    HazardMap map;
    access(map, 1, 0, 8, Access::write);
    CHECK(access(map, 2, 8, 16, Access::write).empty());
    CHECK(access(map, 3, 0, 8, Access::write, 1).empty());
}

TEST_CASE("a task that reads and writes the same bytes does not follow itself") {
    HazardMap map;
    access(map, 1, 0, 8, Access::read);
    CHECK(access(map, 1, 0, 8, Access::write).empty());
}

TEST_CASE("data that is read for ever does not grow the map") {
    HazardMap map;
    std::vector<TaskId> dependencies;
    const std::array<ByteRange, 1> range{{{0, 0, 8}}};
    for (TaskId task = 0; task < 100'000; ++task) {
        dependencies.clear();
        map.record(task, range, Access::read, dependencies, [task](TaskId earlier) { return earlier + 4 < task; });
    }
    dependencies.clear();
    map.record(100'000, range, Access::write, dependencies, [](TaskId) { return false; });
    CHECK(dependencies.size() < 64);
}

TEST_CASE("random programs have exactly the dependencies of a byte-by-byte oracle") {
    std::mt19937 random(7);
    for (int program = 0; program < 300; ++program) {
        HazardMap map;
        Oracle oracle;
        for (TaskId task = 0; task < 40; ++task) {
            const std::uint64_t begin = random() % 64;
            const std::uint64_t end = begin + (random() % (65 - begin));
            const Access kind = random() % 2 == 0 ? Access::read : Access::write;
            const auto found = access(map, task, begin, end, kind);
            const auto expected = oracle.record(task, begin, end, kind);
            // Following a task that itself follows another one is enough; so what is missing must be implied.
            REQUIRE(std::set<TaskId>(found.begin(), found.end()) == expected);
        }
    }
}
