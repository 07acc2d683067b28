// TaskBlock: the tasks of one launch.
#include <doctest/doctest.h>

#include <memory>
#include <thread>
#include <vector>

#include "task/task_block.h"

using namespace callring;

namespace {

TaskBlock block_of(std::size_t size, const CallablePtr& callable) {
    TaskBlock block(size);
    for (Task& task : block.all()) {
        task.callable = callable;
    }
    return block;
}

}  // namespace

TEST_CASE("a block owns new tasks that lie side by side, until it is destroyed or another is assigned to it") {
    const auto callable = std::make_shared<Callable>();
    TaskBlock block = block_of(100, callable);
    CHECK(block.size() == 100);
    CHECK(&block[99] == &block[0] + 99);
    CHECK(block[7].state == TaskState::blocked);
    CHECK(block[7].owners == 1);
    CHECK(callable.use_count() == 101);
    TaskBlock moved = std::move(block);
    CHECK(moved.size() == 100);
    CHECK(callable.use_count() == 101);
    moved = block_of(3, callable);
    CHECK(callable.use_count() == 4);
    moved = TaskBlock();
    CHECK(moved.size() == 0);
    CHECK(callable.use_count() == 1);
}

TEST_CASE("a block without tasks is as none") {
    const TaskBlock block(0);
    CHECK(block.size() == 0);
    CHECK(block.all().empty());
}

TEST_CASE("a task of a block lives as long as another owner, which may be a task of the same block") {
    const auto callable = std::make_shared<Callable>();
    TaskPtr kept;
    {
        const TaskBlock block = block_of(4, callable);
        kept = TaskPtr(&block[2]);
        kept->payload = std::string(1000, 'x');
        kept->root_cause = TaskPtr(&block[0]);
        block[1].root_cause = TaskPtr(&block[0]);
        block[0].root_cause = TaskPtr(&block[3]);
    }
    CHECK(callable.use_count() == 4);  // tasks 2, 0 and 3
    CHECK(kept->payload.size() == 1000);
    CHECK(kept->root_cause->root_cause->callable == callable);
    kept = nullptr;
    CHECK(callable.use_count() == 1);
}

TEST_CASE("the tasks of a block are freed once, whichever thread has the last owner") {
    const auto callable = std::make_shared<Callable>();
    for (int round = 0; round < 200; ++round) {
        {
            const TaskBlock block = block_of(8, callable);
            std::vector<std::thread> others;
            for (int i = 0; i < 2; ++i) {
                std::vector<TaskPtr> theirs;
                for (Task& task : block.all()) {
                    theirs.emplace_back(&task);
                }
                others.emplace_back([theirs = std::move(theirs)]() mutable { theirs.clear(); });
            }
            for (std::thread& other : others) {
                if (round % 2 == 0) {
                    other.join();
                } else {
                    other.detach();
                }
            }
        }
        while (callable.use_count() > 1) {
            std::this_thread::yield();
        }
    }
}
