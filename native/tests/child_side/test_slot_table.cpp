#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <climits>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "child_side/callable_cache.h"
#include "child_side/slot_table.h"

using namespace callring;

namespace {
Digest name(int number) {
    Digest digest{};
    digest[0] = static_cast<std::byte>(number);
    return digest;
}
std::shared_ptr<int> callable(int number) {
    return std::make_shared<int>(number);
}

// How many allocations of this thread still succeed.
thread_local int allocations = INT_MAX;

class LimitedMemory {
public:
    explicit LimitedMemory(int count) { allocations = count; }
    LimitedMemory(const LimitedMemory&) = delete;
    LimitedMemory& operator=(const LimitedMemory&) = delete;
    ~LimitedMemory() { allocations = INT_MAX; }
};
}  // namespace

[[gnu::noinline]] void* operator new(std::size_t bytes) {
    void* const memory = allocations > 0 ? std::malloc(bytes) : nullptr;
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    --allocations;
    return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*bytes*/) noexcept {
    std::free(memory);
}

TEST_CASE("two children may keep the same identity in different slots, and both resolve it") {
    SlotTable<int> one(4);
    SlotTable<int> other(4);
    REQUIRE(one.install(name(1), callable(1)).ok());
    REQUIRE(one.install(name(2), callable(2)).ok());
    REQUIRE(other.install(name(2), callable(2)).ok());
    CHECK(one.slot_of(name(2)) == 1);
    CHECK(other.slot_of(name(2)) == 0);
    CHECK(*one.resolve(name(2)) == *other.resolve(name(2)));
}

TEST_CASE("a removal frees a slot for another callable, and a callable that is executing outlives its removal") {
    SlotTable<int> table(1);
    REQUIRE(table.install(name(1), callable(1)).ok());
    const auto executing = table.resolve(name(1));
    CHECK(table.install(name(2), callable(2)).error().code == Code::slot_exhausted);
    REQUIRE(table.remove(name(1)).ok());
    CHECK(table.resolve(name(1)) == nullptr);
    CHECK(*executing == 1);
    REQUIRE(table.install(name(2), callable(2)).ok());
    CHECK(table.slot_of(name(2)) == 0);
}

TEST_CASE("a callable that is not installed cannot be removed, and each removal changes the version") {
    SlotTable<int> table(1);
    REQUIRE(table.install(name(1), callable(1)).ok());
    const auto before = table.version();
    CHECK(table.remove(name(2)).error().code == Code::not_installed);
    CHECK(table.version() == before);
    CHECK(table.resolve(name(1)) != nullptr);
    REQUIRE(table.remove(name(1)).ok());
    CHECK(table.version() != before);
}

TEST_CASE("an installation without memory changes nothing, and a removal needs no memory") {
    SlotTable<int> table(3);
    const std::array callables{callable(0), callable(1), callable(2)};
    for (int i = 0; i < 3; ++i) {
        const auto& wanted = callables.at(static_cast<std::size_t>(i));
        bool installed = false;
        for (int enough = 0; !installed; ++enough) {
            CHECK(table.resolve(name(i)) == nullptr);
            try {
                const LimitedMemory limited(enough);
                installed = table.install(name(i), wanted).ok();
            } catch (const std::bad_alloc&) {  // the next attempt has memory for one allocation more
                installed = false;
            }
            CHECK(wanted.use_count() == (installed ? 2 : 1));
        }
    }
    for (int i = 0; i < 3; ++i) {
        const bool removed = [&] {
            const LimitedMemory limited(0);
            return table.remove(name(i)).ok();
        }();
        CHECK(removed);
        CHECK(callables.at(static_cast<std::size_t>(i)).use_count() == 1);
    }
}

