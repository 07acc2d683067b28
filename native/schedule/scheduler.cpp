#include "schedule/scheduler.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/clock.h"
#include "graph/task_hazards.h"
#include "lane/frame.h"
#include "supervise/pump.h"

namespace callring {

namespace {
// So many ended tasks, each of which its waiter takes care of, may lie in an outbox before its taker is told.
constexpr std::size_t kQuietOutbox = 256;
}  // namespace

void Scheduler::add_child(ChildPtr child) {
    children_.push_back(std::move(child));
}

bool Scheduler::all_given_up(ChildKind kind) const {
    return std::none_of(children_.begin(), children_.end(), [kind](const ChildPtr& child) {
        return child->kind == kind && (child->state == ChildState::ready || child->state == ChildState::starting);
    });
}

// ---- accepting ------------------------------------------------------------------------------------------------------

Result<void> Scheduler::submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after) {
    if (task->placement != kAnyChild) {
        const Child& child = *children_[static_cast<std::size_t>(task->placement)];
        if (child.state == ChildState::lost || child.state == ChildState::closed) {
            return Error{Code::given_up, child.name() + " " + child.last_exit};
        }
    } else if (all_given_up(ChildKind::sub)) {
        return Error{Code::given_up, "every sub-worker was given up"};
    }

    task->id = run->accepted++;
    task->run = run;
    task->run_id = run->id;
    if (trace_) {
        task->times = std::make_unique<TaskTimes>();
        task->times->submit_ns = now_ns();
    }
    ++pending_;
    ++task->callable->in_flight;
    if (run->stream) {
        if (run->cancelled) {
            end(task, Code::cancelled, {});
        } else {
            dispatch(task);
        }
        return {};
    }
    run->tasks.push_back(task);

    std::vector<std::uint64_t> ids;
    collect_hazards(*run, *task, ids);
    std::vector<TaskPtr> predecessors;
    predecessors.reserve(ids.size() + after.size());
    for (const std::uint64_t id : ids) {
        if (run->tasks[id]) {
            predecessors.push_back(run->tasks[id]);
        }
    }
    for (const TaskPtr& earlier : after) {
        if (std::find(predecessors.begin(), predecessors.end(), earlier) == predecessors.end()) {
            predecessors.push_back(earlier);
        }
    }

    std::vector<TaskPtr> unmet;
    for (const TaskPtr& earlier : predecessors) {
        if (earlier->state != TaskState::ended) {
            unmet.push_back(earlier);
        } else if (earlier->code != Code::ok && !task->root_cause) {
            task->root_cause = earlier->root_cause ? earlier->root_cause : earlier;
        }
    }
    if (run->cancelled) {
        end(task, Code::cancelled, {});
        return {};
    }
    if (task->root_cause) {
        end(task, Code::skipped, {});
        return {};
    }
    for (const TaskPtr& earlier : unmet) {
        if (trace_) {
            task->times->waited_for.push_back(earlier->id);
        }
        earlier->successors.push_back(task);
    }
    task->unmet = static_cast<std::uint32_t>(unmet.size());
    if (unmet.empty()) {
        dispatch(task);
    } else if (!dispatch_behind_predecessors(task, unmet)) {
        ++blocked_;
    }
    return {};
}

void Scheduler::collect_hazards(Run& run, const Task& task, std::vector<std::uint64_t>& predecessors) {
    const auto forgettable = [&run](std::uint64_t id) { return run.tasks[id] == nullptr; };
    record_task(run.hazards, task.id, task.args, predecessors, forgettable);
}

// ---- dispatching ----------------------------------------------------------------------------------------------------

void Scheduler::dispatch(const TaskPtr& task) {
    task->state = TaskState::ready;
    ++queued_;
    if (task->placement != kAnyChild) {
        Child& child = *children_[static_cast<std::size_t>(task->placement)];
        child.backlog.push_back(task);
        feed(child);
    } else {
        sub_queue_.push_back(task);
        feed_subs();
    }
}

