#include "schedule/outcome.h"

#include <charconv>
#include <cstdint>
#include <cstring>

#include "lane/returned_value.h"

namespace callring {

namespace {

template <class Number>
bool take_number(std::string_view& text) noexcept {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
        return false;
    }
    Number number{};
    const char* const first = text.data();
    const auto parsed = std::from_chars(first, first + end, number);
    const bool whole = parsed.ec == std::errc() && parsed.ptr == first + end;
    text.remove_prefix(end + 1);
    return whole;
}

// What the Python half packs of an exception (runtime/pickles/outcomes.py): its pickle, its type's name, its text and
// its traceback, each behind its length.
bool is_packed_exception(std::string_view payload) noexcept {
    for (int part = 0; part < 4; ++part) {
        std::uint32_t bytes = 0;
        if (payload.size() < sizeof bytes) {
            return false;
        }
        std::memcpy(&bytes, payload.data(), sizeof bytes);
        payload.remove_prefix(sizeof bytes);
        if (payload.size() < bytes) {
            return false;
        }
        payload.remove_prefix(bytes);
    }
    return payload.empty();
}

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

bool is_kernel_failure(std::string_view payload) noexcept {
    return take_number<std::int32_t>(payload) && take_number<std::uint32_t>(payload) &&
           payload.find('\n') != std::string_view::npos;
}

const char* wrong_outcome(ChildKind kind, const Task& task, const Completion& completion, Code code,
                          std::string_view payload, std::uint64_t now_ns) noexcept {
    if (code == Code::ok && payload.empty() && !task.times) {
        return nullptr;
    }
    if (!can_be_said_by(kind, code)) {
        return "it ended a task in a way in which it cannot end";
    }
    if (code == Code::kernel_failed && !is_kernel_failure(payload)) {
        return "it did not say which kernel failed";
    }
    if (code == Code::python_exception && !is_packed_exception(payload)) {
        return "it did not say what was raised";
    }
    if (code == Code::ok && (kind == ChildKind::chip ? !payload.empty() : !is_returned_value(payload))) {
        return "it returned what is no value";
    }
    // What it follows ended before, as its parent saw: a child skips nothing else.
    if (code == Code::skipped && (!payload.empty() || !task.root_cause)) {
        return "it skipped a task that follows none which failed";
    }
    if (task.times && code != Code::skipped &&
        (completion.begin_ns < task.times->dispatch_ns || completion.end_ns < completion.begin_ns ||
         completion.end_ns > now_ns)) {
        return "it ran a task at a time at which it cannot have";
    }
    return nullptr;
}

}  // namespace callring
