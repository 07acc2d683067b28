#include "task/argument_check.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/tuning.h"
#include "graph/hazards.h"
#include "graph/view_region.h"

namespace callring {

namespace {

bool writes(Tag tag) {
    return tag != Tag::input && tag != Tag::no_dep;
}

bool may_overlap(const TensorView& a, const TensorView& b) {
    if (a.buffer->id() != b.buffer->id()) {
        return false;
    }
    const auto [from, to] = extent(a);
    const auto [low, high] = extent(b);
    return from < high && low < to;
}

std::string counted(std::size_t count, const char* what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

Error wrong_count(const CallableSpec::Signature& signature, const TaskArgs& args) {
    return {Code::invalid_argument,
            "its signature " + signature.text + " takes " + counted(signature.tensors, "tensor") + " and " +
                counted(signature.scalars, "scalar") + "; given " + counted(args.tensors.size(), "tensor") + " and " +
                counted(args.scalars.size(), "scalar")};
}

Result<void> check_writes(const TaskArgs& args, const std::vector<std::size_t>& written) {
    HazardMap map;
    std::vector<TaskId> earlier;
    for (const std::size_t i : written) {
        map.record(i, region_of(args.tensors[i].tensor), Access::write, earlier);
        if (!earlier.empty()) {
            return Error{Code::invalid_argument,
                         "its tensors " + std::to_string(earlier.front()) + " and " + std::to_string(i) +
                             " write the same bytes, and nothing says which of them last; give each its own, or tag "
                             "one of them NO_DEP"};
        }
    }
    return {};
}

// Whether two written tensors may overlap.
bool any_may_overlap(const TaskArgs& args, const std::vector<std::size_t>& written) {
    for (std::size_t i = 1; i < written.size(); ++i) {
        for (std::size_t k = 0; k < i; ++k) {
            if (may_overlap(args.tensors[written[i]].tensor, args.tensors[written[k]].tensor)) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace

Result<void> look_at_arguments(const Callable& callable, const TaskArgs& args, std::int32_t placement) {
    const auto& signature = callable.spec.signature;
    if (signature && (args.tensors.size() != signature->tensors || args.scalars.size() != signature->scalars)) {
        return wrong_count(*signature, args);
    }
    const bool is_orchestration = callable.spec.runs_on == ChildKind::sub && placement != kAnyChild;
    if (is_orchestration) {
        return {};
    }
    // Most tasks write one tensor, and need no more than this check.
    const auto writers = std::count_if(args.tensors.begin(), args.tensors.end(),
                                       [](const TensorArg& argument) { return writes(argument.tag); });
    if (writers < 2) {
        return {};
    }
    std::vector<std::size_t> written;
    written.reserve(static_cast<std::size_t>(writers));
    for (std::size_t i = 0; i < args.tensors.size(); ++i) {
        if (writes(args.tensors[i].tag)) {
            written.push_back(i);
        }
    }
    return written.size() > tuning::kMostPairs || any_may_overlap(args, written) ? check_writes(args, written)
                                                                                 : Result<void>();
}

}  // namespace callring