// A lane executes in order: when all unmet predecessors are in flight on one child that may run the task, it follows
// them at once, without a round trip, and the child skips it if one of them fails.
bool Scheduler::dispatch_behind_predecessors(const TaskPtr& task, const std::vector<TaskPtr>& predecessors) {
    if (predecessors.size() > kMaxPredecessors) {
        return false;
    }
    const std::int32_t where = predecessors.front()->child;
    for (const TaskPtr& earlier : predecessors) {
        if (earlier->state != TaskState::dispatched || earlier->child != where) {
            return false;
        }
    }
    Child& child = *children_[static_cast<std::size_t>(where)];
    const bool allowed = task->placement == kAnyChild ? child.kind == ChildKind::sub : task->placement == where;
    if (!allowed || !child.backlog.empty() || !child.ledger.usable(task->callable->spec.digest)) {
        return false;
    }
    const std::uint64_t oldest =
        std::min_element(predecessors.begin(), predecessors.end(),
                         [](const TaskPtr& a, const TaskPtr& b) { return a->sequence < b->sequence; })
            ->get()
            ->sequence;
    if (child.lane->next_sequence() - oldest > kMaxPredecessorDistance || child.lane->full()) {
        return false;
    }
    task->pinned = true;
    push(child, task, predecessors);
    child.lane->wake();
    return true;
}

void Scheduler::push(Child& child, const TaskPtr& task, const std::vector<TaskPtr>& predecessors) {
    Frame& frame = child.lane->reserve();
    frame.run = task->run_id;
    frame.config = FrameConfig{task->block_count, trace_ ? kFrameTraced : 0U, {}};
    for (std::size_t i = 0; i < predecessors.size(); ++i) {
        frame.config.predecessors.at(i) = static_cast<std::uint32_t>(frame.sequence - predecessors[i]->sequence);
    }
    frame.digest = task->callable->spec.digest;
    if (task->opaque) {
        frame.config.flags |= kFrameOpaque;
    }
    if (task->spill) {
        frame.config.flags |= kFrameSpilled;
        const SpillRecord spill{task->spill->arena_id(), task->argument_bytes, task->spill->offset()};
        std::memcpy(frame.arguments.data(), &spill, sizeof spill);
    } else {
        encode_arguments(task->args, frame.arguments);
    }
    if (trace_) {
        task->times->dispatch_ns = now_ns();
    }
    task->state = TaskState::dispatched;
    task->child = static_cast<std::int32_t>(child.index);
    task->sequence = frame.sequence;
    child.in_flight.push_back(task);
    child.lane->publish();
}

void Scheduler::feed(Child& child) {
    bool pushed = false;
    while (child.state == ChildState::ready && !child.backlog.empty() && !child.lane->full() &&
           child.ledger.usable(child.backlog.front()->callable->spec.digest)) {
        const TaskPtr task = std::move(child.backlog.front());
        child.backlog.pop_front();
        --queued_;
        push(child, task, {});
        pushed = true;
    }
    if (pushed) {
        child.lane->wake();
    }
}

Child* Scheduler::least_busy_sub(const Digest& digest) {
    Child* best = nullptr;
    for (const ChildPtr& child : children_) {
        if (child->kind == ChildKind::sub && child->state == ChildState::ready && !child->lane->full() &&
            child->ledger.usable(digest) && (best == nullptr || child->in_flight.size() < best->in_flight.size())) {
            best = child.get();
        }
    }
    return best;
}

void Scheduler::feed_subs() {
    while (!sub_queue_.empty()) {
        Child* child = least_busy_sub(sub_queue_.front()->callable->spec.digest);
        if (child == nullptr) {
            return;
        }
        const TaskPtr task = std::move(sub_queue_.front());
        sub_queue_.pop_front();
        --queued_;
        push(*child, task, {});
        child->lane->wake();
    }
}

