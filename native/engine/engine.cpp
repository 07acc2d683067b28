// Engine: runs, submits and observation.
#include "engine/engine.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/event.h"
#include "lane/frame.h"

namespace callring {

Result<std::unique_ptr<Engine>> Engine::create(EngineOptions options, std::shared_ptr<MemoryPool> pool) {
    auto bell = ParentBell::create();
    if (!bell) {
        return std::move(bell).error();
    }
    auto broadcast = Broadcast::create();
    if (!broadcast) {
        return std::move(broadcast).error();
    }
    std::unique_ptr<Engine> engine(
        new Engine(std::move(options), std::move(pool), std::move(bell).value(), std::move(broadcast).value()));
    Engine* self = engine.get();
    auto supervisor = Supervisor::create(
        engine->bell_->event_fd(), engine->books_,
        {
            .on_bell = [self] { self->on_bell(); },
            .on_readable = [self](Supervisor::Key key) { return self->on_readable(key); },
            .on_writable = [self](Supervisor::Key key) { return self->on_writable(key); },
            .on_exit = [self](Supervisor::Key key, const ExitStatus& status) { self->on_exit(key, status); },
            .next_deadline = [self] { return self->next_deadline(); },
            .on_deadline = [self] { self->on_deadline(); },
            .on_torn = [self] { self->on_torn(); },
        });
    if (!supervisor) {
        return std::move(supervisor).error();
    }
    engine->supervisor_ = std::move(supervisor).value();
    engine->pool_->set_new_arena_hook([self](const std::shared_ptr<Arena>& arena) { return self->map_arena(arena); });
    return engine;
}

Engine::Engine(EngineOptions options, std::shared_ptr<MemoryPool> pool, std::unique_ptr<ParentBell> bell,
               std::unique_ptr<Broadcast> broadcast)
    : options_(std::move(options)),
      pool_(std::move(pool)),
      bell_(std::move(bell)),
      broadcast_(std::move(broadcast)),
      owner_(::getpid()),
      scheduler_(*this, std::thread::hardware_concurrency()),
      registrar_(scheduler_.children(), *broadcast_, options_.max_callables, options_.control_timeout_ns,
                 {
                     .changed = [this] { changed_.notify_all(); },
                     .condemn = [this](Child& child, const std::string& why) { condemn(child, why); },
                     .refused = [this](Child& child, const Callable& callable,
                                       const Error& error) { install_refused(child, callable, error); },
                 }) {}

void Engine::wake(Child& child) {
    child.lane->wake();
}

std::uint64_t Engine::now_ns() const noexcept {
    return callring::now_ns();
}

void Engine::on_callable_idle(const CallablePtr& callable) {
    if (callable->removing()) {
        expect_deadline(now_ns() + options_.control_timeout_ns);
        registrar_.on_idle(callable);
    }
}

void Engine::on_protocol_violation(Child& child, const std::string& what) {
    if (child.key != 0) {  // its death has not been reported yet
        protocol_violation(child, what);
    }
}

void Engine::on_run_finished(Run& run) {
    tell_watchers(run);
}

void Engine::on_deadline_set(std::uint64_t at_ns) {
    expect_deadline(at_ns);
}

Engine::~Engine() {
    if (::getpid() != owner_) {
        // A fork of the owner: the thread does not exist here and the children are not ours to end.
        [[maybe_unused]] const auto* not_ours = supervisor_.release();
        return;
    }
    if (supervisor_) {  // none: it was never made, or is closed
        static_cast<void>(close(0));
    }
}

// On the progress thread. Nothing that is known of tasks can be believed any more.
void Engine::on_torn() {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, child] : incarnations_) {
        child->kill(SIGKILL);
    }
    nudged_.store(true, std::memory_order_seq_cst);
    bell_->ring();
    changed_.notify_all();
    stream_changed_.notify_all();
}

Result<RunPtr> Engine::begin_run(const Followed& followed) {
    if (auto checked = check_memory(); !checked) {
        return std::move(checked).error();
    }
    const std::lock_guard lock(mutex_);
    const KeepsBooks keeps(books_);
    if (closing_) {
        return Error{Code::closed, "the Worker is closed"};
    }
    if (runs_under_way() >= options_.max_runs) {
        drain();
        if (const std::uint64_t runs = runs_under_way(); runs >= options_.max_runs) {
            after_progress();
            return Error{Code::too_many_runs, std::to_string(runs) + " runs are under way"};
        }
    }
    return new_run(followed);
}

RunPtr Engine::begin_stream() {
    const std::lock_guard lock(mutex_);
    const KeepsBooks keeps(books_);
    RunPtr run = new_run();
    run->stream = true;
    return run;
}

RunPtr Engine::new_run() {
    auto run = std::make_shared<Run>();
    run->id = next_run_++;
    runs_.push_back(run);
    return run;
}

RunPtr Engine::new_run(const Followed& followed) {
    RunPtr run = new_run();
    for (const RunPtr& earlier : followed.well) {
        scheduler_.follow(run, earlier, true);
    }
    for (const RunPtr& earlier : followed.anyhow) {
        scheduler_.follow(run, earlier, false);
    }
    return run;
}

// A run without owners whose tasks have ended is over, sealed or not. Streams are no runs.
std::uint64_t Engine::runs_under_way() {
    std::uint64_t count = 0;
    std::erase_if(runs_, [&count](const std::weak_ptr<Run>& earlier) {
        const RunPtr run = earlier.lock();
        const bool over = !run || run->finished();
        count += over || run->stream ? 0 : 1;
        return over;
    });
    return count;
}

