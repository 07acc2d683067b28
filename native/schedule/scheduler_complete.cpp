// Scheduler: completions, and what they release.
#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "lane/completion.h"
#include "schedule/captured_graph.h"
#include "schedule/scheduler.h"
#include "supervise/pump.h"

namespace callring {

namespace {
// So many ended tasks, each of which its waiter takes care of, may lie in an outbox before its taker is told.
constexpr std::size_t kQuietOutbox = 256;
}  // namespace

std::size_t Scheduler::drain() {
    std::size_t ended = 0;
    bool subs_moved = false;
    for (const ChildPtr& child : children_) {
        if (child->state != ChildState::ready) {
            continue;
        }
        begin_burst();
        if (child->lane->has_completions()) {
            const std::size_t taken = drain_child(*child);
            if (taken == 0) {
                on_lane_overwritten(*child);
            }
            ended += taken;
            subs_moved = subs_moved || child->kind == ChildKind::sub;
        }
        feed(*child);
        end_burst();
    }
    if (subs_moved || !sub_queue_.empty()) {
        begin_burst();
        feed_subs();
        if (sub_queue_.empty() || group_waits_for_subs()) {
            balance_subs();
        }
        end_burst();
    }
    return ended;
}

std::size_t Scheduler::drain_child(Child& child) {
    std::size_t count = 0;
    while (const Completion* completion = child.lane->front_completion()) {
        if (!complete(child, *completion)) {
            break;
        }
        child.lane->pop_completion();
        ++count;
    }
    if (count > 0) {
        const std::uint64_t now = now_ns();
        const std::uint64_t each = (now - std::min(now, child.busy_since_ns)) / count;
        child.task_ns = child.task_ns == 0 ? each : ((3 * child.task_ns) + each) / 4;
        child.busy_since_ns = now;
    }
    return count;
}

bool Scheduler::complete(Child& child, const Completion& completion) {
    // Completions come in frame order, and every frame in flight that was not revoked gets exactly one.
    if (child.in_flight.empty()) {
        return false;
    }
    const auto outcome = decode_completion(completion, child.in_flight.front()->sequence);
    if (!outcome) {
        return false;
    }
    const TaskPtr task = std::move(child.in_flight.front());
    child.in_flight.pop_front();
    ++child.completed;
    if (task->times) {
        task->times->begin_ns = completion.begin_ns;
        task->times->end_ns = completion.end_ns;
    }
    std::string payload;
    if (outcome->payload_elsewhere) {
        payload = take_payload(child, completion.sequence);
    } else {
        payload.assign(reinterpret_cast<const char*>(outcome->payload.data()), outcome->payload.size());
    }
    if (task->config.trace >= 2) {
        take_spans(child, *task);
    }
    end_frame(task, outcome->code, std::move(payload));
    return true;
}

void Scheduler::take_spans(Child& child, const Task& task) {
    while (auto span = child.lane->take_span(task.sequence)) {
        if (span->sequence == task.sequence) {
            core_spans.push_back({task.child, task.run_id, task.id, *span});
        }
    }
}

void Scheduler::end_frame(const TaskPtr& task, Code code, std::string payload) {
    if (task->group) {
        end_member(task, code, std::move(payload));
    } else {
        end(task, code, std::move(payload));
    }
}

void Scheduler::end(const TaskPtr& task, Code code, std::string payload) {
    end_one(task, code, std::move(payload));
    end_poisoned();
}

// A work list instead of recursion: a chain of dependents can be as long as the graph.
void Scheduler::end_poisoned() {
    while (!poisoned_.empty()) {
        const TaskPtr next = std::move(poisoned_.back());
        poisoned_.pop_back();
        if (next->state != TaskState::ended) {
            end_one(next, Code::skipped, {});
        }
    }
}

void Scheduler::end_one(const TaskPtr& task, Code code, std::string payload) {
    if (task->state == TaskState::blocked && task->unmet > 0) {
        --blocked_;
    }
    const bool begun_as_group = is_group(*task) && task->state == TaskState::dispatched;
    task->state = TaskState::ended;
    task->code = code;
    task->payload = std::move(payload);
    task->args.reset();
    task->spill.reset();
    task->predecessors.clear();
    for (const TaskPtr& member : task->members) {
        member->group.reset();
        if (member->state != TaskState::ended) {  // it never began
            member->state = TaskState::ended;
            member->code = code;
            member->args.reset();
            member->spill.reset();
        }
    }
    --pending_;
    count(code);
    Run& run = *std::exchange(task->run, nullptr);
    // With its last task nobody else may have the run: it lives until this returns.
    const RunPtr last = ++run.ended == run.accepted ? std::move(run.self) : nullptr;
    if (run.stream) {
        run.outbox.push_back(task);
        stream_moved_ = stream_moved_ || !task->awaited || run.outbox.size() >= kQuietOutbox || run.finished();
    } else if (code == Code::ok) {
        if (!run.graph) {
            run.tasks[task->id].reset();
        }
    } else if (code == Code::skipped) {
        run.skipped.push_back(task);
    } else if (code != Code::cancelled && !begun_as_group) {  // a group's members have told how they failed
        run.failures.push_back(task);
    }
    if (!begun_as_group) {
        record_span(*task);
    } else {
        task->times.reset();
    }
    if (--task->callable->in_flight == 0 && on_callable_idle) {
        on_callable_idle(task->callable);
    }
    if (run.finished()) {
        on_run_finished(run);
    }
    release_successors(task, run);
}

void Scheduler::release_successors(const TaskPtr& task, const Run& run) {
    if (run.graph) {
        const auto successors = run.graph->successors(static_cast<NodeId>(task->id));
        // One that cannot be dispatched any more ends at once, and may be the last of the run.
        const RunPtr keep = successors.empty() ? nullptr : run.self;
        for (const NodeId id : successors) {
            release(launched_task(run, id), task);
        }
        return;
    }
    for (const TaskPtr& next : std::exchange(task->successors, {})) {
        release(next, task);
    }
}

// `next` waited for `ended`, and perhaps for others.
void Scheduler::release(const TaskPtr& next, const TaskPtr& ended) {
    --next->unmet;
    if (next->state == TaskState::ended) {
        return;
    }
    if (ended->code != Code::ok && !next->root_cause) {
        next->root_cause = ended->root_cause ? ended->root_cause : ended;
    }
    if (next->state != TaskState::blocked) {
        return;  // follows in the same lane, or in the queue for it: the child runs or skips it, or feed() does
    }
    if (next->root_cause) {
        if (next->unmet == 0) {
            --blocked_;
        }
        poisoned_.push_back(next);
    } else if (next->unmet == 0) {
        --blocked_;
        dispatch(next);
    }
}

void Scheduler::count(Code code) noexcept {
    switch (code) {
        case Code::ok:
            ++counts_.done;
            return;
        case Code::skipped:
            ++counts_.skipped;
            return;
        case Code::cancelled:
            ++counts_.cancelled;
            return;
        case Code::task_timeout:
            ++counts_.timed_out;
            return;
        case Code::worker_lost:
        case Code::given_up:
            ++counts_.lost;
            return;
        default:
            ++counts_.failed;
    }
}

void Scheduler::record_span(Task& task) {
    if (const auto times = std::move(task.times)) {
        times->complete_ns = now_ns();
        const ChildKind kind =
            task.child < 0 ? task.callable->spec.runs_on : children_[static_cast<std::size_t>(task.child)]->kind;
        task_spans.push_back(
            {task.run_id, task.id, task.callable->spec.digest, kind, task.child, std::move(*times), task.code});
    }
}

}  // namespace callring