// A frame queued behind a long task must not wait while another sub-worker idles: the idle one takes half of what the
// busiest has not begun. Revoking is a compare-and-swap on the frame, so nothing can run twice.
void Scheduler::balance_subs() {
    for (const ChildPtr& idle : children_) {
        if (idle->kind != ChildKind::sub || idle->state != ChildState::ready || !idle->in_flight.empty()) {
            continue;
        }
        Child* busiest = nullptr;
        for (const ChildPtr& child : children_) {
            if (child->kind == ChildKind::sub && child->state == ChildState::ready && child->in_flight.size() > 1 &&
                (busiest == nullptr || child->in_flight.size() > busiest->in_flight.size())) {
                busiest = child.get();
            }
        }
        if (busiest == nullptr) {
            return;
        }
        std::vector<TaskPtr> moved;
        const std::size_t share = busiest->in_flight.size() / 2;
        while (moved.size() < share && !busiest->in_flight.back()->pinned &&
               idle->ledger.usable(busiest->in_flight.back()->callable->spec.digest) &&
               busiest->lane->revoke(busiest->in_flight.back()->sequence)) {
            moved.push_back(std::move(busiest->in_flight.back()));
            busiest->in_flight.pop_back();
        }
        std::reverse(moved.begin(), moved.end());
        for (const TaskPtr& task : moved) {
            push(*idle, task, {});
        }
        if (!moved.empty()) {
            idle->lane->wake();
        }
    }
}

// ---- completing -----------------------------------------------------------------------------------------------------

std::size_t Scheduler::drain() {
    std::size_t ended = 0;
    bool subs_moved = false;
    for (const ChildPtr& child : children_) {
        if (child->state != ChildState::ready) {
            continue;
        }
        if (child->lane->has_completions()) {
            ended += drain_child(*child);
            subs_moved = subs_moved || child->kind == ChildKind::sub;
        }
        feed(*child);
    }
    if (subs_moved || !sub_queue_.empty()) {
        feed_subs();
        if (sub_queue_.empty()) {
            balance_subs();
        }
    }
    return ended;
}

std::size_t Scheduler::drain_child(Child& child) {
    std::size_t count = 0;
    while (const Completion* completion = child.lane->front_completion()) {
        complete(child, *completion);
        child.lane->pop_completion();
        ++count;
    }
    return count;
}

void Scheduler::complete(Child& child, const Completion& completion) {
    // Completions come in frame order, and every frame in flight that was not revoked gets exactly one.
    if (child.in_flight.empty() || child.in_flight.front()->sequence != completion.sequence) {
        return;
    }
    const TaskPtr task = std::move(child.in_flight.front());
    child.in_flight.pop_front();
    ++child.completed;
    std::string payload;
    if ((completion.flags & kPayloadElsewhere) != 0) {
        payload = take_payload(child, completion.sequence);
    } else {
        const std::size_t bytes = std::min<std::size_t>(completion.payload_bytes, completion.payload.size());
        payload.assign(reinterpret_cast<const char*>(completion.payload.data()), bytes);
    }
    if (trace_) {
        task->times->begin_ns = completion.begin_ns;
        task->times->end_ns = completion.end_ns;
        take_spans(child, *task);
    }
    end(task, static_cast<Code>(completion.code), std::move(payload));
}

void Scheduler::take_spans(Child& child, const Task& task) {
    while (auto span = child.lane->take_span(task.sequence)) {
        if (span->sequence == task.sequence) {
            core_spans.push_back({task.child, task.run_id, task.id, *span});
        }
    }
}

