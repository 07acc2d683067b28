// Engine: work that is accepted, refused, waited for and withdrawn.
#include <bit>

#include "tests/engine/engine_fixture.h"

using namespace callring;
using callring::test::EngineFixture;

namespace {

std::uint64_t bits(double value) {
    return std::bit_cast<std::uint64_t>(value);
}

bool is_raised(int event) {
    eventfd_t count = 0;
    return ::eventfd_read(event, &count) == 0;
}

}  // namespace

TEST_CASE("a task runs on its chip, and its output is there when its run has ended") {
    EngineFixture worker(2);
    const CallablePtr fill = worker.add(EngineFixture::fill());
    REQUIRE(worker.start().ok());
    const auto run = worker.begin_run();
    const auto first = worker.vector();
    const auto second = worker.vector(1000);
    worker.submit(run, EngineFixture::task(fill, {first.as(Tag::output)}, {bits(2.5)}, 0));
    worker.submit(run, EngineFixture::task(fill, {second.as(Tag::output)}, {bits(-1)}, 1));
    worker.finish(run);
    CHECK(first.at(15) == 2.5);
    CHECK(second.at(999) == -1);
    const auto stats = worker.engine->stats();
    CHECK(stats.tasks.accepted == 2);
    CHECK(stats.tasks.done == 2);
    CHECK(stats.pending == 0);
    CHECK(worker.engine->children()[0].completed == 1);
}

TEST_CASE("tasks that write one tensor on different chips run in the order in which they were submitted") {
    EngineFixture worker(2);
    const CallablePtr fill = worker.add(EngineFixture::fill());
    REQUIRE(worker.start().ok());
    const auto vector = worker.vector();
    const auto run = worker.begin_run();
    for (int i = 0; i < 50; ++i) {
        worker.submit(run, EngineFixture::task(fill, {vector.as(Tag::output)}, {bits(i)}, i % 2));
    }
    worker.finish(run);
    CHECK(vector.at(0) == 49);
}

TEST_CASE("a kernel that fails ends its task, skips the tasks that follow, and is an error of its run") {
    EngineFixture worker(1);
    const CallablePtr failing = worker.add(EngineFixture::failing());
    REQUIRE(worker.start().ok());
    const auto run = worker.begin_run();
    const TaskPtr bad = worker.submit(run, EngineFixture::task(failing, {}, {0}));
    const TaskPtr behind = worker.submit(run, EngineFixture::task(failing, {}, {1}), {bad});
    worker.finish(run);
    worker.engine->inspect([&] {
        CHECK(bad->code == Code::kernel_failed);
        CHECK(behind->code == Code::skipped);
        CHECK(run->failures == std::vector<TaskPtr>{bad});
        return 0;
    });
}

TEST_CASE("a task is refused for its arguments, a sealed run or a callable that was unregistered") {
    EngineFixture worker(1);
    const CallablePtr fill = worker.add(EngineFixture::fill());
    REQUIRE(worker.start().ok());
    const auto vector = worker.vector();
    const auto run = worker.begin_run();
    const auto refusal = [&](const TaskPtr& task) {
        const auto refused = worker.engine->submit(run, task, {});
        return refused.ok() ? Code::ok : refused.error().code;
    };
    CHECK(refusal(EngineFixture::task(fill, {}, {1})) == Code::invalid_argument);
    CHECK(refusal(EngineFixture::task(fill, {vector.as(Tag::output)})) == Code::invalid_argument);
    const TaskPtr traced = EngineFixture::task(fill, {vector.as(Tag::output)}, {1});
    traced->config.trace = 1;
    CHECK(refusal(traced) == Code::invalid_argument);
    const auto removed = worker.engine->begin_unregister(fill);
    REQUIRE(removed.ok());
    CHECK(test::patiently([&] { return worker.engine->wait_for_operation(*removed); }) == Waited::done);
    CHECK(refusal(EngineFixture::task(fill, {vector.as(Tag::output)}, {1})) == Code::handle_stale);
    const CallablePtr again = worker.add(EngineFixture::fill());
    worker.engine->seal(run);
    CHECK(refusal(EngineFixture::task(again, {vector.as(Tag::output)}, {1})) == Code::invalid_argument);
    CHECK(worker.engine->stats().tasks.accepted == 0);
}