void Engine::seal(const RunPtr& run) {
    const std::lock_guard lock(mutex_);
    scheduler_.seal(*run);
    after_progress();
    stream_changed_.notify_all();
}

void Engine::cancel(const RunPtr& run) {
    const std::lock_guard lock(mutex_);
    const KeepsBooks keeps(books_);
    scheduler_.cancel(*run);
    after_progress();
}

bool Engine::cancel(const TaskPtr& task) {
    const std::lock_guard lock(mutex_);
    const KeepsBooks keeps(books_);
    const bool cancelled = scheduler_.cancel(task);
    after_progress();
    return cancelled;
}

bool Engine::end_running(const TaskPtr& task, Code code) {
    const std::lock_guard lock(mutex_);
    drain();
    const bool ends = scheduler_.end_running(task, code);
    if (ends) {
        Child& child = *scheduler_.children()[static_cast<std::size_t>(task->child)];
        condemn(child, child.condemned);
    }
    after_progress();
    return ends;
}

bool Engine::signal_running(const TaskPtr& task, int signal) {
    const std::lock_guard lock(mutex_);
    drain();
    const Child* child = scheduler_.runner_of(*task);
    if (child != nullptr) {
        child->kill(signal);
    }
    after_progress();
    return child != nullptr;
}

void Engine::watch_run(const RunPtr& run, int watcher) {
    const std::lock_guard lock(mutex_);
    run->watchers.push_back(watcher);
    ++watched_runs_;
    drain();
    if (run->finished()) {
        tell_watchers(*run);
    }
    after_progress();
}

void Engine::unwatch_run(const RunPtr& run, int watcher) {
    const std::lock_guard lock(mutex_);
    watched_runs_ -= std::erase(run->watchers, watcher);
}

void Engine::tell_watchers(Run& run) {
    watched_runs_ -= run.watchers.size();
    for (const int watcher : std::exchange(run.watchers, {})) {
        raise_event(watcher);
    }
}

std::vector<ChildSnapshot> Engine::children() {
    const std::lock_guard lock(mutex_);
    std::vector<ChildSnapshot> result;
    for (const ChildPtr& child : scheduler_.children()) {
        ChildSnapshot snapshot{child->kind,  child->id,        child->pid(),    child->incarnation,
                               child->state, child->completed, child->last_end, {}};
        for (const auto& [digest, installation] : child->ledger) {
            if (installation.installed) {
                snapshot.installed.emplace(digest, registrar_.registrations(digest));
            }
        }
        result.push_back(std::move(snapshot));
    }
    return result;
}

Engine::Stats Engine::stats() {
    const std::lock_guard lock(mutex_);
    drain();
    Stats stats;
    stats.tasks = scheduler_.counts();
    stats.pending = scheduler_.pending();
    stats.runs = runs_under_way();
    for (const ChildPtr& child : scheduler_.children()) {
        stats.restarts += child->incarnation > 0 ? child->incarnation - 1 : 0;
    }
    stats.submit_waits = submit_waits_;
    stats.bytes_in_use = pool_->bytes_in_use();
    for (const auto& arena : pool_->arenas()) {
        stats.bytes_mapped += arena->size();
    }
    after_progress();
    return stats;
}

Engine::Trace Engine::take_trace() {
    const std::lock_guard lock(mutex_);
    drain();
    Trace trace;
    trace.tasks = std::exchange(scheduler_.task_spans, {});
    trace.cores = std::exchange(scheduler_.core_spans, {});
    for (const ChildPtr& child : scheduler_.children()) {
        trace.dropped += child->lane ? child->lane->take_spans_dropped() : 0;
    }
    after_progress();
    return trace;
}

Engine::Glimpse Engine::glimpse(std::uint64_t since, std::size_t most) {
    const auto without_edges = [](const TaskSpan& span) {
        const TaskTimes& at = span.times;
        return TaskSpan{span.run,    span.task,
                        span.digest, span.kind,
                        span.child,  {at.submit_ns, at.dispatch_ns, at.begin_ns, at.end_ns, at.complete_ns, {}},
                        span.code};
    };
    Glimpse seen;
    const std::lock_guard lock(mutex_);
    const auto& spans = scheduler_.task_spans;
    seen.recorded = spans.size();
    const std::uint64_t first = since > spans.size() ? 0 : since;
    const std::uint64_t fresh = spans.size() - first;
    seen.step = most == 0 ? 1 : std::max<std::uint64_t>(1, (fresh + most - 1) / most);
    // From the newest backwards, so that the newest is always there.
    for (std::uint64_t back = 0; back < fresh && most > 0; back += seen.step) {
        seen.ended.push_back(without_edges(spans[spans.size() - 1 - back]));
    }
    std::ranges::reverse(seen.ended);
    for (const ChildPtr& child : scheduler_.children()) {
        if (child->in_flight.empty() || !child->in_flight.front()->times) {
            continue;
        }
        const Task& task = *child->in_flight.front();
        const TaskTimes& at = *task.times;
        seen.begun.push_back({task.run_id,
                              task.id,
                              task.callable->spec.digest,
                              child->kind,
                              static_cast<std::int32_t>(child->index),
                              {at.submit_ns, at.dispatch_ns, 0, 0, 0, {}},
                              Code::ok});
    }
    return seen;
}

}  // namespace callring
