// The list of the blocks of a lane's store that the parent gave back, in memory that both ends map: its head is a word
// of the lane's header, and each block has a link to the block pushed before it. The parent pushes single blocks; the
// child takes the whole list. Guarantees: each pushed block is taken once; the child gets a block only after the
// parent's last use of it and of its link. No lock, and no ABA problem: links are never followed before the whole list
// is taken.
#pragma once

#include <atomic>
#include <cstdint>

namespace callring {

// Pushes the block that `link` names. `write_link(before)` writes into it the link to the block pushed before, 0 for
// none; if it returns false, nothing is pushed. One thread may push at a time.
template <class Word, class WriteLink>
void push_given_back(Word& head, std::uint64_t link, const WriteLink& write_link) noexcept {
    std::uint64_t before = head.load(std::memory_order_relaxed);
    do {
        if (!write_link(before)) {
            return;
        }
        // Release: all accesses to the block's bytes, and its link, come before the child gets them.
    } while (!head.compare_exchange_strong(before, link, std::memory_order_release));
}

// Takes all blocks. Returns the link of the last pushed one, which leads to all others; 0 if there is none.
template <class Word>
[[nodiscard]] std::uint64_t take_given_back(Word& head) noexcept {
    if (head.load(std::memory_order_relaxed) == 0) {
        return 0;
    }
    // Acquire: the parent's last accesses to the blocks, and the links that it wrote, come before the child's accesses.
    return head.exchange(0, std::memory_order_acquire);
}

}  // namespace callring