TEST_CASE("random installations and removals leave exactly the callables that were installed last, in distinct slots") {
    constexpr std::uint32_t kCapacity = 12;
    for (std::uint32_t seed = 0; seed < 10; ++seed) {
        std::mt19937 random(seed);
        SlotTable<int> table(kCapacity);
        CallableCache<int> cache(table);
        std::map<int, int> oracle;  // the installed values, by identity
        for (int step = 0; step < 200; ++step) {
            const int identity = static_cast<int>(random() % 20);
            const bool known = oracle.contains(identity);
            const auto version = table.version();
            if (random() % 2 == 0 && !known) {
                const auto installed = table.install(name(identity), callable(step));
                REQUIRE(installed.ok() == (oracle.size() < kCapacity));
                if (installed) {
                    oracle[identity] = step;
                } else {
                    REQUIRE(installed.error().code == Code::slot_exhausted);
                    REQUIRE(installed.error().message == "all 12 slots are taken");
                }
                REQUIRE(table.version() == version);
            } else if (random() % 2 == 0) {
                REQUIRE(table.remove(name(identity)).ok() == known);
                REQUIRE((table.version() != version) == known);
                oracle.erase(identity);
            }
            std::set<std::uint32_t> slots;
            for (int i = 0; i < 20; ++i) {
                const auto found = table.resolve(name(i));
                const auto entry = oracle.find(i);
                REQUIRE((found != nullptr) == (entry != oracle.end()));
                REQUIRE(table.contains(name(i)) == (found != nullptr));
                REQUIRE(cache.find(name(i)) == found);
                if (found) {
                    REQUIRE(*found == entry->second);
                    REQUIRE(*table.slot_of(name(i)) < kCapacity);
                    slots.insert(*table.slot_of(name(i)));
                }
            }
            REQUIRE(slots.size() == oracle.size());
        }
    }
}

TEST_CASE("a removed callable is destroyed once no thread executes it, and never before") {
    SlotTable<int> table(2);
    const std::weak_ptr<int> watched = [&] {
        auto made = callable(1);
        const std::weak_ptr<int> weak = made;
        REQUIRE(table.install(name(1), std::move(made)).ok());
        return weak;
    }();
    auto executing = table.resolve(name(1));
    REQUIRE(table.remove(name(1)).ok());
    CHECK_FALSE(watched.expired());
    executing.reset();
    CHECK(watched.expired());
}

TEST_CASE("while one thread installs and removes, another finds callables of the right identity or none") {
    constexpr int kIdentities = 6;
    SlotTable<int> table(kIdentities);
    std::atomic<bool> stop{false};
    std::array<std::atomic<int>, kIdentities> last{};  // the last value that was removed
    std::atomic<int> wrong{0};
    std::thread executing([&] {
        CallableCache<int> cache(table);
        std::mt19937 random(1);
        std::uint64_t found = 0;
        while (!stop.load() || found == 0) {
            const int identity = static_cast<int>(random() % kIdentities);
            const int removed = last.at(static_cast<std::size_t>(identity)).load();
            if (const std::shared_ptr<int> callable = cache.find(name(identity))) {
                ++found;
                // Values of an identity rise, and one that was removed before the look-up is not found any more.
                wrong += *callable % kIdentities == identity && *callable > removed ? 0 : 1;
            }
            if (random() % 16 == 0) {
                cache.forget_stale();
            }
        }
    });
    for (int value = kIdentities; value < 20'000; ++value) {
        const int identity = value % kIdentities;
        static_cast<void>(table.install(name(identity), callable(value)));
        if (value >= 2 * kIdentities) {
            const auto gone = static_cast<std::size_t>((value + 1) % kIdentities);
            const auto present = table.resolve(name(static_cast<int>(gone)));
            if (table.remove(name(static_cast<int>(gone))).ok()) {
                last.at(gone).store(*present);
            }
        }
    }
    for (int identity = 0; identity < kIdentities; ++identity) {
        static_cast<void>(table.remove(name(identity)));
        static_cast<void>(table.install(name(identity), callable(kIdentities * 10'000 + identity)));
    }
    stop = true;
    executing.join();
    CHECK(wrong == 0);
}
