// The store of a lane: the child's writes and the parent's reads, in one process.
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/tuning.h"
#include "tests/lane/lane_fixture.h"

using namespace callring;
using callring::test::LanePair;

namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20U;

ExtentRecord write(const LanePair& lane, std::size_t bytes, char fill) {
    const std::string content(bytes, fill);
    const auto record = lane.child->extents().write(std::as_bytes(std::span(content)));
    REQUIRE(record.ok());
    return *record;
}

ExtentPtr take(const LanePair& lane, const ExtentRecord& record) {
    auto extent = lane.parent->take_extent(record);
    REQUIRE(extent.ok());
    return std::move(extent).value();
}

bool holds(const ExtentPtr& extent, std::size_t bytes, char fill) {
    const std::string_view text = extent->text();
    return text.size() == bytes && std::all_of(text.begin(), text.end(), [&](char c) { return c == fill; });
}

Code refused(const LanePair& lane, std::uint64_t offset, std::uint64_t bytes) {
    auto extent = lane.parent->take_extent({offset, bytes});
    return extent ? Code::ok : extent.error().code;
}

// How much memory the lane takes, its store included.
std::uint64_t committed(const LanePair& lane) {
    struct stat info{};
    REQUIRE(::fstat(lane.parent->fd(), &info) == 0);
    return static_cast<std::uint64_t>(info.st_blocks) * 512;
}

}  // namespace

