// The list of what the parent gave back of a lane's store, in memory that both ends map: its head is a word of the
// lane's header, and each block holds the link to the one before. The parent pushes one at a time; the child takes all.
// Guarantees: what was pushed is taken once; the child has a block only when the parent is done with it, and with the
// link in it. No lock, and no ABA: links are never followed before the whole list is taken.
#pragma once

#include <atomic>
#include <cstdint>

namespace callring {

// Pushes the block that `link` names. `write_link(before)` notes in it which was pushed before it, 0 for none; false:
// it cannot, and nothing is pushed. By one thread at a time.
template <class Word, class WriteLink>
void push_given_back(Word& head, std::uint64_t link, const WriteLink& write_link) noexcept {
    std::uint64_t before = head.load(std::memory_order_relaxed);
    do {
        if (!write_link(before)) {
            return;
        }
        // Release: what was done with the block's bytes, and its link, come before the child has them.
    } while (!head.compare_exchange_strong(before, link, std::memory_order_release));
}

// The link to the block that was pushed last, by which all others are found; 0 if none was. All of them are the
// child's.
template <class Word>
[[nodiscard]] std::uint64_t take_given_back(Word& head) noexcept {
    if (head.load(std::memory_order_relaxed) == 0) {
        return 0;
    }
    // Acquire: the parent's last look at the bytes, and its links, come before.
    return head.exchange(0, std::memory_order_acquire);
}

}  // namespace callring
