// ArenaMapper: maps shared memory into every child before the child is given work whose data lies in it. Called under
// the engine's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/shared.h"

namespace callring {

class ArenaMapper {
public:
    explicit ArenaMapper(Shared& shared) noexcept : shared_(shared) {}

    // The mapping of one new arena into the children that take work.
    struct Mapping {
        std::size_t open = 0;  // children that have not answered
        std::optional<Error> failure;
    };
    // Asks every child to map `arena`. The answers of children that take work are awaited. A starting child maps the
    // arena before it takes any work, so its answer is not.
    std::shared_ptr<Mapping> map(const std::shared_ptr<Arena>& arena, std::uint64_t deadline_ns);
    // Forgets `arena`: children that start later do not map it.
    void forget(const std::shared_ptr<Arena>& arena) { std::erase(arenas_, arena); }
    // Asks a child that starts to map all arenas.
    void map_all(const ChildPtr& child, std::uint64_t deadline_ns);

private:
    void post(const ChildPtr& child, const Arena& arena, std::uint64_t deadline_ns,
              const std::shared_ptr<Mapping>& mapping);

    Shared& shared_;
    std::vector<std::shared_ptr<Arena>> arenas_;
};

}  // namespace callring
