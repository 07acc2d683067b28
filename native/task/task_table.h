// TaskTable: the tasks that a run owns, by their ids: tasks that are added and removed one by one, or those of a
// launch.
// Guarantees: adding, finding and removing take constant time, whatever the number of tasks; keeps no memory for tasks
// that were removed, apart from one page. Not thread-safe: the engine's lock orders all calls.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>

#include "memory/thread_cached.h"
#include "task/task.h"
#include "task/task_block.h"

namespace callring {

class TaskTable {
public:
    TaskTable() = default;
    // The tasks of a launch, for the table's whole life: none can be added or removed.
    explicit TaskTable(TaskBlock launched) noexcept : launched_(std::move(launched)) {}

    // Adds a task with the id after that of the last added task, or 0.
    void add(TaskPtr task) {
        const std::uint64_t id = task->id;
        if (id / kPage != newest_number_) {
            open(id / kPage);
        }
        newest_->tasks[id % kPage] = std::move(task);
        ++newest_->used;
    }
    // The task with this id; null if it was removed.
    [[nodiscard]] Task* find(std::uint64_t id) noexcept {
        if (id < launched_.size()) {
            return &launched_[id];
        }
        const Page* const page = page_of(id / kPage);
        return page != nullptr ? page->tasks[id % kPage].get() : nullptr;
    }
    // Removes a task that is in the table, and returns it.
    TaskPtr remove(std::uint64_t id) noexcept {
        Page& page = *page_of(id / kPage);
        TaskPtr task = std::move(page.tasks[id % kPage]);
        if (--page.used == 0 && &page != newest_) {  // the next task is added to the newest page
            discard(id / kPage);
        }
        return task;
    }
    [[nodiscard]] std::size_t size() const noexcept {
        std::size_t count = launched_.size();
        for (const auto& [number, page] : pages_) {
            count += page.used;
        }
        return count;
    }
    // The number of pages in memory.
    [[nodiscard]] std::size_t pages() const noexcept { return pages_.size(); }
    // Calls visit(Task&) for each task, in no particular order; `visit` adds and removes none.
    template <class Visit>
    void for_each(const Visit& visit) const {
        for (Task& task : launched_.all()) {
            visit(task);
        }
        for (const auto& [number, page] : pages_) {
            for (const TaskPtr& task : page.tasks) {
                if (task) {
                    visit(*task);
                }
            }
        }
    }

private:
    static constexpr std::size_t kPage = 32;
    static constexpr std::uint64_t kNone = UINT64_MAX;

    struct Page {
        std::array<TaskPtr, kPage> tasks;
        std::uint32_t used = 0;
    };
    using Pages = std::unordered_map<std::uint64_t, Page, std::hash<std::uint64_t>, std::equal_to<>,
                                     ThreadCached<std::pair<const std::uint64_t, Page>>>;

    [[nodiscard]] Page* page_of(std::uint64_t number) noexcept {
        if (number != last_number_) {
            const auto found = pages_.find(number);
            if (found == pages_.end()) {
                return nullptr;
            }
            last_ = &found->second;
            last_number_ = number;
        }
        return last_;
    }
    // Makes the page to which tasks are added from now on.
    void open(std::uint64_t number) {
        Page* const made = &pages_[number];
        if (newest_ != nullptr && newest_->used == 0) {
            discard(newest_number_);
        }
        newest_ = made;
        newest_number_ = number;
    }
    void discard(std::uint64_t number) noexcept {
        pages_.erase(number);
        last_number_ = kNone;
    }

    TaskBlock launched_;
    Pages pages_;  // by id / kPage
    Page* newest_ = nullptr;
    std::uint64_t newest_number_ = kNone;
    Page* last_ = nullptr;  // the page of the last search: most are for the same page again
    std::uint64_t last_number_ = kNone;
};

}  // namespace callring
