#include "tests/simulate/shrink.h"

#include <algorithm>
#include <utility>

namespace callring::simulate {

namespace {

// Leaves out stretches of steps, long ones first, until no single step can be left out.
class Shrinker {
public:
    Shrinker(Program program, std::size_t tries, const std::function<bool(const Program&)>& fails)
        : program_(std::move(program)), tries_(tries), fails_(fails) {}

    Program run() {
        for (bool shorter = true; shorter && tries_ > 0;) {
            shorter = shorten() || simplify();
        }
        return std::move(program_);
    }

private:
    bool take(Program candidate) {
        if (tries_ == 0) {
            return false;
        }
        --tries_;
        if (!fails_(candidate)) {
            return false;
        }
        program_ = std::move(candidate);
        return true;
    }

    bool shorten() {
        bool shorter = false;
        for (std::size_t length = std::max<std::size_t>(1, program_.steps.size() / 2); length > 0; length /= 2) {
            // From the back: late steps depend on early ones.
            for (std::size_t end = program_.steps.size(); end > 0 && tries_ > 0;) {
                const std::size_t begin = end - std::min(end, length);
                Program candidate = program_;
                const auto first = candidate.steps.begin();
                candidate.steps.erase(first + static_cast<std::ptrdiff_t>(begin),
                                      first + static_cast<std::ptrdiff_t>(end));
                shorter = take(std::move(candidate)) || shorter;
                end = std::min(begin, program_.steps.size());
            }
        }
        return shorter;
    }

    // Fewer children, no traces, no failures.
    bool simplify() {
        bool simpler = false;
        const auto with = [&](std::uint32_t Shape::* what, std::uint32_t value) {
            Program candidate = program_;
            if (candidate.shape.*what > value) {
                candidate.shape.*what = value;
                simpler = take(std::move(candidate)) || simpler;
            }
        };
        with(&Shape::nodes, 0);
        with(&Shape::chips, 0);
        with(&Shape::subs, 0);
        with(&Shape::trace, 0);
        with(&Shape::failing, 0);
        with(&Shape::given_up, 0);
        with(&Shape::tensors, 0);
        with(&Shape::deadlines, 0);
        with(&Shape::retries, 0);
        return simpler;
    }

    Program program_;
    std::size_t tries_;
    const std::function<bool(const Program&)>& fails_;
};

}  // namespace

Program shrink(Program program, std::size_t tries, const std::function<bool(const Program&)>& fails) {
    return Shrinker(std::move(program), tries, fails).run();
}

}  // namespace callring::simulate