TEST_CASE("a callable that is unregistered while tasks of it are under way is removed when they have ended") {
    EngineFixture worker(1);
    const CallablePtr hold = worker.add(EngineFixture::hold());
    REQUIRE(worker.start().ok());
    const auto vector = worker.vector();
    const auto run = worker.begin_run();
    const TaskPtr task = worker.submit(run, EngineFixture::task(hold, {vector.as(Tag::inout)}));
    vector.await_begin();
    const auto removed = worker.engine->begin_unregister(hold);
    REQUIRE(removed.ok());
    CHECK(worker.engine->children()[0].installed.size() == 1);
    CHECK(worker.engine->begin_register(EngineFixture::hold()).error().code == Code::removal_active);
    vector.release();
    worker.finish(run);
    CHECK(task->code == Code::ok);
    CHECK(test::patiently([&] { return worker.engine->wait_for_operation(*removed); }) == Waited::done);
    // The chip removes it later; a new registration waits for that.
    while (!worker.engine->children()[0].installed.empty()) {
        std::this_thread::yield();
    }
    worker.add(EngineFixture::hold());
}

TEST_CASE("a bound on pending tasks is reported, and a caller can wait until a task has ended") {
    EngineOptions options;
    options.max_pending_tasks = 1;
    EngineFixture worker(1, std::move(options));
    const CallablePtr hold = worker.add(EngineFixture::hold());
    REQUIRE(worker.start().ok());
    const auto vector = worker.vector();
    const auto run = worker.begin_run();
    worker.submit(run, EngineFixture::task(hold, {vector.as(Tag::inout)}));
    const auto next = worker.vector();
    next.release();
    const TaskPtr second = EngineFixture::task(hold, {next.as(Tag::inout)});
    CHECK(worker.engine->submit(run, second, {}).error().code == Code::back_pressure);
    CHECK(worker.engine->wait_for_room(now_ns()) == Waited::timed_out);
    vector.release();
    CHECK(test::patiently([&] { return worker.engine->wait_for_room(now_ns() + test::kLongNs); }) == Waited::done);
    worker.submit(run, second);
    worker.finish(run);
}

TEST_CASE("of a list of tasks, those before the first refused one are accepted, in their order") {
    EngineFixture worker(2);
    const CallablePtr fill = worker.add(EngineFixture::fill());
    REQUIRE(worker.start().ok());
    const auto vector = worker.vector();
    const auto run = worker.begin_run();
    std::vector<TaskPtr> tasks;
    for (int i = 0; i < 200; ++i) {
        tasks.push_back(EngineFixture::task(fill, {vector.as(Tag::output)}, {bits(i)}, i % 2));
    }
    tasks.insert(tasks.begin() + 150, EngineFixture::task(fill, {}));
    const auto [count, outcome] = worker.engine->submit_many(run, tasks, {});
    CHECK(count == 150);
    CHECK(outcome.error().code == Code::invalid_argument);
    const auto rest = worker.engine->submit_many(run, std::span(tasks).subspan(151), {});
    CHECK(rest.count == 50);
    CHECK(rest.outcome.ok());
    worker.finish(run);
    CHECK(vector.at(0) == 199);
    CHECK(worker.engine->stats().tasks.done == 200);
    CHECK(worker.engine->submit_many(run, std::span(tasks).first(1), {}).outcome.error().code ==
          Code::invalid_argument);
    CHECK(worker.engine->submit_many(run, {}, {}).outcome.ok());
}

TEST_CASE("a list of tasks fills the bound on pending tasks, and goes on when a task has ended") {
    EngineOptions options;
    options.max_pending_tasks = 3;
    EngineFixture worker(1, std::move(options));
    const CallablePtr hold = worker.add(EngineFixture::hold());
    REQUIRE(worker.start().ok());
    const auto run = worker.begin_run();
    std::vector<EngineFixture::Vector> vectors;
    std::vector<TaskPtr> tasks;
    for (int i = 0; i < 5; ++i) {
        vectors.push_back(worker.vector());
        tasks.push_back(EngineFixture::task(hold, {vectors.back().as(Tag::inout)}));
    }
    const auto first = worker.engine->submit_many(run, tasks, {});
    CHECK(first.count == 3);
    CHECK(first.outcome.error().code == Code::back_pressure);
    for (const auto& vector : vectors) {
        vector.release();
    }
    worker.await(tasks[2]);
    const auto second = worker.engine->submit_many(run, std::span(tasks).subspan(3), {tasks[0]});
    CHECK(second.count == 2);
    CHECK(second.outcome.ok());
    worker.finish(run);
}

