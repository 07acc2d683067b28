// Program: the events of one simulated life of a scheduler, as a list of steps. A step is an operation and a number;
// all other choices of the step are drawn from that number and the state of the world at the time. So each part of a
// program is a program, too: the shrinker relies on that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace callring::simulate {

enum class Op : std::uint8_t {
    submit,     // a task or a group, to a run that is open
    launch,     // of a captured graph, perhaps with other tensors
    begin_run,  // perhaps after other runs, perhaps a stream
    seal,       // a run
    cancel_run,
    cancel_task,  // of a stream
    end_running,  // a running task has to end as cancelled or lost
    act,          // a child claims and begins a frame, or completes the one that it executes
    drain,        // the parent takes the completions
    die,          // a child's process ends: anywhere, or between claim and execution
    notice,       // the parent notices a death
    start,        // a replacement is launched, or cannot be
    ready,        // a replacement becomes ready, or dies before
    stop,         // a child is stopped, or goes on
    lie,          // a child writes impossible data into its lane
    pass_time,    // time passes, and the parent handles what is due
    allocate,     // a buffer
    forget,       // the user drops a buffer
    scope,        // a scope begins or ends
    take,         // the ended tasks of a stream
    close,        // the Worker
    count_of_ops,
};
inline constexpr std::size_t kOps = static_cast<std::size_t>(Op::count_of_ops);

[[nodiscard]] const char* name_of(Op op);

struct Step {
    Op op = Op::drain;
    std::uint32_t choice = 0;
};

// The children of a program's world, and the chances of its random events.
struct Shape {
    std::uint32_t chips = 1;
    std::uint32_t subs = 1;
    std::uint32_t nodes = 0;
    std::uint32_t lane_capacity = 4;
    std::uint32_t trace = 0;
    std::uint32_t failing = 0;   // so many of 64 executions fail
    std::uint32_t given_up = 0;  // after so many of 64 deaths the child is not replaced
    std::uint32_t tensors = 0;   // so many of 8 tasks have tensors
    std::uint32_t deadlines = 0;
    std::uint32_t retries = 0;
    std::uint32_t halfway = 0;  // of 64 completions, so many are interrupted before the parent can see them
};

struct Program {
    Shape shape;
    std::vector<Step> steps;
};

// The program of a seed: of `most` steps at the most.
[[nodiscard]] Program generate(std::uint64_t seed, std::size_t most);

// A line for the shape and one for each step; the text behind a `#` is a remark.
void write(std::ostream& out, const Program& program);
// None if `in` holds no program.
[[nodiscard]] std::optional<Program> read(std::istream& in);

}  // namespace callring::simulate
