// TaskTable: the tasks that a run owns.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "task/task_table.h"

using namespace callring;

namespace {

TaskPtr task_with(std::uint64_t id) {
    TaskPtr task = allocate_task();
    task->id = id;
    return task;
}

}  // namespace

TEST_CASE("a task is found by its id from its addition to its removal") {
    TaskTable table;
    CHECK(table.find(0) == nullptr);
    const TaskPtr task = task_with(0);
    table.add(task);
    CHECK(table.find(0) == task.get());
    CHECK(table.find(1) == nullptr);
    CHECK(table.find(1'000'000) == nullptr);
    CHECK(table.size() == 1);
    CHECK(table.remove(0) == task);
    CHECK(table.find(0) == nullptr);
    CHECK(table.size() == 0);
}

TEST_CASE("a table that owns few tasks has few pages, however many it has owned") {
    TaskTable table;
    for (std::uint64_t id = 0; id < 100'000; ++id) {
        table.add(task_with(id));
        if (id > 0) {  // the first task stays
            table.remove(id);
        }
    }
    CHECK(table.pages() <= 2);
    CHECK(table.find(0) != nullptr);
    CHECK(table.find(50'000) == nullptr);
}

TEST_CASE("a table that has owned many tasks at once keeps no pages for them") {
    TaskTable table;
    for (std::uint64_t id = 0; id < 10'000; ++id) {
        table.add(task_with(id));
    }
    CHECK(table.pages() > 100);
    for (std::uint64_t id = 0; id < 10'000; ++id) {
        table.remove(id);
    }
    CHECK(table.pages() <= 1);
}

TEST_CASE("for random additions and removals, a table finds and visits what a map does") {
    for (std::uint32_t seed = 0; seed < 50; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        TaskTable table;
        std::map<std::uint64_t, TaskPtr> expected;
        std::uint64_t next = 0;
        for (int step = 0; step < 2000; ++step) {
            if (expected.empty() || random() % 100 < 40 + (seed % 20)) {
                const TaskPtr task = task_with(next++);
                expected.emplace(task->id, task);
                table.add(task);
            } else {
                auto chosen = expected.lower_bound(random() % next);
                chosen = chosen == expected.end() ? expected.begin() : chosen;
                REQUIRE(table.remove(chosen->first) == chosen->second);
                expected.erase(chosen);
            }
            const std::uint64_t id = random() % (next + 40);
            const auto found = expected.find(id);
            REQUIRE(table.find(id) == (found == expected.end() ? nullptr : found->second.get()));
            REQUIRE(table.size() == expected.size());
        }
        std::vector<std::uint64_t> visited;
        table.for_each([&visited](const Task& task) { visited.push_back(task.id); });
        std::sort(visited.begin(), visited.end());
        CHECK(std::equal(visited.begin(), visited.end(), expected.begin(), expected.end(),
                         [](std::uint64_t id, const auto& entry) { return id == entry.first; }));
    }
}