TEST_CASE("as many runs are under way as the engine allows, and those that have ended make room") {
    EngineOptions options;
    options.max_runs = 2;
    EngineFixture worker(0, std::move(options));
    REQUIRE(worker.start().ok());
    const auto first = worker.begin_run();
    auto second = worker.begin_run();
    CHECK(worker.engine->begin_run({}).error().code == Code::too_many_runs);
    CHECK(worker.engine->wait_for_run_slot(now_ns()) == Waited::timed_out);
    worker.engine->seal(first);
    CHECK(worker.engine->wait_for_run_slot(now_ns() + test::kLongNs) == Waited::done);
    const auto third = worker.begin_run();
    second.reset();  // no reference is left
    CHECK(worker.engine->begin_run({}).ok());
}

TEST_CASE("a run that follows another begins when that has ended") {
    EngineFixture worker(2);
    const CallablePtr hold = worker.add(EngineFixture::hold());
    REQUIRE(worker.start().ok());
    const auto first = worker.begin_run();
    const auto earlier = worker.vector();
    worker.submit(first, EngineFixture::task(hold, {earlier.as(Tag::inout)}, {}, 0));
    worker.engine->seal(first);
    auto second = std::move(worker.engine->begin_run({{first}, {}})).value();
    const auto later = worker.vector();
    const TaskPtr held = worker.submit(second, EngineFixture::task(hold, {later.as(Tag::inout)}, {}, 1));
    earlier.await_begin();
    CHECK_FALSE(worker.engine->poll_run(first));
    CHECK(worker.engine->inspect([&] { return held->state; }) == TaskState::blocked);
    earlier.release();
    later.await_begin();
    CHECK(worker.engine->poll_run(first));
    later.release();
    worker.finish(second);
}

