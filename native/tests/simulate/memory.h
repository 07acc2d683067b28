// Memory: the buffers of a program, and the dependencies of its tasks through them. The scheduler finds dependencies by
// ranges of bytes; here each element has the task that wrote it last and the tasks that have read it since.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "memory/scope.h"
#include "memory/task_args.h"
#include "tests/simulate/random.h"

namespace callring::simulate {

inline constexpr std::size_t kElements = 24;  // of each buffer, four bytes each

// The elements of `view`, some of them perhaps more than once.
[[nodiscard]] std::vector<std::size_t> elements_of(const TensorView& view);

// The users of the elements of buffers, within one run or one graph.
class Uses {
public:
    // Records how `user` uses `argument`, and appends the users that it must follow for that.
    void record(std::size_t user, const TensorArg& argument, std::vector<std::size_t>& after);

private:
    struct Element {
        std::size_t writer = SIZE_MAX;
        std::vector<std::size_t> readers;
    };
    std::map<std::uint64_t, std::vector<Element>> buffers_;
};

// Whether two of the tasks that are given these arguments write the same element.
[[nodiscard]] bool write_the_same(const std::vector<std::shared_ptr<TaskArgs>>& all);

class Memory {
public:
    Memory();

    // False: there is no room.
    bool allocate();
    void forget(Random& random);
    // A scope begins, or the last one ends.
    void scope(Random& random);
    void forget_all();
    // Whether all allocated memory was given back.
    [[nodiscard]] bool is_free() const;

    [[nodiscard]] bool empty() const noexcept { return buffers_.empty(); }
    [[nodiscard]] const std::shared_ptr<Buffer>& any(Random& random) const { return random.of(buffers_); }
    // A view of `buffer`, with the direction of a task's argument.
    [[nodiscard]] static TensorArg argument(const std::shared_ptr<Buffer>& buffer, Random& random);
    [[nodiscard]] const std::shared_ptr<MemoryPool>& pool() const noexcept { return pool_; }

private:
    std::shared_ptr<MemoryPool> pool_;
    std::vector<std::shared_ptr<Buffer>> buffers_;
    std::vector<Scope> scopes_;
};

}  // namespace callring::simulate
