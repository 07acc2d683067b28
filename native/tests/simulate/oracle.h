// Oracle: the outcome that each task must have. It uses the program and the actions of the children, but nothing of how
// the scheduler works: every execution is checked when it begins, and every end must have a cause that explains it.
//
// A part is a task that is executed as one frame: a single task, or a member of a group. A node is a submitted task or
// group: its parts begin together, and others follow it as a whole.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "schedule/scheduler.h"

namespace callring::simulate {

// The last action of a child on a part.
enum class Last : std::uint8_t {
    nothing,
    begun,      // the child executes the part, or has claimed it
    completed,  // the completion is in the lane, or the parent has taken it
    died,       // the child died after it had claimed the part
};

struct Part {
    TaskPtr task;
    std::size_t node = 0;
    std::uint64_t arguments = 0;  // fingerprint() of their bytes
    std::size_t argument_bytes = 0;
    std::uint32_t executions = 0;
    std::uint32_t deaths = 0;  // of children that had claimed the part
    Last last = Last::nothing;
    Code code = Code::ok;  // of the last completion
    std::string payload;
    std::uint64_t begun_ns = 0;     // when the part was last claimed
    Code ended_as = Code::ok;       // the outcome for which the part's child was ended
    bool ended_with_child = false;  // the death of the child ended the task, not just an attempt
    bool hopeless = false;          // a task that it follows had failed when its child died
    bool tainted = false;           // a child overwrote the lane in which the part was
};

struct Node {
    TaskPtr task;
    std::size_t run = 0;
    std::vector<std::size_t> parts;
    std::vector<std::size_t> after;  // nodes
    std::vector<std::int32_t> places;
    CallConfig config;
    bool cancelled = false;  // cancelling was requested
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
    bool cancelled = false;      // cancelling was requested
    bool cancelling = false;     // during the call: a child may claim a task before the scheduler revokes it
    std::uint32_t finished = 0;  // how often the scheduler reported the end
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
    // Checks the outcomes, when everything has ended.
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
