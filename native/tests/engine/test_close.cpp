// Engine: close() in every state.
#include <algorithm>

#include "tests/engine/engine_fixture.h"

using namespace callring;
using callring::test::EngineFixture;
using callring::test::HoldingChips;

TEST_CASE("close() waits for accepted work, and kills no child that ends by itself") {
    HoldingChips worker;
    const auto vector = worker.vector();
    const TaskPtr task = worker.submit_hold(vector);
    vector.release();
    CHECK(worker.engine->close(test::kLongNs).empty());
    CHECK(task->code == Code::ok);
    CHECK(worker.engine->children()[0].state == ChildState::closed);
    CHECK(worker.engine->close(test::kLongNs).empty());  // once is enough
}

TEST_CASE("close() kills a child that does not end in time, names it, and its running task is lost") {
    HoldingChips worker(2);
    const auto vector = worker.vector();
    const TaskPtr task = worker.submit_hold(vector, 1);
    const TaskPtr behind = worker.submit_hold(vector, 1);
    vector.await_begin();
    const auto forced = worker.engine->close(1);
    CHECK(std::count(forced.begin(), forced.end(), "chip 1") == 1);
    CHECK(task->code == Code::worker_lost);
    CHECK(behind->code == Code::cancelled);
}

TEST_CASE("a closed engine refuses everything, and every wait returns") {
    HoldingChips worker;
    const auto vector = worker.vector();
    worker.engine->close(0);
    CHECK(worker.engine->closing());
    CHECK(worker.engine->submit(worker.run, EngineFixture::task(worker.holding, {vector.as(Tag::inout)}), {})
              .error()
              .code == Code::closed);
    CHECK(worker.engine->begin_run({}).error().code == Code::closed);
    CHECK(worker.engine->begin_register(EngineFixture::fill()).error().code == Code::closed);
    CHECK(worker.engine->begin_unregister(worker.holding).error().code == Code::closed);
    CHECK(worker.engine->wait_for_room(now_ns() + test::kLongNs) == Waited::done);
    CHECK(worker.engine->wait_for_run_slot(now_ns() + test::kLongNs) == Waited::done);
    CHECK(worker.engine->take_ended(worker.engine->begin_stream()).empty());
    worker.engine->seal(worker.run);
    CHECK(worker.engine->poll_run(worker.run));
}

TEST_CASE("after refuse() an engine takes no new work, and accepted work goes on") {
    HoldingChips worker;
    const auto vector = worker.vector();
    const TaskPtr task = worker.submit_hold(vector);
    worker.engine->refuse();
    CHECK(worker.engine->submit(worker.run, EngineFixture::task(worker.holding, {vector.as(Tag::inout)}), {})
              .error()
              .code == Code::closed);
    vector.release();
    worker.finish(worker.run);
    CHECK(task->code == Code::ok);
}

TEST_CASE("a thread that waits for a run wakes when another thread closes the engine") {
    HoldingChips worker;
    const auto vector = worker.vector();
    const TaskPtr task = worker.submit_hold(vector);
    vector.await_begin();
    worker.engine->seal(worker.run);
    std::thread waits([&] {
        CHECK(test::patiently([&] { return worker.engine->wait_for_run(worker.run, now_ns() + test::kLongNs); }) ==
              Waited::done);
    });
    worker.engine->close(0);
    waits.join();
    CHECK(task->code == Code::worker_lost);
}

TEST_CASE("threads that close at once all return when it is closed") {
    EngineFixture worker(1);
    REQUIRE(worker.start().ok());
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
            worker.engine->close(test::kLongNs);
            CHECK(worker.engine->children()[0].state == ChildState::closed);
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

TEST_CASE("an engine that was never started closes") {
    const EngineFixture worker(2);
    CHECK(worker.engine->close(0).empty());
}