TEST_CASE(
    "the watcher of a run is written when the run finishes, at once if it has finished, and not after unwatch_run()") {
    EngineFixture worker(1);
    const CallablePtr hold = worker.add(EngineFixture::hold());
    REQUIRE(worker.start().ok());
    const UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    const UniqueFd other(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    const auto run = worker.begin_run();
    const auto vector = worker.vector();
    worker.submit(run, EngineFixture::task(hold, {vector.as(Tag::inout)}));
    worker.engine->watch_run(run, event.get());
    worker.engine->watch_run(run, other.get());
    worker.engine->unwatch_run(run, other.get());
    worker.engine->seal(run);
    CHECK_FALSE(is_raised(event.get()));
    vector.release();
    pollfd raised{event.get(), POLLIN, 0};
    CHECK(::poll(&raised, 1, 120'000) == 1);  // no thread waits for the run
    CHECK_FALSE(is_raised(other.get()));
    worker.engine->watch_run(run, other.get());
    CHECK(is_raised(other.get()));
}

TEST_CASE("the ended tasks of a stream go to the thread that takes them, and the end of the stream, too") {
    EngineFixture worker(1);
    const CallablePtr fill = worker.add(EngineFixture::fill());
    REQUIRE(worker.start().ok());
    const auto stream = worker.engine->begin_stream();
    std::size_t taken = 0;
    std::thread taker([&] {
        for (auto ended = worker.engine->take_ended(stream); !ended.empty();
             ended = worker.engine->take_ended(stream)) {
            taken += ended.size();
        }
    });
    const auto vector = worker.vector();
    for (int i = 0; i < 100; ++i) {
        worker.submit(stream, EngineFixture::task(fill, {vector.as(Tag::no_dep)}, {bits(i)}));
    }
    worker.engine->seal(stream);
    taker.join();
    CHECK(taken == 100);
}

TEST_CASE("tasks that were taken from a stream and given back are taken again, before tasks that ended later") {
    EngineFixture worker(1);
    const CallablePtr fill = worker.add(EngineFixture::fill());
    REQUIRE(worker.start().ok());
    const auto stream = worker.engine->begin_stream();
    const auto vector = worker.vector();
    const TaskPtr first = worker.submit(stream, EngineFixture::task(fill, {vector.as(Tag::no_dep)}, {0}));
    auto ended = worker.engine->take_ended(stream);
    CHECK(ended == std::vector<TaskPtr>{first});
    const TaskPtr second = worker.submit(stream, EngineFixture::task(fill, {vector.as(Tag::no_dep)}, {0}));
    worker.await(second);
    worker.engine->give_back(stream, std::move(ended));
    CHECK(worker.engine->take_ended(stream) == std::vector<TaskPtr>{first, second});
    worker.engine->seal(stream);
    CHECK(worker.engine->take_ended(stream).empty());
}

TEST_CASE("many threads wait for runs of their own, and each wakes") {
    EngineFixture worker(2);
    const CallablePtr fill = worker.add(EngineFixture::fill());
    REQUIRE(worker.start().ok());
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (int number = 0; number < 4; ++number) {
        threads.emplace_back([&, number] {
            for (int i = 0; i < 20; ++i) {
                const auto vector = worker.vector();
                const auto run = std::move(worker.engine->begin_run({})).value();
                const TaskPtr task = EngineFixture::task(fill, {vector.as(Tag::output)}, {bits(i)}, number % 2);
                wrong += worker.engine->submit(run, task, {}).ok() ? 0 : 1;
                worker.engine->seal(run);
                const Waited waited =
                    test::patiently([&] { return worker.engine->wait_for_run(run, now_ns() + test::kLongNs); });
                wrong += waited == Waited::done && vector.at(3) == i ? 0 : 1;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
}

TEST_CASE("cancelling a run withdraws tasks that have not begun, and does not wait") {
    EngineFixture worker(1);
    const CallablePtr hold = worker.add(EngineFixture::hold());
    REQUIRE(worker.start().ok());
    const auto vector = worker.vector();
    const auto run = worker.begin_run();
    const TaskPtr running = worker.submit(run, EngineFixture::task(hold, {vector.as(Tag::inout)}));
    const TaskPtr behind = worker.submit(run, EngineFixture::task(hold, {vector.as(Tag::inout)}));
    vector.await_begin();
    worker.engine->cancel(run);
    CHECK(worker.engine->poll_task(behind));
    CHECK(behind->code == Code::cancelled);
    CHECK(worker.engine->running(running));
    vector.release();
    worker.finish(run);
    CHECK(running->code == Code::ok);
}

TEST_CASE("a graph is launched with other tensors and scalars than it was recorded with") {
    EngineFixture worker(1);
    const CallablePtr fill = worker.add(EngineFixture::fill());
    REQUIRE(worker.start().ok());
    const auto recorded = worker.vector();
    const auto replacement = worker.vector();
    const auto graph = std::make_shared<CapturedGraph>();
    const std::uint32_t value = graph->add_parameter(bits(1));
    GraphNode node;
    node.callable = fill;
    node.placement = 0;
    node.args = EngineFixture::task(fill, {recorded.as(Tag::output)}, {bits(1)})->args;
    graph->add(node, {}, std::vector<CapturedGraph::ParameterUse>{{0, 0, value}});
    graph->seal();
    const auto first = worker.engine->launch(graph, {}, {});
    REQUIRE(first.ok());
    worker.finish(*first);
    CHECK(recorded.at(0) == 1);
    const auto bound = graph->bind(
        std::vector<CapturedGraph::Replacement>{{recorded.as(Tag::output).tensor, replacement.as(Tag::output).tensor}});
    REQUIRE(bound.ok());
    const GraphArguments arguments{*bound, {bits(7)}};
    const auto second = worker.engine->launch(graph, arguments, {});
    REQUIRE(second.ok());
    worker.finish(*second);
    CHECK(replacement.at(0) == 7);
    CHECK(recorded.at(0) == 1);
}

TEST_CASE("a traced engine records the times of each task's states, and the work of its chip's cores") {
    EngineOptions options;
    options.trace = true;
    EngineFixture worker(1, std::move(options));
    const CallablePtr fill = worker.add(EngineFixture::fill());
    REQUIRE(worker.start().ok());
    const auto run = worker.begin_run();
    const auto vector = worker.vector();
    worker.submit(run, EngineFixture::task(fill, {vector.as(Tag::output)}, {bits(1)}));
    worker.finish(run);
    const auto trace = worker.engine->take_trace();
    REQUIRE(trace.tasks.size() == 1);
    const TaskTimes& times = trace.tasks[0].times;
    CHECK(times.submit_ns <= times.dispatch_ns);
    CHECK(times.dispatch_ns <= times.begin_ns);
    CHECK(times.begin_ns <= times.end_ns);
    CHECK(times.end_ns <= times.complete_ns);
    CHECK_FALSE(trace.cores.empty());
    CHECK(trace.dropped == 0);
    CHECK(worker.engine->take_trace().tasks.empty());
}
