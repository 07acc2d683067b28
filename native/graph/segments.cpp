#include "graph/segments.h"

#include <iterator>

namespace callring {

Segment::Segment(const Segment& other)
    : end(other.end),
      writer(other.writer),
      readers(other.readers),
      prune_at(other.prune_at),
      below(other.below ? std::make_unique<Segments>(*other.below) : nullptr) {}

bool operator==(const Segments& a, const Segments& b) {
    if (a.map_.size() != b.map_.size()) {
        return false;
    }
    for (auto of_a = a.map_.begin(), of_b = b.map_.begin(); of_a != a.map_.end(); ++of_a, ++of_b) {
        if (of_a->first != of_b->first || of_a->second.end != of_b->second.end || !of_a->second.is_like(of_b->second)) {
            return false;
        }
    }
    return true;
}

std::size_t Segments::histories() const noexcept {
    std::size_t count = 0;
    for (const auto& [key, segment] : map_) {
        count += segment.below ? segment.below->histories() : 1;
    }
    return count;
}

Segments::Iterator Segments::split_at(std::uint64_t space, std::uint64_t position) {
    const auto behind = map_.lower_bound({space, position});
    if (behind == map_.begin() || (behind != map_.end() && behind->first == Key{space, position})) {
        return behind;
    }
    const auto before = std::prev(behind);
    if (before->first.first != space || before->second.end <= position) {
        return behind;
    }
    const auto right = map_.emplace_hint(behind, Key{space, position}, before->second);
    before->second.end = position;
    return right;
}

std::pair<Segments::Iterator, Segments::Iterator> Segments::cut_out(const Range& range) {
    const auto first = split_at(range.space, range.begin);
    // Most accesses have exactly the range of an earlier one: one look-up is enough for them.
    if (is_exactly(first, range)) {
        return {first, std::next(first)};
    }
    // A segment across both ends of the range, or across its end alone, is shortened in place: `first` stays valid,
    // unless the range contains no segment at all.
    const auto last = split_at(range.space, range.end);
    return {first, last};
}

Segments::Iterator Segments::unite(const Range& range, Iterator first, Iterator last) {
    if (first == last) {
        first = map_.emplace_hint(last, Key{range.space, range.begin}, Segment{});
    } else if (first->first.second != range.begin) {
        map_.erase(first, last);
        first = map_.emplace_hint(last, Key{range.space, range.begin}, Segment{});
    } else {
        map_.erase(std::next(first), last);
    }
    first->second.end = range.end;
    first->second.forget();
    return first;
}

Segments::Iterator Segments::fill_gaps(const Range& range, Iterator first, Iterator last) {
    std::uint64_t covered = range.begin;
    auto start = last;
    bool started = false;
    const auto remember_start = [&](Iterator it) {
        if (!started) {
            start = it;
            started = true;
        }
    };
    for (auto it = first; it != last; ++it) {
        if (it->first.second > covered) {
            Segment gap;
            gap.end = it->first.second;
            remember_start(map_.emplace_hint(it, Key{range.space, covered}, std::move(gap)));
        }
        remember_start(it);
        covered = it->second.end;
    }
    if (covered < range.end) {
        Segment gap;
        gap.end = range.end;
        remember_start(map_.emplace_hint(last, Key{range.space, covered}, std::move(gap)));
    }
    return start;
}

void Segments::merge_equal(Iterator first, Iterator last) {
    if (first == last) {
        return;
    }
    for (auto left = first, right = std::next(first); right != last;) {
        const bool same = left->first.first == right->first.first && left->second.end == right->first.second &&
                          left->second.is_like(right->second);
        if (same) {
            left->second.end = right->second.end;
            right = map_.erase(right);
        } else {
            left = right++;
        }
    }
}

Segments::Map Segments::take(std::uint64_t space) {
    Map taken;
    auto it = map_.lower_bound({space, 0});
    while (it != map_.end() && it->first.first == space) {
        auto next = std::next(it);
        taken.insert(map_.extract(it));
        it = next;
    }
    return taken;
}

}  // namespace callring
