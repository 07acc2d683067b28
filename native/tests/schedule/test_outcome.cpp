// wrong_outcome(): which outcomes of a child the parent accepts.
#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "lane/task_failure.h"
#include "schedule/outcome.h"

using namespace callring;

namespace {

std::string packed(std::initializer_list<std::string_view> parts) {
    std::string bytes;
    for (const std::string_view part : parts) {
        const auto size = static_cast<std::uint32_t>(part.size());
        bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
        bytes.append(part);
    }
    return bytes;
}

struct Said {
    ChildKind kind = ChildKind::sub;
    Code code = Code::ok;
    std::string payload;
};

bool is_believed(const Said& said, const Task& task = Task(), const Completion& completion = {},
                 std::uint64_t now = 1000) {
    return wrong_outcome(said.kind, task, completion, said.code, said.payload, now) == nullptr;
}

}  // namespace

TEST_CASE("each kind of child has its own set of outcomes") {
    const std::string raised = packed({"pickle", "ValueError", "text", "trace"});
    const std::string kernel = encode_kernel_failure({3, 0, "matmul", "it failed"});
    for (std::uint32_t number = 0; number < kCodes; ++number) {
        const auto code = static_cast<Code>(number);
        CAPTURE(number);
        const bool common = code == Code::ok || code == Code::not_installed || code == Code::malformed ||
                            code == Code::out_of_memory || code == Code::out_of_descriptors;
        CHECK(is_believed({ChildKind::chip, code, code == Code::ok ? "" : kernel}) ==
              (common || code == Code::kernel_failed));
        CHECK(is_believed({ChildKind::sub, code, code == Code::ok ? "" : raised}) ==
              (common || code == Code::python_exception));
        CHECK(is_believed({ChildKind::node, code, code == Code::ok ? "" : raised}) ==
              (common || code == Code::python_exception || code == Code::io));
    }
}

TEST_CASE("a chip's failure of a kernel names that kernel") {
    const std::string whole = encode_kernel_failure({3, 0, "matmul", ""});
    CHECK(is_believed({ChildKind::chip, Code::kernel_failed, whole}));
    for (std::size_t length = 0; length < whole.size(); ++length) {
        CHECK_FALSE(is_believed({ChildKind::chip, Code::kernel_failed, whole.substr(0, length)}));
    }
}

TEST_CASE("an exception is exactly four parts, each behind its length") {
    const auto is_packed = [](const std::string& payload) {
        return is_believed({ChildKind::sub, Code::python_exception, payload});
    };
    const std::string whole = packed({"pickle", "ValueError", "text", "trace"});
    CHECK(is_packed(whole));
    CHECK(is_packed(packed({"", "", "", ""})));
    CHECK_FALSE(is_packed(""));
    CHECK_FALSE(is_packed(packed({"a", "b", "c"})));
    CHECK_FALSE(is_packed(whole + "x"));
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
        CHECK_FALSE(is_packed(whole.substr(0, bytes)));
    }
    std::string longer = whole;
    longer[0] = '\xFF';
    CHECK_FALSE(is_packed(longer));
}

TEST_CASE("a chip returns no value, and a Python child only a well-formed one") {
    CHECK_FALSE(is_believed({ChildKind::chip, Code::ok, "bvalue"}));
    CHECK(is_believed({ChildKind::sub, Code::ok, "bvalue"}));
    CHECK(is_believed({ChildKind::node, Code::ok, ""}));
    CHECK_FALSE(is_believed({ChildKind::sub, Code::ok, "xvalue"}));
}

TEST_CASE("a child skips only followers of a failed task, with an empty completion") {
    Task behind;
    behind.root_cause = allocate_task();
    CHECK(is_believed({ChildKind::chip, Code::skipped, ""}, behind));
    CHECK_FALSE(is_believed({ChildKind::chip, Code::skipped, "why"}, behind));
    CHECK_FALSE(is_believed({ChildKind::chip, Code::skipped, ""}));
}

TEST_CASE("a traced task ran after its dispatch, not backwards, and not in the future") {
    Task task;
    task.times = std::make_unique<TaskTimes>();
    task.times->dispatch_ns = 100;
    const auto is_possible = [&](std::uint64_t begin, std::uint64_t end, Code code = Code::ok) {
        Completion completion{};
        completion.begin_ns = begin;
        completion.end_ns = end;
        return is_believed({ChildKind::sub, code, ""}, task, completion, 1000);
    };
    CHECK(is_possible(100, 100));
    CHECK(is_possible(100, 1000));
    CHECK_FALSE(is_possible(99, 500));
    CHECK_FALSE(is_possible(500, 499));
    CHECK_FALSE(is_possible(500, 1001));
    task.root_cause = allocate_task();
    CHECK(is_possible(0, 0, Code::skipped));  // the task never ran
}
