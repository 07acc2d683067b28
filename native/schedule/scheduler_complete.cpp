// Scheduler: completions, and the tasks that they release.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "common/tuning.h"
#include "lane/completion.h"
#include "schedule/outcome.h"
#include "schedule/receive.h"
#include "schedule/scheduler.h"
#include "task/captured_graph.h"

namespace callring {

std::size_t Scheduler::drain() {
    const Event event(over_);
    std::size_t ended = 0;
    bool subs_moved = false;
    for (const ChildPtr& child : children_) {
        if (child->state != ChildState::ready) {
            continue;
        }
        begin_burst();
        if (child->lane->has_completions()) {
            ended += drain_child(*child);
            subs_moved = subs_moved || child->kind == ChildKind::sub;
        }
        feed(*child);
        end_burst();
    }
    if (subs_moved || !sub_queue_.empty()) {
        begin_burst();
        feed_subs();
        use_idle_subs();
        end_burst();
    }
    return ended;
}

std::size_t Scheduler::drain_child(Child& child) {
    std::size_t count = 0;
    std::string wrong;
    while (const Completion* completion = child.lane->front_completion()) {
        if (!complete(child, *completion, wrong)) {
            child.lane_damaged = true;
            outside_.on_protocol_violation(child, wrong);
            break;
        }
        child.lane->pop_completion();
        ++count;
    }
    if (count == 0 && wrong.empty() && child.lane->has_completions()) {
        child.lane_damaged = true;
        outside_.on_protocol_violation(child, kLaneOverwritten);
    }
    if (count > 0) {
        const std::uint64_t now = outside_.now_ns();
        const std::uint64_t each = (now - std::min(now, child.busy_since_ns)) / count;
        child.task_ns = child.task_ns == 0 ? each : ((3 * child.task_ns) + each) / 4;
        child.busy_since_ns = now;
    }
    return count;
}

bool Scheduler::complete(Child& child, const Completion& written, std::string& wrong) {
    // Completions come in frame order, and every frame in flight that was not revoked gets exactly one. The completion
    // is copied before it is checked and used: the child may write to the lane at any moment.
    Completion completion;  // NOLINT(*-member-init): all but the payload is copied
    std::memcpy(&completion, &written, offsetof(Completion, payload));
    const auto outcome =
        child.in_flight.empty() ? std::nullopt : decode_completion(completion, child.in_flight.front()->sequence);
    if (!outcome) {
        wrong = kLaneOverwritten;
        return false;
    }
    const Task& due = *child.in_flight.front();
    Received received{outcome->code, {}, {}, nullptr};
    if (!outcome->payload.empty()) {
        received = receive(*child.lane, *outcome, std::span(written.payload).first(outcome->payload.size()));
    }
    if (received.wrong == nullptr) {
        received.wrong = wrong_outcome(child.kind, due, completion, received.code, received.payload,
                                       due.times ? outside_.now_ns() : 0);
    }
    if (received.wrong == nullptr && received.holds_extents()) {
        receive_extents(*child.lane, received);
    }
    if (received.wrong != nullptr) {
        wrong = received.wrong;
        return false;
    }
    if (due.config.trace >= 2 && !take_spans(child, due, completion, wrong)) {
        return false;
    }
    Task& task = *child.in_flight.front();
    child.in_flight.pop_front();
    ++child.completed;
    if (task.times) {
        task.times->begin_ns = completion.begin_ns;
        task.times->end_ns = completion.end_ns;
    }
    task.extents = std::move(received.extents);
    end_frame(task, received.code, std::move(received.payload));
    return true;
}

bool Scheduler::take_spans(Child& child, const Task& task, const Completion& completion, std::string& wrong) {
    while (auto span = child.lane->take_span(task.sequence)) {
        if (span->sequence == task.sequence) {
            if (span->begin_ns < completion.begin_ns || span->end_ns < span->begin_ns ||
                span->end_ns > completion.end_ns) {
                wrong = "it reported that a core worked for a task while the task did not run";
                return false;
            }
            core_spans.push_back({task.child, task.run_id, task.id, *span});
        }
    }
    return true;
}

void Scheduler::end_frame(Task& task, Code code, std::string&& payload) {
    if (task.group != nullptr) {
        end_member(task, code, std::move(payload));
    } else {
        end(task, code, std::move(payload));
    }
}

void Scheduler::end(Task& task, Code code, std::string&& payload) {
    end_one(task, code, std::move(payload));
    if (!poisoned_.empty() || !opened_.empty()) {
        settle();
    }
}

void Scheduler::settle() {
    for (;;) {
        if (!poisoned_.empty()) {
            Task& next = *poisoned_.back();
            poisoned_.pop_back();
            end_one(next, Code::skipped, {});
        } else if (!opened_.empty()) {
            const RunPtr run = std::move(opened_.back());
            opened_.pop_back();
            open(*run);
        } else {
            return;
        }
    }
}

void Scheduler::end_one(Task& task, Code code, std::string&& payload) {
    if (task.state == TaskState::blocked && task.unmet > 0) {
        --blocked_;
    }
    const bool begun_as_group = is_group(task) && task.state == TaskState::dispatched;
    task.state = TaskState::ended;
    task.code = code;
    if (!payload.empty()) {
        task.payload = std::move(payload);
    }
    task.args.reset();
    task.spill.reset();
    task.predecessors.clear();
    for (const TaskPtr& member : task.members) {
        member->group = nullptr;
        if (member->state != TaskState::ended) {  // it never began
            member->state = TaskState::ended;
            member->code = code;
            member->args.reset();
            member->spill.reset();
        }
    }
    --pending_;
    count(code);
    Run& run = *std::exchange(task.run, nullptr);
    if (++run.ended == run.accepted) {
        over_.push_back(std::move(run.self));
    }
    // The run keeps its failures, and a launch all of its tasks; the outcome of another task is kept by the caller that
    // asks for it.
    TaskPtr forgotten = run.stream || (code == Code::ok && !run.graph) ? run.tasks.remove(task.id) : nullptr;
    if (run.stream) {
        run.outbox.push_back(std::move(forgotten));
        stream_moved_ = stream_moved_ || !task.awaited || run.outbox.size() >= tuning::kQuietOutbox || run.finished();
    } else if (code == Code::skipped) {
        run.skipped.emplace_back(&task);
    } else if (code == Code::cancelled) {
        run.withdrawn = run.withdrawn ? run.withdrawn : TaskPtr(&task);
    } else if (code != Code::ok && !begun_as_group) {  // the failures of a begun group are those of its members
        run.failures.emplace_back(&task);
    }
    if (!begun_as_group) {
        record_span(task);
    } else {
        task.times.reset();
    }
    if (--task.callable->in_flight == 0) {
        outside_.on_callable_idle(task.callable);
    }
    if (run.finished()) {
        finish(run);
    }
    release_successors(task, run);
}

void Scheduler::release_successors(Task& task, Run& run) {
    if (run.graph) {
        for (const NodeId id : run.graph->successors(static_cast<NodeId>(task.id))) {
            release(*run.tasks.find(id), task);
        }
        return;
    }
    if (!task.successors.empty()) {
        for (Task* next : std::exchange(task.successors, {})) {
            release(*next, task);
        }
    }
}

// `next` waited for `ended`, and perhaps for other tasks: does the next step for it.
void Scheduler::release(Task& next, Task& ended) {
    --next.unmet;
    if (next.state == TaskState::ended) {
        return;
    }
    if (!next.predecessors.empty()) {
        std::erase(next.predecessors, &ended);
    }
    const bool is_poisoned = ended.code != Code::ok && !next.root_cause;
    if (is_poisoned) {
        next.root_cause = cause_in(ended);
    }
    if (next.state != TaskState::blocked) {
        return;  // it is in the same lane or its queue: there the child runs or skips it, or feed() handles it
    }
    if (next.unmet == 0) {
        --blocked_;
    }
    if (is_poisoned) {
        poisoned_.push_back(&next);
    } else if (next.unmet == 0 && !next.root_cause) {
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
    if (!task.times) {
        return;
    }
    const auto times = std::move(task.times);
    times->complete_ns = outside_.now_ns();
    const ChildKind kind =
        task.child < 0 ? task.callable->spec.runs_on : children_[static_cast<std::size_t>(task.child)]->kind;
    task_spans.push_back(
        {task.run_id, task.id, task.callable->spec.digest, kind, task.child, std::move(*times), task.code});
}

}  // namespace callring