TEST_CASE("an extent of any size arrives as it was written") {
    const LanePair lane;
    char fill = 'a';
    for (const std::size_t bytes :
         {std::size_t{0}, std::size_t{1}, std::size_t{4032}, std::size_t{4033}, std::size_t{100'000}, kCell / 2,
          kCell - 65, kCell - 64, kCell - 63, kCell, 2 * kCell - 64, 2 * kCell + 1}) {
        const ExtentPtr first = take(lane, write(lane, bytes, fill));
        const ExtentPtr second = take(lane, write(lane, bytes, static_cast<char>(fill + 1)));
        CHECK(holds(first, bytes, fill));
        CHECK(holds(second, bytes, static_cast<char>(fill + 1)));
        CHECK(reinterpret_cast<std::uintptr_t>(first->bytes().data()) % 64 == 0);
        ++fill;
    }
}

TEST_CASE("an extent that was given back is written again, in the same place") {
    const LanePair lane;
    const ExtentRecord first = write(lane, 300'000, 'a');
    take(lane, first).reset();
    for (int i = 0; i < 100; ++i) {
        const ExtentRecord next = write(lane, 300'000 - static_cast<std::size_t>(i), 'b');
        CHECK(next.offset == first.offset);
        take(lane, next).reset();
    }
}

TEST_CASE("the child never writes an extent that the parent holds, while others are taken and given back") {
    const LanePair lane;
    std::mt19937 random(11);
    struct Kept {
        ExtentPtr extent;
        std::size_t bytes;
        char fill;
    };
    std::vector<Kept> kept;
    for (int i = 0; i < 1500; ++i) {
        if (kept.size() < 60 && random() % 5 < 3) {
            const std::size_t bytes = random() % 50 == 0 ? kCell + (random() % kCell) : 60'000 + (random() % 400'000);
            const char fill = static_cast<char>('a' + (i % 26));
            kept.push_back({take(lane, write(lane, bytes, fill)), bytes, fill});
        } else if (!kept.empty()) {
            std::swap(kept[random() % kept.size()], kept.back());
            CHECK(holds(kept.back().extent, kept.back().bytes, kept.back().fill));
            kept.pop_back();
        }
    }
    CHECK(std::all_of(kept.begin(), kept.end(), [](const Kept& k) { return holds(k.extent, k.bytes, k.fill); }));
}

TEST_CASE("an extent that is held takes at most a quarter more than its bytes, and a page") {
    const LanePair lane;
    std::mt19937 random(5);
    std::deque<ExtentPtr> few;
    std::vector<ExtentPtr> kept;
    std::uint64_t bytes = 0;
    for (int i = 0; i < 400; ++i) {
        few.push_back(take(lane, write(lane, 65'536 + (random() % 1'000'000), 'x')));
        if (few.size() > 5) {
            few.pop_front();
        }
        if (i % 10 == 0) {
            bytes += few.back()->bytes().size();
            kept.push_back(few.back());
        }
    }
    few.clear();
    lane.child->extents().trim();
    CHECK(committed(lane) <= bytes + (bytes / 4) + ((kept.size() + 16) * 4096));
}

TEST_CASE(
    "little of the memory that is given back at once is kept, and none after the child has been idle for a while") {
    const LanePair lane;
    std::vector<ExtentPtr> held;
    for (int i = 0; i < 300; ++i) {
        held.push_back(take(lane, write(lane, kMebibyte, 'x')));
    }
    CHECK(committed(lane) > 300 * kMebibyte);
    held.clear();
    CHECK(committed(lane) < ExtentStore::kMostGivenBack + (4 * kMebibyte));
    write(lane, kMebibyte, 'y');  // the child collects all of it
    CHECK(committed(lane) < tuning::kMostUnusedBytes + (4 * kMebibyte));
    CHECK(lane.child->extents().keeps_pages());
    lane.child->extents().trim();
    CHECK_FALSE(lane.child->extents().keeps_pages());
    CHECK(committed(lane) < 2 * kMebibyte);
}

TEST_CASE("a child that waits for work gives its memory for results to the system") {
    LanePair lane;
    take(lane, write(lane, 8 * kMebibyte, 'x')).reset();
    CHECK(committed(lane) > 8 * kMebibyte);
    std::thread waits([&] { CHECK_FALSE(lane.child->wait()); });
    while (committed(lane) > 2 * kMebibyte) {
        ::usleep(1000);
    }
    lane.child->stop();
    waits.join();
}

TEST_CASE("a withdrawn extent is free again") {
    const LanePair lane;
    const ExtentRecord first = write(lane, 100'000, 'a');
    lane.child->extents().withdraw(first);
    CHECK(write(lane, 100'000, 'b').offset == first.offset);
}

TEST_CASE("an extent that is held outlives the child and its lane, and keeps no other memory") {
    LanePair lane;
    std::vector<ExtentPtr> held;
    for (int i = 0; i < 50; ++i) {
        held.push_back(take(lane, write(lane, kMebibyte, static_cast<char>('a' + (i % 26)))));
    }
    const UniqueFd file = UniqueFd::copy_of(lane.parent->fd());
    const auto left = [&file] {
        struct stat info{};
        ::fstat(file.get(), &info);
        return static_cast<std::uint64_t>(info.st_blocks) * 512;
    };
    std::vector<ExtentPtr> kept = {held[3], held[4], held[30]};
    lane.child.reset();
    held.erase(held.begin(), held.begin() + 25);
    lane.parent->close_extents();
    held.clear();
    CHECK(left() < 5 * kMebibyte);
    lane.parent.reset();
    CHECK(holds(kept[0], kMebibyte, 'd'));
    CHECK(holds(kept[1], kMebibyte, 'e'));
    CHECK(holds(kept[2], kMebibyte, 'e'));
    kept.clear();
    CHECK(left() < 2 * kMebibyte);
}

TEST_CASE("a record that names no extent is refused") {
    const LanePair lane;
    for (const auto& [offset, bytes] :
         std::initializer_list<std::pair<std::uint64_t, std::uint64_t>>{{0, 1},
                                                                        {63, 1},
                                                                        {4096, 1},
                                                                        {kStoreBytes + 64, 1},
                                                                        {64, kStoreBytes},
                                                                        {64, UINT64_MAX},
                                                                        {UINT64_MAX - 63, 1},
                                                                        {kCell - 4096 + 64, 8192},
                                                                        {4096 + 64, kCell},
                                                                        {kStoreBytes - kCell + 64, kCell}}) {
        CAPTURE(offset);
        CAPTURE(bytes);
        CHECK(refused(lane, offset, bytes) == Code::malformed);
    }
    const ExtentPtr last = take(lane, {kStoreBytes - kCell + 64, kCell - 64});
    CHECK(last->bytes().size() == kCell - 64);
}

TEST_CASE("an extent that a child reports, rightly or wrongly, never overlaps one that the parent holds") {
    const LanePair lane;
    std::mt19937 random(3);
    std::map<std::uint64_t, std::pair<std::uint64_t, ExtentPtr>> held;  // begin: end and extent
    for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t begin = (random() % 64) * kPage + (random() % 40 == 0 ? kCell - (32 * kPage) : 0);
        const std::uint64_t bytes = random() % 20 == 0 ? kCell + (random() % kCell) : 1 + (random() % (12 * kPage));
        const std::uint64_t end = begin + block_bytes(bytes);
        const bool lies_well = end - begin > kCell ? begin % kCell == 0 : begin / kCell == (end - 1) / kCell;
        const bool is_free = std::none_of(held.begin(), held.end(),
                                          [&](const auto& one) { return one.first < end && begin < one.second.first; });
        auto extent = lane.parent->take_extent({begin + kExtentHeader, bytes});
        CHECK(extent.ok() == (lies_well && is_free));
        if (extent) {
            held[begin] = {end, std::move(extent).value()};
        }
        if (held.size() > 12 || random() % 3 == 0) {
            auto victim = held.begin();
            std::advance(victim, random() % std::max<std::size_t>(1, held.size()));
            if (victim != held.end()) {
                held.erase(victim);
            }
        }
    }
}

TEST_CASE("a full store refuses results until some are given back") {
    const UniqueFd file(::memfd_create("small", MFD_CLOEXEC));
    REQUIRE(::ftruncate(file.get(), static_cast<off_t>(2 * kCell)) == 0);
    std::atomic<std::uint64_t> given_back{0};
    const StoreRange range{0, 2 * kCell};
    ExtentWriter writer(file.get(), range, given_back);
    const auto store = std::make_shared<ExtentStore>(file.get(), range, given_back);
    const std::string large(kCell - 64, 'x');
    const std::string larger(kCell + 1, 'y');
    const auto put = [&](const std::string& text) { return writer.write(std::as_bytes(std::span(text))); };
    const auto first = put(large);
    const auto second = put(large);
    REQUIRE(first.ok());
    REQUIRE(second.ok());
    for (const std::string& text : {std::string("z"), large, larger}) {
        const auto third = put(text);
        REQUIRE_FALSE(third.ok());
        CHECK(third.error().code == Code::out_of_memory);
    }
    auto held = store->take(*first);
    REQUIRE(held.ok());
    auto other = store->take(*second);
    REQUIRE(other.ok());
    held = Error{};
    CHECK(put(large).ok());
    other = Error{};
    CHECK_FALSE(put(larger).ok());
    store->close();
}

TEST_CASE("an extent that a forked process may read is not written again before that process ends") {
    const LanePair lane;
    const ExtentRecord record = write(lane, 200'000, 'a');
    ExtentPtr extent = take(lane, record);
    std::array<int, 2> go{};
    REQUIRE(::pipe(go.data()) == 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::close(go[1]);
        char byte = 0;
        [[maybe_unused]] const auto ended = ::read(go[0], &byte, 1);
        const bool intact = holds(extent, 200'000, 'a');
        extent.reset();  // not given back a second time
        ::_exit(intact ? 0 : 1);
    }
    ::close(go[0]);
    extent.reset();
    for (int i = 0; i < 5; ++i) {
        const ExtentRecord other = write(lane, 200'000, 'b');
        CHECK(other.offset != record.offset);
        CHECK(refused(lane, record.offset, record.bytes) == Code::malformed);
        take(lane, other).reset();
    }
    ::close(go[1]);
    int status = 1;
    ::waitpid(pid, &status, 0);
    CHECK(status == 0);
    take(lane, write(lane, 100'000, 'c')).reset();  // the parent sees that the fork has ended
    bool used_again = false;
    std::vector<ExtentPtr> held;
    for (int i = 0; i < 5; ++i) {
        const ExtentRecord other = write(lane, 200'000, 'd');
        used_again = used_again || other.offset == record.offset;
        held.push_back(take(lane, other));
    }
    CHECK(used_again);
}
