#include "engine/run_table.h"

#include <algorithm>
#include <utility>

#include "common/event.h"

namespace callring {

RunPtr RunTable::make() {
    auto run = std::make_shared<Run>();
    run->id = next_id_++;
    runs_.push_back(run);
    return run;
}

RunPtr RunTable::begin(const Followed& followed) {
    RunPtr run = make();
    for (const RunPtr& earlier : followed.well) {
        scheduler_.follow(run, earlier, true);
    }
    for (const RunPtr& earlier : followed.anyhow) {
        scheduler_.follow(run, earlier, false);
    }
    return run;
}

RunPtr RunTable::begin_stream() {
    RunPtr run = make();
    run->stream = true;
    return run;
}

std::uint64_t RunTable::under_way() {
    std::uint64_t count = 0;
    std::erase_if(runs_, [&count](const std::weak_ptr<Run>& earlier) {
        const RunPtr run = earlier.lock();
        const bool over = !run || run->finished();
        count += over || run->stream ? 0 : 1;
        return over;
    });
    return count;
}

void RunTable::cancel_all() {
    for (const auto& weak : runs_) {
        if (const RunPtr run = weak.lock()) {
            scheduler_.cancel(*run);
        }
    }
}

void RunTable::watch(Run& run, int watcher) {
    run.watchers.push_back(watcher);
    ++watchers_;
    if (run.finished()) {
        tell_watchers(run);
    }
}

void RunTable::unwatch(Run& run, int watcher) {
    watchers_ -= std::erase(run.watchers, watcher);
}

void RunTable::tell_watchers(Run& run) {
    watchers_ -= run.watchers.size();
    for (const int watcher : std::exchange(run.watchers, {})) {
        raise_event(watcher);
    }
}

}  // namespace callring
