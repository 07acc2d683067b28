// Machine: a Scheduler whose children are played in this thread. Real lanes, and a child's real end of each; tasks are
// executed, completed, lost and replaced when the test says so, and every execution is checked against the graph.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lane/bell.h"
#include "lane/child_lane.h"
#include "lane/frame.h"
#include "schedule/captured_graph.h"
#include "schedule/scheduler.h"

namespace callring::test {

// What the test knows of one frame: a task, or a member of a group.
struct Part {
    TaskPtr task;
    std::vector<std::size_t> after;  // parts that must have been executed well before it
    std::uint32_t retries = 0;
    std::uint32_t begun = 0;
    std::vector<RunPtr> follows;  // runs that must have ended before it
    bool done = false;            // executed well, the last time
};

class Machine {
public:
    static constexpr std::uint32_t kCapacity = 8;

    Machine(std::size_t chips, std::size_t subs) : bell_(std::move(ParentBell::create()).value()) {
        scheduler.on_callable_idle = [](const CallablePtr&) {};
        scheduler.on_run_finished = [this](Run&) { ++runs_finished; };
        scheduler.on_deadline_set = [](std::uint64_t) {};
        scheduler.on_protocol_violation = [](Child&, const std::string& what) { FAIL(what); };
        for (std::size_t i = 0; i < chips + subs; ++i) {
            auto child = std::make_shared<Child>();
            child->index = static_cast<std::uint32_t>(i);
            child->id = static_cast<std::uint32_t>(i);
            child->kind = i < chips ? ChildKind::chip : ChildKind::sub;
            scheduler.add_child(child);
            others_.emplace_back();
            runs_now_.emplace_back();
            start(*child);
        }
        callable->registrations = 1;
    }

    [[nodiscard]] Child& child(std::size_t index) { return *scheduler.children()[index]; }
    [[nodiscard]] std::size_t size() const { return others_.size(); }

    // A new incarnation, which is ready at once.
    void start(Child& child) {
        child.lane = std::move(ParentLane::create(kCapacity, 0)).value();
        ++child.incarnation;
        others_[child.index] =
            std::move(ChildLane::attach(UniqueFd::copy_of(child.lane->fd()), UniqueFd::copy_of(bell_->fd()),
                                        UniqueFd::copy_of(bell_->event_fd())))
                .value();
        runs_now_[child.index].reset();
        child.condemned.clear();
        child.state = ChildState::ready;
        scheduler.child_ready(child);
    }

    // The child's process dies; it is replaced by start(), or never.
    void lose(Child& child, bool for_good = false) {
        child.state = for_good ? ChildState::lost : ChildState::starting;
        child.last_exit = "died once more";
        scheduler.child_lost(child, "was killed");
        if (for_good) {
            scheduler.give_up(child, "was given up");
        }
    }

    // The child begins its next frame, if there is one and it executes none. Whether it executes one now.
    bool begin(std::size_t index) {
        if (runs_now_[index]) {
            return true;
        }
        const Frame* frame = others_[index]->try_next();
        if (frame == nullptr) {
            return false;
        }
        std::uint64_t number = 0;
        std::memcpy(&number, frame->arguments.data() + 8, sizeof number);  // behind the counts of tensors and scalars
        REQUIRE(number < parts.size());
        Part& part = parts[number];
        ++part.begun;
        part.done = false;
        CHECK(part.begun <= 1 + part.retries);
        CHECK(std::all_of(part.after.begin(), part.after.end(), [&](std::size_t i) { return parts[i].done; }));
        CHECK(std::all_of(part.follows.begin(), part.follows.end(), [](const RunPtr& run) { return run->finished(); }));
        runs_now_[index] = number;
        return true;
    }

    // It completes what it executes: well, or as what such a child executes fails.
    void complete(std::size_t index, bool well) {
        if (const auto number = std::exchange(runs_now_[index], std::nullopt)) {
            parts[*number].done = well;
            const bool is_chip = child(index).kind == ChildKind::chip;
            const std::string failure = is_chip ? "1\n0\nkernel\n" : std::string(16, '\0');
            const Code failed = is_chip ? Code::kernel_failed : Code::python_exception;
            others_[index]->complete(well ? Code::ok : failed, 0, 0,
                                     well ? std::span<const std::byte>() : std::as_bytes(std::span(failure)));
        }
    }

    // A task for `place`, or kAnyChild; `after` are numbers of parts of its run.
    TaskPtr task(std::int32_t place, std::vector<std::size_t> after, CallConfig config = {}) {
        auto made = bare(place, parts.size(), config);
        parts.push_back({made, std::move(after), config.retries});
        return made;
    }

    // A group with a member for each of `places`.
    TaskPtr group(const std::vector<std::int32_t>& places, const std::vector<std::size_t>& after,
                  CallConfig config = {}) {
        auto node = bare(kAnyChild, 0, config);
        for (const std::int32_t place : places) {
            node->members.push_back(task(place, after, config));
            node->members.back()->group = node;
        }
        node->open_members = static_cast<std::uint32_t>(places.size());
        return node;
    }

    // Everything that is accepted and not stopped comes to its end.
    void settle() {
        for (int idle = 0; idle < 2;) {
            bool moved = scheduler.drain() > 0;
            for (std::size_t i = 0; i < size(); ++i) {
                if (child(i).state != ChildState::ready) {
                    continue;
                }
                while (begin(i)) {
                    complete(i, true);
                    moved = true;
                }
            }
            idle = moved ? 0 : idle + 1;
        }
    }

    Scheduler scheduler;
    std::vector<Part> parts;
    std::uint64_t runs_finished = 0;
    CallablePtr callable = std::make_shared<Callable>();

private:
    TaskPtr bare(std::int32_t place, std::uint64_t number, const CallConfig& config) const {
        auto made = allocate_task();
        made->callable = callable;
        made->placement = place;
        made->config = config;
        made->config.trace = 0;
        auto args = std::make_shared<TaskArgs>();
        args->scalars.push_back(number);
        made->argument_bytes = static_cast<std::uint32_t>(argument_bytes(*args));
        made->args = std::move(args);
        return made;
    }

    std::unique_ptr<ParentBell> bell_;
    std::vector<std::unique_ptr<ChildLane>> others_;
    std::vector<std::optional<std::size_t>> runs_now_;  // by child: the part that it executes
};

}  // namespace callring::test