void Scheduler::end(const TaskPtr& task, Code code, std::string payload) {
    end_one(task, code, std::move(payload));
    // A work list instead of recursion: a chain of dependents can be as long as the graph.
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
    task->state = TaskState::ended;
    task->code = code;
    task->payload = std::move(payload);
    task->args = {};
    task->spill.reset();
    --pending_;
    const RunPtr owner = std::move(task->run);
    Run& run = *owner;
    ++run.ended;
    if (run.stream) {
        run.outbox.push_back(task);
        stream_moved_ = stream_moved_ || !task->awaited || run.outbox.size() >= kQuietOutbox || run.finished();
    } else if (code == Code::ok) {
        run.tasks[task->id].reset();
    } else if (code == Code::skipped) {
        run.skipped.push_back(task);
    } else if (code != Code::cancelled) {
        run.failures.push_back(task);
    }
    if (trace_) {
        task->times->complete_ns = now_ns();
        const ChildKind kind =
            task->child < 0 ? task->callable->spec.runs_on : children_[static_cast<std::size_t>(task->child)]->kind;
        task_spans.push_back(
            {task->run_id, task->id, task->callable->spec.digest, kind, task->child, std::move(*task->times), code});
        task->times.reset();
    }
    if (--task->callable->in_flight == 0 && on_callable_idle) {
        on_callable_idle(task->callable);
    }
    for (const TaskPtr& next : std::exchange(task->successors, {})) {
        --next->unmet;
        if (next->state == TaskState::ended) {
            continue;
        }
        if (code != Code::ok && !next->root_cause) {
            next->root_cause = task->root_cause ? task->root_cause : task;
        }
        if (next->state != TaskState::blocked) {
            continue;  // follows in the same lane: the child runs or skips it
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
}

// ---- losing and cancelling ------------------------------------------------------------------------------------------

void Scheduler::child_lost(Child& child, const std::string& why) {
    drain_child(child);
    const std::deque<TaskPtr> in_flight = std::exchange(child.in_flight, {});
    std::vector<TaskPtr> back;
    for (const TaskPtr& task : in_flight) {
        task->pinned = false;
        if (child.lane->claimed(task->sequence)) {
            if (task->retries == 0) {
                end(task, Code::worker_lost, why);
                continue;
            }
            --task->retries;
        }
        if (task->root_cause) {
            end(task, Code::skipped, {});
        } else if (task->unmet > 0) {
            task->state = TaskState::blocked;
            ++blocked_;
        } else {
            back.push_back(task);
        }
    }
    // In front of what waits already, in their order.
    for (auto task = back.rbegin(); task != back.rend(); ++task) {
        put_back(child, *task);
    }
    if (!sub_queue_.empty()) {
        feed_subs();
    }
}

void Scheduler::put_back(Child& child, const TaskPtr& task) {
    task->state = TaskState::ready;
    ++queued_;
    (task->placement == kAnyChild ? sub_queue_ : child.backlog).push_front(task);
}

void Scheduler::child_ready(Child& child) {
    feed(child);
    if (child.kind == ChildKind::sub) {
        feed_subs();
        if (sub_queue_.empty()) {
            balance_subs();
        }
    }
}

void Scheduler::give_up(Child& child, const std::string& why) {
    abandon_queue(child.backlog, why);
    if (child.kind == ChildKind::sub && all_given_up(ChildKind::sub)) {
        abandon_queue(sub_queue_, why);
    }
}

void Scheduler::abandon_queue(std::deque<TaskPtr>& queue, const std::string& why) {
    for (const TaskPtr& task : std::exchange(queue, {})) {
        --queued_;
        end(task, Code::given_up, why);
    }
}

void Scheduler::cancel(Run& run) {
    run.cancelled = true;
    std::vector<TaskPtr> tasks;
    if (run.stream) {
        collect_accepted(run, tasks);
    } else {
        tasks.assign(run.tasks.begin(), run.tasks.end());
    }
    for (const TaskPtr& task : tasks) {
        if (task) {
            static_cast<void>(cancel(task));
        }
    }
}

// Newest first: what waits is withdrawn from the end of its queue.
void Scheduler::collect_accepted(const Run& run, std::vector<TaskPtr>& tasks) const {
    const auto collect = [&](const std::deque<TaskPtr>& queue) {
        std::copy_if(queue.rbegin(), queue.rend(), std::back_inserter(tasks),
                     [&run](const TaskPtr& task) { return task->run.get() == &run; });
    };
    collect(sub_queue_);
    for (const ChildPtr& child : children_) {
        collect(child->backlog);
        collect(child->in_flight);
    }
}

bool Scheduler::cancel(const TaskPtr& task) {
    const auto take_out = [&task](std::deque<TaskPtr>& queue) {
        const auto found = std::find(queue.rbegin(), queue.rend(), task);
        queue.erase(std::next(found).base());
    };
    switch (task->state) {
        case TaskState::ended:
            return false;
        case TaskState::blocked:
            break;
        case TaskState::dispatched: {
            Child& child = *children_[static_cast<std::size_t>(task->child)];
            if (!child.lane->revoke(task->sequence)) {
                return false;  // it has begun and will end by itself
            }
            take_out(child.in_flight);
            break;
        }
        case TaskState::ready:
            take_out(task->placement == kAnyChild ? sub_queue_
                                                  : children_[static_cast<std::size_t>(task->placement)]->backlog);
            --queued_;
            break;
    }
    end(task, Code::cancelled, {});
    return true;
}

}  // namespace callring
