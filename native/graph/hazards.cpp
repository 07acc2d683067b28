#include "graph/hazards.h"

namespace callring {

HazardMap::Segments::iterator HazardMap::split_at(std::uint64_t space, std::uint64_t position) {
    const auto behind = segments_.lower_bound({space, position});
    if (behind == segments_.begin() || (behind != segments_.end() && behind->first == Key{space, position})) {
        return behind;
    }
    const auto before = std::prev(behind);
    if (before->first.first != space || before->second.end <= position) {
        return behind;
    }
    const auto right = segments_.emplace_hint(behind, Key{space, position}, before->second);
    before->second.end = position;
    return right;
}

std::pair<HazardMap::Segments::iterator, HazardMap::Segments::iterator> HazardMap::cut_out(const ByteRange& range) {
    const auto first = split_at(range.space, range.begin);
    // Most accesses repeat the range of an earlier one exactly: one look-up is enough for them.
    if (first != segments_.end() && first->first == Key{range.space, range.begin} && first->second.end == range.end) {
        return {first, std::next(first)};
    }
    const auto last = split_at(range.space, range.end);
    // A segment that ran across both ends, or across the end alone, was shortened in place: `first` is still right,
    // unless the range met nothing at all.
    return {first, last};
}

void HazardMap::set_writer(TaskId task, const ByteRange& range, Segments::iterator first, Segments::iterator last) {
    if (first == last) {
        first = segments_.emplace_hint(last, Key{range.space, range.begin}, Segment{});
    } else if (first->first.second != range.begin) {
        segments_.erase(first, last);
        first = segments_.emplace_hint(last, Key{range.space, range.begin}, Segment{});
    } else {
        segments_.erase(std::next(first), last);
    }
    first->second.end = range.end;
    first->second.writer = task;
    first->second.readers.clear();
    first->second.prune_at = kSmallestPrune;
}

HazardMap::Segments::iterator HazardMap::fill_gaps(const ByteRange& range, Segments::iterator first,
                                                   Segments::iterator last) {
    std::uint64_t covered = range.begin;
    auto start = last;
    bool started = false;
    const auto remember_start = [&](Segments::iterator it) {
        if (!started) {
            start = it;
            started = true;
        }
    };
    for (auto it = first; it != last; ++it) {
        if (it->first.second > covered) {
            Segment gap;
            gap.end = it->first.second;
            remember_start(segments_.emplace_hint(it, Key{range.space, covered}, std::move(gap)));
        }
        remember_start(it);
        covered = it->second.end;
    }
    if (covered < range.end) {
        Segment gap;
        gap.end = range.end;
        remember_start(segments_.emplace_hint(last, Key{range.space, covered}, std::move(gap)));
    }
    return start;
}

void HazardMap::merge_equal_neighbours() {
    if (segments_.empty()) {
        return;
    }
    for (auto left = segments_.begin(), right = std::next(left); right != segments_.end();) {
        const bool same = left->first.first == right->first.first && left->second.end == right->first.second &&
                          left->second.writer == right->second.writer && left->second.readers == right->second.readers;
        if (same) {
            left->second.end = right->second.end;
            right = segments_.erase(right);
        } else {
            left = right++;
        }
    }
}

void HazardMap::clear() {
    segments_.clear();
    sweep_at_ = kSmallestSweep;
}

}  // namespace callring
