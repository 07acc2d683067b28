#include "schedule/outcome.h"

#include "lane/returned_value.h"
#include "lane/task_failure.h"

namespace callring {

namespace {

bool can_be_said_by(ChildKind kind, Code code) noexcept {
    switch (code) {
        case Code::ok:
        case Code::skipped:
        case Code::not_installed:
        case Code::malformed:
        case Code::out_of_memory:
        case Code::out_of_descriptors:
            return true;
        case Code::kernel_failed:
            return kind == ChildKind::chip;
        case Code::python_exception:
            return kind != ChildKind::chip;
        case Code::io:
            return kind == ChildKind::node;
        default:
            return false;
    }
}

}  // namespace

const char* wrong_outcome(ChildKind kind, const Task& task, const Completion& completion, Code code,
                          std::string_view payload, std::uint64_t now_ns) noexcept {
    if (code == Code::ok && payload.empty() && !task.times) {
        return nullptr;
    }
    if (!can_be_said_by(kind, code)) {
        return "it reported an outcome with which its tasks cannot end";
    }
    if (code == Code::kernel_failed && !decode_kernel_failure(payload)) {
        return "it did not report which kernel failed";
    }
    if (code == Code::python_exception && !is_packed_exception(payload)) {
        return "it did not report what was raised";
    }
    if (code == Code::ok && (kind == ChildKind::chip ? !payload.empty() : !is_returned_value(payload))) {
        return "it returned bytes that are no value";
    }
    // A child only skips a task whose predecessor failed, and the parent has seen the ends of all predecessors.
    if (code == Code::skipped && (!payload.empty() || !task.root_cause)) {
        return "it skipped a task that follows no failed task";
    }
    if (task.times && code != Code::skipped &&
        (completion.begin_ns < task.times->dispatch_ns || completion.end_ns < completion.begin_ns ||
         completion.end_ns > now_ns)) {
        return "it reported impossible times of a task";
    }
    return nullptr;
}

}  // namespace callring
