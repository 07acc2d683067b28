// Engine: the calls that wait, for tasks by engine/wait_loop.h, for children's answers by engine/questions.h.
#include <utility>

#include "engine/engine.h"
#include "engine/parts.h"

namespace callring {

std::vector<TaskPtr> Engine::take_ended(const RunPtr& stream) {
    auto held = lock();
    return parts_->waits.take_ended(held, *stream);
}

void Engine::give_back(const RunPtr& stream, std::vector<TaskPtr> ended) noexcept {
    const auto held = lock();
    const KeepsBooks keeps(parts_->shared.books);
    ended.insert(ended.end(), stream->outbox.begin(), stream->outbox.end());
    stream->outbox = std::move(ended);
}

bool Engine::torn() const noexcept {
    return parts_->shared.books.torn;
}

void Engine::hand_over(const TaskPtr& task) {
    const auto held = lock();
    task->awaited = false;
    parts_->waits.tell_takers();
}

bool Engine::running(const TaskPtr& task) {
    const auto held = lock();
    return task->state == TaskState::dispatched &&
           parts_->shared.scheduler.children()[static_cast<std::size_t>(task->child)]->lane->claimed(task->sequence);
}

Waited Engine::wait_for_run(const RunPtr& run, std::optional<std::uint64_t> deadline_ns) {
    auto held = lock();
    return parts_->waits.wait(held, [&] { return run->finished(); }, deadline_ns, true);
}

Waited Engine::wait_for_task(const TaskPtr& task, std::optional<std::uint64_t> deadline_ns) {
    auto held = lock();
    task->awaited = true;
    const Waited waited = parts_->waits.wait(held, [&] { return task->state == TaskState::ended; }, deadline_ns, true);
    task->awaited = waited == Waited::interrupted;
    return waited;
}

void Engine::count_wait() {
    const auto held = lock();
    ++parts_->submit_waits;
}

Waited Engine::wait_for_room(std::uint64_t deadline_ns) {
    auto held = lock();
    const Shared& shared = parts_->shared;
    const auto room = [&] { return shared.closing || shared.scheduler.pending() < shared.options.max_pending_tasks; };
    return parts_->waits.wait(held, room, deadline_ns);
}

Waited Engine::wait_for_progress(std::uint64_t ended, std::uint64_t deadline_ns) {
    auto held = lock();
    const Shared& shared = parts_->shared;
    const auto moved = [&] {
        const Scheduler& scheduler = shared.scheduler;
        return shared.closing || scheduler.pending() == 0 || scheduler.counts().accepted - scheduler.pending() > ended;
    };
    return parts_->waits.wait(held, moved, deadline_ns);
}

Waited Engine::wait_for_run_slot(std::uint64_t deadline_ns) {
    auto held = lock();
    const Shared& shared = parts_->shared;
    const auto slot = [&] { return shared.closing || parts_->runs.under_way() < shared.options.max_runs; };
    return parts_->waits.wait(held, slot, deadline_ns);
}

bool Engine::poll_run(const RunPtr& run) {
    const auto held = lock();
    parts_->waits.drain();
    parts_->waits.after_progress();
    return run->finished();
}

bool Engine::poll_task(const TaskPtr& task) {
    const auto held = lock();
    parts_->waits.drain();
    parts_->waits.after_progress();
    return task->state == TaskState::ended;
}

Waited Engine::wait_for_operation(const OperationPtr& operation) {
    auto held = lock();
    return parts_->questions.wait(held, [&] { return operation->settled(); });
}

Waited Engine::wait_for_traces(const std::shared_ptr<NodeTraces>& asked) {
    auto held = lock();
    return parts_->questions.wait(held, [&] { return asked->open == 0; });
}

}  // namespace callring
