// RunTable: the runs of one Engine that may be under way, and the eventfds that are written when one has finished.
// Not thread-safe: the engine's lock orders all calls.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "schedule/scheduler.h"
#include "task/task.h"

namespace callring {

// Runs that a new run follows: it begins nothing before they have ended. It is skipped unless those in `well` end
// well; how those in `anyhow` end is no matter.
struct Followed {
    std::vector<RunPtr> well;
    std::vector<RunPtr> anyhow;
};

class RunTable {
public:
    explicit RunTable(Scheduler& scheduler) noexcept : scheduler_(scheduler) {}

    RunPtr begin(const Followed& followed);
    RunPtr begin_stream();
    // A run without owners whose tasks have ended is over, sealed or not. Streams are no runs.
    [[nodiscard]] std::uint64_t under_way();
    // Withdraws what has not begun of any run, streams too.
    void cancel_all();

    // Writes to `watcher` when `run` has finished, at once if it has; until unwatch().
    void watch(Run& run, int watcher);
    void unwatch(Run& run, int watcher);
    // To be called when `run` has finished.
    void tell_watchers(Run& run);
    // Whether a run is watched that has not finished.
    [[nodiscard]] bool any_watched() const noexcept { return watchers_ > 0; }

private:
    RunPtr make();

    Scheduler& scheduler_;
    std::vector<std::weak_ptr<Run>> runs_;
    std::uint64_t next_id_ = 1;
    std::uint64_t watchers_ = 0;  // of runs that have not finished
};

}  // namespace callring
