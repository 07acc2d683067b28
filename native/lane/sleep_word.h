// A sleep word: lets one thread sleep until another one has published something, across processes.
// The word is 0 while its owner is awake, and otherwise holds the owner's kind of sleep. The owner announces its sleep,
// checks again whether something is ready, and only then sleeps; the publisher reads the word after publishing and
// clears the announcement. All of these accesses, and the publication itself, are seq_cst: at most one of "announced,
// then saw nothing" and "published, then saw no sleeper" is possible, so no wake-up is lost. Guarantees: publishing
// makes no system call while the owner is awake, and in a burst only the first publication makes one.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "lane/atomics.h"

namespace callring {

inline constexpr std::uint32_t kNobodySleeps = 0;

// Announces a sleep of the kind `as` (not 0). True if `ready()` was true and the owner withdrew its announcement in
// time: it will not be woken.
template <class Word, class Ready>
[[nodiscard]] bool announce(Word& word, std::uint32_t as, Ready&& ready) {
    word.store(as, std::memory_order_seq_cst);
    return ready() && word.exchange(kNobodySleeps, std::memory_order_seq_cst) == as;
}

// Announces a sleep of the kind `as`, and sleeps until woken or `deadline_ns`; does not sleep if `ready()` is true
// after the announcement.
template <class Atomics = StdAtomics, class Word, class Ready>
FutexWait announce_and_sleep(Word& word, std::uint32_t as, Ready&& ready, std::optional<std::uint64_t> deadline_ns) {
    word.store(as, std::memory_order_seq_cst);
    const FutexWait outcome = ready() ? FutexWait::woken : Atomics::wait(word, as, deadline_ns);
    word.store(kNobodySleeps, std::memory_order_seq_cst);
    return outcome;
}

// Called after publishing: clears the owner's announcement and returns it, or 0 if there is none. A caller that gets an
// announcement must wake the owner.
template <class Word>
[[nodiscard]] std::uint32_t take_announcement(Word& word) noexcept {
    if (word.load(std::memory_order_seq_cst) == kNobodySleeps) {
        return kNobodySleeps;
    }
    return word.exchange(kNobodySleeps, std::memory_order_seq_cst);
}

// Called after publishing: wakes the owner if it has announced a sleep. For owners that sleep in announce_and_sleep().
template <class Atomics = StdAtomics, class Word>
void wake_sleeper(Word& word) noexcept {
    if (take_announcement(word) != kNobodySleeps) {
        Atomics::wake_one(word);
    }
}

}  // namespace callring
