// RunTable: the runs of one Engine that may be under way, and the eventfds that are written when one has finished.
// Not thread-safe: the engine's lock orders all calls.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "schedule/scheduler.h"
#include "task/run.h"

namespace callring {

// Runs that a new run follows: its tasks begin after all of them have ended. It is skipped unless every run in `well`
// succeeds; runs in `anyhow` may fail.
struct Followed {
    std::vector<RunPtr> well;
    std::vector<RunPtr> anyhow;
};

class RunTable {
public:
    explicit RunTable(Scheduler& scheduler) noexcept : scheduler_(scheduler) {}

    RunPtr begin(const Followed& followed);
    RunPtr begin_stream();
    // The number of runs that have not finished. A run that nothing refers to and whose tasks have ended counts as
    // finished, whether it was sealed or not. Streams do not count.
    [[nodiscard]] std::uint64_t under_way();
    // Withdraws the tasks of all runs and streams that have not begun.
    void cancel_all();

    // Writes to the eventfd `watcher` when `run` finishes, at once if it has finished; not after unwatch().
    void watch(Run& run, int watcher);
    void unwatch(Run& run, int watcher);
    // To be called when `run` has finished.
    void tell_watchers(Run& run);
    // Whether any unfinished run is watched.
    [[nodiscard]] bool any_watched() const noexcept { return watchers_ > 0; }

private:
    RunPtr make();

    Scheduler& scheduler_;
    std::vector<std::weak_ptr<Run>> runs_;
    std::uint64_t next_id_ = 1;
    std::uint64_t watchers_ = 0;  // of unfinished runs
};

}  // namespace callring
