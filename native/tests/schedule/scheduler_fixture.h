// One Scheduler with children that the test plays: both ends of each lane are here, in one thread, and time passes only
// when the test advances it. The scheduler's books are checked after each event; the fixture's destructor ends all
// accepted tasks, and checks that nothing is left of them.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "lane/bell.h"
#include "lane/child_lane.h"
#include "lane/frame.h"
#include "lane/task_failure.h"
#include "memory/pool.h"
#include "schedule/scheduler.h"
#include "task/captured_graph.h"

namespace callring::test {

// The options of a task.
struct Wanted {
    std::int32_t on = kAnyChild;
    std::vector<TaskPtr> after;
    std::uint32_t retries = 0;
    std::uint64_t deadline_ns = 0;
    std::uint32_t trace = 0;
    std::vector<TensorArg> tensors;
    bool awaited = false;
};

class SchedulerFixture final : private Surroundings {
public:
    explicit SchedulerFixture(std::uint32_t chips, std::uint32_t subs = 0, std::uint32_t capacity = 4,
                              std::size_t cores = 64)
        : scheduler(*this, cores), capacity_(capacity) {
        callable->registrations = 1;
        callable->spec.digest.at(0) = std::byte{1};
        for (std::uint32_t i = 0; i < chips + subs; ++i) {
            add_child(i < chips ? ChildKind::chip : ChildKind::sub);
        }
    }
    SchedulerFixture(const SchedulerFixture&) = delete;
    SchedulerFixture& operator=(const SchedulerFixture&) = delete;
    ~SchedulerFixture() {
        for (const RunPtr& run : runs) {
            scheduler.seal(*run);
        }
        for (std::int32_t index = 0; index < static_cast<std::int32_t>(ends_.size()); ++index) {
            if (child(index).has_a_future()) {
                lose_for_good(index);
            }
        }
        CHECK(scheduler.pending() == 0);
        CHECK_FALSE(scheduler.needs_progress());
        CHECK(callable->in_flight == 0);
        for (const RunPtr& run : runs) {
            CHECK(run->finished());
            CHECK(std::count(finished.begin(), finished.end(), run->id) == 1);
            CHECK_FALSE(run->self);
        }
    }

    // ---- the parent ----

    RunPtr begin_run(bool stream = false) {
        auto run = std::make_shared<Run>();
        run->id = runs.size() + 1;
        run->stream = stream;
        runs.push_back(run);
        return run;
    }

    void fill(Task& task, const Wanted& wanted) const {
        task.callable = callable;
        task.placement = wanted.on;
        task.config.retries = wanted.retries;
        task.config.deadline_ns = wanted.deadline_ns;
        task.config.trace = wanted.trace;
        task.awaited = wanted.awaited;
        auto args = std::make_shared<TaskArgs>();
        args->tensors = wanted.tensors;
        task.argument_bytes = static_cast<std::uint32_t>(argument_bytes(*args));
        task.args = std::move(args);
    }
    [[nodiscard]] TaskPtr make_task(const Wanted& wanted) const {
        auto task = allocate_task();
        fill(*task, wanted);
        return task;
    }
    [[nodiscard]] TaskPtr make_group(const std::vector<Wanted>& members) const {
        auto group = allocate_task();
        fill(*group, {.trace = members.front().trace});
        for (const Wanted& wanted : members) {
            group->members.push_back(make_task(wanted));
            group->members.back()->group = group.get();
        }
        group->open_members = static_cast<std::uint32_t>(members.size());
        return group;
    }

