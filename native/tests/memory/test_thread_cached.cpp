#include <doctest/doctest.h>

#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "memory/thread_cached.h"

using namespace callring;

namespace {

struct Object {
    std::uint64_t words[40];
};
using ObjectPtr = std::shared_ptr<Object>;

ObjectPtr make() {
    return std::allocate_shared<Object>(ThreadCached<Object>());
}

std::vector<ObjectPtr> make(std::size_t count) {
    std::vector<ObjectPtr> objects(count);
    for (ObjectPtr& object : objects) {
        object = make();
    }
    return objects;
}

std::set<const Object*> addresses(const std::vector<ObjectPtr>& objects) {
    std::set<const Object*> places;
    for (const ObjectPtr& object : objects) {
        places.insert(object.get());
    }
    return places;
}

constexpr std::size_t kMost = 1024;

}  // namespace

TEST_CASE("A thread uses the memory again that it has dropped") {
    if (!kKeepBlocks) {
        return;
    }
    auto objects = make(kMost);
    const auto before = addresses(objects);
    CHECK(before.size() == kMost);
    objects.clear();
    CHECK(addresses(make(kMost)) == before);
}

TEST_CASE("Objects in use never share memory, however many a thread has dropped") {
    for (const std::size_t count : {kMost - 1, kMost, kMost + 1, 3 * kMost}) {
        make(count).clear();
        const auto objects = make(count + 1);
        CHECK(addresses(objects).size() == count + 1);
    }
}

TEST_CASE("An object may be dropped by another thread than the one that made it") {
    for (int round = 0; round < 3; ++round) {
        auto objects = make(2 * kMost);
        std::thread([&objects] { objects.clear(); }).join();
        CHECK(addresses(make(2 * kMost)).size() == 2 * kMost);
    }
}

TEST_CASE("Memory that is dropped after its thread's end is given back") {
    std::weak_ptr<Object> late;
    for (int round = 0; round < 3; ++round) {
        std::thread([&late] {
            // Declared inside of the thread's function, so that the end of the thread destroys it.
            static thread_local ObjectPtr dropped_late;
            dropped_late = make();
            late = dropped_late;
            make(10).clear();
        }).join();
        CHECK(late.expired());
    }
}
