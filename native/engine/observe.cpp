// Engine: snapshots of children, counters and traces.
#include <algorithm>
#include <utility>

#include "engine/engine.h"
#include "engine/parts.h"

namespace callring {

std::vector<ChildSnapshot> Engine::children() {
    const auto held = lock();
    std::vector<ChildSnapshot> result;
    for (const ChildPtr& child : parts_->shared.scheduler.children()) {
        ChildSnapshot snapshot{child->kind,  child->id,        child->pid(),    child->incarnation,
                               child->state, child->completed, child->last_end, {}};
        for (const auto& [digest, installation] : child->ledger) {
            if (installation.installed) {
                snapshot.installed.emplace(digest, parts_->registrar.registrations(digest));
            }
        }
        result.push_back(std::move(snapshot));
    }
    return result;
}

EngineStats Engine::stats() {
    const auto held = lock();
    parts_->waits.drain();
    EngineStats stats;
    stats.tasks = parts_->shared.scheduler.counts();
    stats.pending = parts_->shared.scheduler.pending();
    stats.runs = parts_->runs.under_way();
    for (const ChildPtr& child : parts_->shared.scheduler.children()) {
        stats.restarts += child->incarnation > 0 ? child->incarnation - 1 : 0;
    }
    stats.submit_waits = parts_->submit_waits;
    stats.bytes_in_use = parts_->shared.pool->bytes_in_use();
    for (const auto& arena : parts_->shared.pool->arenas()) {
        stats.bytes_mapped += arena->size();
    }
    parts_->waits.after_progress();
    return stats;
}

EngineTrace Engine::take_trace() {
    const auto held = lock();
    parts_->waits.drain();
    EngineTrace trace;
    trace.tasks = std::exchange(parts_->shared.scheduler.task_spans, {});
    trace.cores = std::exchange(parts_->shared.scheduler.core_spans, {});
    for (const ChildPtr& child : parts_->shared.scheduler.children()) {
        trace.dropped += child->lane ? child->lane->take_spans_dropped() : 0;
    }
    parts_->waits.after_progress();
    return trace;
}

TraceGlimpse Engine::glimpse(std::uint64_t since, std::size_t most) {
    const auto without_edges = [](const TaskSpan& span) {
        const TaskTimes& at = span.times;
        return TaskSpan{span.run,    span.task,
                        span.digest, span.kind,
                        span.child,  {at.submit_ns, at.dispatch_ns, at.begin_ns, at.end_ns, at.complete_ns, {}},
                        span.code};
    };
    TraceGlimpse seen;
    const auto held = lock();
    const Scheduler& scheduler = parts_->shared.scheduler;
    const auto& spans = scheduler.task_spans;
    seen.recorded = spans.size();
    const std::uint64_t first = since > spans.size() ? 0 : since;
    const std::uint64_t fresh = spans.size() - first;
    seen.step = most == 0 ? 1 : std::max<std::uint64_t>(1, (fresh + most - 1) / most);
    // From the newest backwards, so that the newest is always included.
    for (std::uint64_t back = 0; back < fresh && most > 0; back += seen.step) {
        seen.ended.push_back(without_edges(spans[spans.size() - 1 - back]));
    }
    std::ranges::reverse(seen.ended);
    for (const ChildPtr& child : scheduler.children()) {
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

std::shared_ptr<NodeTraces> Engine::ask_for_traces() {
    const auto held = lock();
    const KeepsBooks keeps(parts_->shared.books);
    return parts_->questions.ask_for_traces();
}

}  // namespace callring
