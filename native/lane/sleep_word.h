// A sleep word: how one thread sleeps until another has published something, across processes.
// The word is 0 while no thread sleeps, and otherwise says how its owner does. The owner announces itself, looks again
// whether something is ready, and only then sleeps; the publisher looks at the word afterwards and takes the
// announcement back. All of that, and the publication itself, is seq_cst: of "announced, then saw nothing" and
// "published, then saw no sleeper" at most one can be, so no wake-up is lost.
// Guarantees: publishing makes no system call while no thread sleeps, and of a burst only the first one does.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "lane/atomics.h"

namespace callring {

inline constexpr std::uint32_t kNobodySleeps = 0;

// Announces the owner's sleep `as` (not 0). True if `ready()` was true and the announcement was still there to be taken
// back: the owner will not be woken.
template <class Word, class Ready>
[[nodiscard]] bool announce(Word& word, std::uint32_t as, Ready&& ready) {
    word.store(as, std::memory_order_seq_cst);
    return ready() && word.exchange(kNobodySleeps, std::memory_order_seq_cst) == as;
}

// Sleeps as `as` until woken or `deadline_ns`; not at all if `ready()` is true after the announcement.
template <class Atomics = StdAtomics, class Word, class Ready>
FutexWait announce_and_sleep(Word& word, std::uint32_t as, Ready&& ready, std::optional<std::uint64_t> deadline_ns) {
    word.store(as, std::memory_order_seq_cst);
    const FutexWait outcome = ready() ? FutexWait::woken : Atomics::wait(word, as, deadline_ns);
    word.store(kNobodySleeps, std::memory_order_seq_cst);
    return outcome;
}

// After something was published: takes back the owner's announcement and returns it, or 0 if there is none. Who gets
// it owes the owner a wake-up.
template <class Word>
[[nodiscard]] std::uint32_t take_announcement(Word& word) noexcept {
    if (word.load(std::memory_order_seq_cst) == kNobodySleeps) {
        return kNobodySleeps;
    }
    return word.exchange(kNobodySleeps, std::memory_order_seq_cst);
}

// The same for an owner that only ever sleeps in announce_and_sleep().
template <class Atomics = StdAtomics, class Word>
void wake_sleeper(Word& word) noexcept {
    if (take_announcement(word) != kNobodySleeps) {
        Atomics::wake_one(word);
    }
}

}  // namespace callring
