#include "tests/simulate/program.h"

#include <algorithm>
#include <istream>
#include <ostream>
#include <sstream>

#include "tests/simulate/random.h"

namespace callring::simulate {

namespace {

struct OpFacts {
    const char* name;
    std::uint32_t weight;  // how often the operation is chosen, relative to the others
    bool optional;         // some programs leave it out
};

constexpr std::array<OpFacts, kOps> kFacts{{
    {"submit", 220, false},  {"launch", 12, true},      {"begin_run", 16, false}, {"seal", 16, false},
    {"cancel_run", 6, true}, {"cancel_task", 10, true}, {"end_running", 8, true}, {"act", 480, false},
    {"drain", 130, false},   {"die", 8, true},          {"notice", 16, false},    {"start", 20, false},
    {"ready", 24, false},    {"stop", 8, true},         {"lie", 4, true},         {"pass_time", 30, true},
    {"allocate", 12, true},  {"forget", 10, true},      {"scope", 8, true},       {"take", 12, true},
    {"close", 0, true},
}};

constexpr const char* kShapeWord = "shape";

}  // namespace

const char* name_of(Op op) {
    return kFacts.at(static_cast<std::size_t>(op)).name;
}

// Each program leaves some operations out and does others more often: so errors appear, too, that need a long time
// without deaths, or many deaths in a row.
Program generate(std::uint64_t seed, std::size_t most) {
    Random random(seed);
    Program program;
    Shape& shape = program.shape;
    shape.chips = static_cast<std::uint32_t>(random.below(4));
    shape.subs = static_cast<std::uint32_t>(random.below(5));
    shape.nodes = static_cast<std::uint32_t>(random.one_in(4) ? 1 + random.below(2) : 0);
    const bool only_subs = random.one_in(4);  // they share out what waits, which nothing else does
    if (only_subs) {
        shape.chips = shape.nodes = 0;
        shape.subs = 4;
    } else if (shape.chips + shape.subs + shape.nodes == 0) {
        shape.subs = 2;
    }
    shape.lane_capacity = 1U << random.below(random.one_in(2) ? 3 : 5);
    if (only_subs) {
        shape.lane_capacity = static_cast<std::uint32_t>(2U << random.below(2));  // with little room for it
    }
    shape.trace = static_cast<std::uint32_t>(random.one_in(4) ? 1 + random.below(2) : 0);
    shape.failing = static_cast<std::uint32_t>(random.one_in(3) ? 0 : random.below(16));
    shape.given_up = static_cast<std::uint32_t>(random.one_in(2) ? 0 : 1 + random.below(8));
    shape.tensors = static_cast<std::uint32_t>(random.below(7));
    shape.deadlines = static_cast<std::uint32_t>(random.below(4));
    shape.retries = static_cast<std::uint32_t>(random.below(5));

    std::array<std::uint32_t, kOps> weights{};
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < kOps; ++i) {
        const OpFacts& facts = kFacts.at(i);
        const std::uint32_t often = random.one_in(4) ? 3 : 1;
        weights.at(i) = facts.optional && random.one_in(3) ? 0 : facts.weight * often;
        if (only_subs && static_cast<Op>(i) == Op::stop) {
            weights.at(i) *= 6;  // a stopped child is idle, too, once others have taken its tasks
        }
        sum += weights.at(i);
    }
    const std::size_t count = most / 4 + random.below(most - (most / 4));
    program.steps.reserve(count + 1);
    for (std::size_t i = 0; i < count; ++i) {
        auto at = static_cast<std::uint32_t>(random.below(sum));
        std::size_t op = 0;
        while (at >= weights.at(op)) {
            at -= weights.at(op++);
        }
        program.steps.push_back({static_cast<Op>(op), static_cast<std::uint32_t>(random.next())});
    }
    if (random.one_in(8)) {
        const auto at = static_cast<std::ptrdiff_t>(random.below(count));
        program.steps.insert(program.steps.begin() + at, {Op::close, static_cast<std::uint32_t>(random.next())});
    }
    shape.halfway = static_cast<std::uint32_t>(random.one_in(2) ? 0 : 1 + random.below(16));
    return program;
}

void write(std::ostream& out, const Program& program) {
    const Shape& shape = program.shape;
    out << kShapeWord << ' ' << shape.chips << ' ' << shape.subs << ' ' << shape.nodes << ' ' << shape.lane_capacity
        << ' ' << shape.trace << ' ' << shape.failing << ' ' << shape.given_up << ' ' << shape.tensors << ' '
        << shape.deadlines << ' ' << shape.retries << ' ' << shape.halfway
        << "  # chips, sub-workers, nodes, lane capacity, trace, failing of 64, given up of 64, "
           "of 8 tasks with tensors, deadlines, retries, halfway of 64\n";
    for (const Step& step : program.steps) {
        out << name_of(step.op) << ' ' << step.choice << '\n';
    }
}

std::optional<Program> read(std::istream& in) {
    Program program;
    std::string line;
    bool shaped = false;
    while (std::getline(in, line)) {
        std::istringstream words(line.substr(0, line.find('#')));
        std::string word;
        if (!(words >> word)) {
            continue;
        }
        if (word == kShapeWord) {
            Shape& shape = program.shape;
            words >> shape.chips >> shape.subs >> shape.nodes >> shape.lane_capacity >> shape.trace >> shape.failing >>
                shape.given_up >> shape.tensors >> shape.deadlines >> shape.retries >> shape.halfway;
            shaped = true;
        } else {
            const auto* const found = std::find_if(kFacts.begin(), kFacts.end(),
                                                   [&word](const OpFacts& facts) { return word == facts.name; });
            if (found == kFacts.end()) {
                return std::nullopt;
            }
            Step step{static_cast<Op>(found - kFacts.begin()), 0};
            words >> step.choice;
            program.steps.push_back(step);
        }
        if (!words) {
            return std::nullopt;
        }
    }
    return shaped ? std::optional(std::move(program)) : std::nullopt;
}

}  // namespace callring::simulate