    Result<void> try_submit(const RunPtr& run, const TaskPtr& task, const std::vector<TaskPtr>& after = {}) {
        auto accepted = scheduler.submit(run, task, after);
        check();
        return accepted;
    }
    TaskPtr submit(const RunPtr& run, const Wanted& wanted = {}) {
        const TaskPtr task = make_task(wanted);
        REQUIRE(try_submit(run, task, wanted.after).ok());
        return task;
    }
    std::vector<TaskPtr> submit_many(const RunPtr& run, std::size_t count, const Wanted& wanted = {}) {
        std::vector<TaskPtr> tasks;
        for (std::size_t i = 0; i < count; ++i) {
            tasks.push_back(submit(run, wanted));
        }
        return tasks;
    }
    TaskPtr submit_group(const RunPtr& run, const std::vector<Wanted>& members,
                         const std::vector<TaskPtr>& after = {}) {
        const TaskPtr group = make_group(members);
        REQUIRE(try_submit(run, group, after).ok());
        return group;
    }
    void seal(const RunPtr& run) {
        scheduler.seal(*run);
        check();
    }
    void cancel(const RunPtr& run) {
        scheduler.cancel(*run);
        check();
    }
    // The parent takes the completions, and no task that could run waits afterwards.
    std::size_t drain() {
        const std::size_t ended = scheduler.drain();
        check();
        CHECK(scheduler.starvation() == "");
        return ended;
    }
    void pass(std::uint64_t ns) { now_ += ns; }
    // As the engine does when a deadline is due. Returns whether the child has to be ended.
    bool expire(std::int32_t index, std::uint64_t patience_ns = UINT64_C(10'000'000'000)) {
        const bool over = scheduler.expire(child(index), now_, patience_ns);
        check();
        return over;
    }
    void share_out() {
        scheduler.share_out();
        check();
    }

    [[nodiscard]] std::uint64_t now_ns() const noexcept override { return now_; }

    // ---- the children ----

    std::int32_t add_child(ChildKind kind) {
        auto child = std::make_shared<Child>();
        child->index = child->id = static_cast<std::uint32_t>(ends_.size());
        child->kind = kind;
        scheduler.add_child(child);
        ends_.emplace_back();
        headers_.push_back(nullptr);
        woken.push_back(0);
        start(static_cast<std::int32_t>(child->index));
        return static_cast<std::int32_t>(child->index);
    }
    [[nodiscard]] Child& child(std::int32_t index) { return *scheduler.children()[static_cast<std::size_t>(index)]; }
    [[nodiscard]] ChildLane& end(std::int32_t index) { return *ends_[static_cast<std::size_t>(index)]; }

    // The child claims its next frame. Returns that frame's task; null if there is none to execute.
    TaskPtr claim(std::int32_t index) {
        const Frame* const frame = end(index).try_next();
        if (frame == nullptr) {
            return nullptr;
        }
        for (Task* task : child(index).in_flight) {
            if (task->sequence == frame->sequence) {
                return begun.emplace_back(task);
            }
        }
        FAIL("a frame was claimed that is not in flight");
        return nullptr;
    }
    // The child completes the frame that it has claimed, which took no time.
    void complete(std::int32_t index, std::string_view payload = {}) {
        end(index).complete(Code::ok, now_, now_, std::as_bytes(std::span(payload)));
    }
    void fail(std::int32_t index) {
        const bool chip = child(index).kind == ChildKind::chip;
        // An exception is four texts, here empty ones.
        const std::string said = chip ? encode_kernel_failure({1, 0, "kernel", "message"}) : std::string(16, '\0');
        end(index).complete(chip ? Code::kernel_failed : Code::python_exception, now_, now_,
                            std::as_bytes(std::span(said)));
    }
    // The child executes all frames in its lane. Returns their tasks.
    std::vector<TaskPtr> work(std::int32_t index) {
        std::vector<TaskPtr> done;
        while (const TaskPtr task = claim(index)) {
            complete(index);
            done.push_back(task);
        }
        return done;
    }
    // Every child works until there is nothing left to do. Returns the tasks in the order in which they began.
    std::vector<TaskPtr> work_all() {
        std::vector<TaskPtr> done;
        for (bool moved = true; moved;) {
            moved = false;
            for (std::int32_t index = 0; index < static_cast<std::int32_t>(ends_.size()); ++index) {
                if (child(index).state == ChildState::ready) {
                    const auto some = work(index);
                    done.insert(done.end(), some.begin(), some.end());
                    moved = moved || !some.empty();
                }
            }
            const auto before = woken;
            moved = drain() > 0 || moved || woken != before;
        }
        return done;
    }
    // The child announces that it sleeps.
    void sleep(std::int32_t index) { header(index).child_asleep.store(1); }
    [[nodiscard]] LaneHeader& header(std::int32_t index) { return *headers_[static_cast<std::size_t>(index)]; }

    // The child's process has ended; start() replaces it later.
    void die(std::int32_t index) {
        child(index).state = ChildState::starting;
        child(index).condemned.clear();
        scheduler.child_lost(child(index), end_of(index));
        check();
    }
    [[nodiscard]] ChildEnd end_of(std::int32_t index) {
        return {.child = child(index).name(), .status = {true, 0, 9}, .pid = 7};
    }
    void lose_for_good(std::int32_t index) {
        child(index).state = ChildState::lost;
        child(index).condemned.clear();
        ChildEnd end = end_of(index);
        scheduler.child_lost(child(index), end);
        end.given_up = GivenUp{1, 60'000'000'000, true};
        child(index).last_end = std::make_shared<const ChildEnd>(end);
        scheduler.give_up(child(index), end);
        check();
    }
    void start(std::int32_t index) {
        Child& each = child(index);
        each.lane = std::move(ParentLane::create(capacity_, 8)).value();
        ends_[each.index] =
            std::move(ChildLane::attach(UniqueFd::copy_of(each.lane->fd()), UniqueFd::copy_of(bell_->fd()),
                                        UniqueFd::copy_of(bell_->event_fd())))
                .value();
        // The first frame of a new lane lies right behind its header.
        headers_[each.index] =
            reinterpret_cast<LaneHeader*>(reinterpret_cast<std::byte*>(&each.lane->reserve()) - frames_offset());
        ++each.incarnation;
        each.completed_before = each.completed;
        each.state = ChildState::ready;
        scheduler.child_ready(each);
        check();
    }

    // ---- memory ----

    // A buffer of `elements` elements of float32, and an argument that uses some of them.
    [[nodiscard]] std::shared_ptr<Buffer> allocate(std::uint64_t elements = 16) {
        return std::move(pool_->allocate(elements * 4)).value();
    }
    [[nodiscard]] static TensorArg use(const std::shared_ptr<Buffer>& buffer, Tag tag, std::uint64_t from = 0,
                                       std::uint64_t count = 16) {
        TensorArg argument;
        argument.tensor.buffer = buffer;
        argument.tensor.offset = buffer->offset() + (from * 4);
        argument.tensor.rank = 1;
        argument.tensor.shape[0] = static_cast<std::int64_t>(count);
        argument.tensor.strides[0] = 1;
        argument.tag = tag;
        return argument;
    }

    // Checks that the scheduler's books agree with each other.
    void check() const { CHECK(scheduler.contradiction(runs) == ""); }

    std::vector<TaskPtr> begun;            // in the order in which children began them
    std::vector<std::uint64_t> finished;   // runs that the scheduler reported as finished
    std::vector<std::string> violations;   // of the protocol
    std::vector<std::uint64_t> deadlines;  // that the scheduler reported
    std::vector<std::size_t> woken;        // how often each child was woken
    std::size_t idle_callables = 0;
    std::vector<RunPtr> runs;
    CallablePtr callable = std::make_shared<Callable>();
    Scheduler scheduler;

private:
    void wake(Child& child) override {
        ++woken[child.index];
        child.lane->wake();
    }
    void on_callable_idle(const CallablePtr& idle) override {
        CHECK(idle->in_flight == 0);
        ++idle_callables;
    }
    void on_protocol_violation(Child& child, const std::string& what) override {
        violations.push_back(what);
        if (child.state == ChildState::ready) {  // otherwise the process has ended
            child.condemned = what;
        }
    }
    void on_run_finished(Run& run) override {
        CHECK(run.finished());
        finished.push_back(run.id);
    }
    void on_deadline_set(std::uint64_t at_ns) override { deadlines.push_back(at_ns); }

    const std::uint32_t capacity_;
    std::uint64_t now_ = callring::now_ns();  // on the clock of the children's times
    std::shared_ptr<MemoryPool> pool_ = std::make_shared<MemoryPool>(1U << 20U, 1U << 24U);
    std::unique_ptr<ParentBell> bell_ = std::move(ParentBell::create()).value();
    std::vector<std::unique_ptr<ChildLane>> ends_;
    std::vector<LaneHeader*> headers_;
};

inline std::vector<Code> codes_of(const std::vector<TaskPtr>& tasks) {
    std::vector<Code> codes;
    for (const TaskPtr& task : tasks) {
        CHECK(task->state == TaskState::ended);
        codes.push_back(task->code);
    }
    return codes;
}

}  // namespace callring::test
