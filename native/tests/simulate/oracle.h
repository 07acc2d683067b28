// Oracle: what must come out of each task. It knows the program and what the children did, not how the scheduler works:
// every execution is checked when it begins, and every end must have a cause that explains it.
//
// A frame that is executed is a part: a task, or a member of a group. A node is what was submitted: its parts begin
// together, and others follow it as a whole.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "schedule/scheduler.h"

namespace callring::simulate {

// What a child did with a part last.
enum class Last : std::uint8_t {
    nothing,
    begun,      // it executes it, or has claimed it
    completed,  // its completion is in the lane, or was seen
    died,       // the child did, after it had claimed it
};

struct Part {
    TaskPtr task;
    std::size_t node = 0;
    std::uint64_t arguments = 0;  // fingerprint() of their bytes
    std::size_t argument_bytes = 0;
    std::uint32_t executions = 0;
    std::uint32_t deaths = 0;  // of children that had claimed it
    Last last = Last::nothing;
    Code code = Code::ok;  // of the last completion
    std::string payload;
    std::uint64_t begun_ns = 0;     // when it was claimed last
    Code ended_as = Code::ok;       // its child was ended so that it ends as this
    bool ended_with_child = false;  // the death of its child was its end, not that of an attempt
    bool hopeless = false;          // what it follows had failed when its child died
    bool tainted = false;           // a child wrote over a lane in which it was
};

struct Node {
    TaskPtr task;
    std::size_t run = 0;
    std::vector<std::size_t> parts;
    std::vector<std::size_t> after;  // nodes
    std::vector<std::int32_t> places;
    CallConfig config;
    bool cancelled = false;  // it was asked for
    bool could_be_given_up = false;
};

struct Followed {
    std::size_t run;
    bool poisoned;
};

struct RunFacts {
    RunPtr run;
    std::vector<std::size_t> nodes;
    std::vector<Followed> follows;
    bool cancelled = false;      // it was asked for
    bool cancelling = false;     // just now: a child may claim a task before the scheduler takes it back
    std::uint32_t finished = 0;  // how often that was reported
};

class Oracle {
public:
    explicit Oracle(const Scheduler& scheduler) : scheduler_(scheduler) {}

    std::vector<Part> parts;
    std::vector<Node> nodes;
    std::vector<RunFacts> runs;

    // The child executes `part` from now on.
    void begin(std::size_t part);
    // A child that had claimed `part`, and perhaps begun it, has died.
    void die_with(std::size_t part);
    void finish(const Run& run);
    // Everything has ended: whether it did as it had to.
    void account(bool lied) const;

    [[nodiscard]] std::string describe(const Node& node) const;

private:
    void account_part(const Node& node, const Part& part) const;
    void account_node(const Node& node) const;
    void account_skipped(const Node& node) const;
    void account_run(const RunFacts& facts) const;
    void account_counts(bool lied) const;
    [[nodiscard]] bool is_behind(std::size_t node, const Task* cause) const;

    const Scheduler& scheduler_;
};

}  // namespace callring::simulate
