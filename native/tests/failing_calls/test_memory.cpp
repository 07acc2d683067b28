// Failing system calls while shared memory, lanes and pools are made.
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "lane/bell.h"
#include "lane/child_lane.h"
#include "lane/completion.h"
#include "lane/parent_lane.h"
#include "memory/pool.h"
#include "memory/sealed.h"
#include "memory/shared_map.h"
#include "tests/failing_calls/failing.h"

using namespace callring;
using namespace callring::test;

TEST_CASE("sealed memory is made and adopted, or each failing call is an error and nothing is left") {
    const std::vector<std::byte> bytes(100'000, std::byte{7});
    fail_each_call(
        [&]() -> Result<void> {
            auto made = SealedPayload::create(bytes);
            if (!made) {
                return std::move(made).error();
            }
            UniqueFd copy(::fcntl(made->fd(), F_DUPFD_CLOEXEC, 0));
            const auto adopted = SealedPayload::adopt(std::move(copy));
            if (!adopted) {
                return adopted.error();
            }
            CHECK(std::memcmp(adopted->bytes().data(), bytes.data(), bytes.size()) == 0);
            return {};
        },
        {Code::io, Code::out_of_memory, Code::out_of_descriptors, Code::malformed});
}

TEST_CASE("shared memory is made and attached, or each failing call is an error and nothing is left") {
    fail_each_call(
        []() -> Result<void> {
            auto made = SharedMap::create("callring-test", 4096, 65536);
            if (!made) {
                return std::move(made).error();
            }
            const auto whole = SharedMap::attach(UniqueFd(::fcntl(made->fd(), F_DUPFD_CLOEXEC, 0)));
            if (!whole) {
                return whole.error();
            }
            const auto part = SharedMap::attach(UniqueFd(::fcntl(made->fd(), F_DUPFD_CLOEXEC, 0)), 8192);
            if (!part) {
                return part.error();
            }
            CHECK(whole->size() == 65536);
            made->data()[10] = std::byte{1};
            CHECK(part->data()[10] == std::byte{1});
            return {};
        },
        {Code::io, Code::out_of_memory, Code::out_of_descriptors, Code::malformed});
}

TEST_CASE(
    "a lane is made, attached and used for a large result, or each failing call is an error and nothing is left") {
    const std::vector<std::byte> large(2 * kLeastExtent, std::byte{9});
    fail_each_call(
        [&]() -> Result<void> {
            auto bell = ParentBell::create();
            if (!bell) {
                return std::move(bell).error();
            }
            auto parent = ParentLane::create(8, 0);
            if (!parent) {
                return std::move(parent).error();
            }
            const auto copy_of = [](int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); };
            auto child =
                ChildLane::attach(copy_of((*parent)->fd()), copy_of((*bell)->fd()), copy_of((*bell)->event_fd()));
            if (!child) {
                return std::move(child).error();
            }
            (*parent)->reserve().config = {};
            (*parent)->publish();
            REQUIRE((*child)->try_next() != nullptr);
            const auto extent = (*child)->extents().write(large);
            if (!extent) {
                return extent.error();
            }
            (*child)->complete(Code::ok, 0, 0, std::as_bytes(std::span(&*extent, 1)), kPayloadInExtent);
            const Completion* const completion = (*parent)->front_completion();
            REQUIRE(completion != nullptr);
            const auto outcome = decode_completion(*completion, 0);
            const auto taken = (*parent)->take_extent(*decode_extent(outcome->payload));
            if (!taken) {
                return taken.error();
            }
            CHECK(std::memcmp((*taken)->bytes().data(), large.data(), large.size()) == 0);
            (*parent)->pop_completion();
            return {};
        },
        {Code::io, Code::out_of_memory, Code::out_of_descriptors, Code::malformed});
}

TEST_CASE("a pool allocates from new arenas, or each failing call is an error and nothing is left") {
    fail_each_call([]() -> Result<void> {
        const auto pool = std::make_shared<MemoryPool>(65536, 1U << 20U);
        std::vector<std::shared_ptr<Buffer>> buffers;
        for (int i = 0; i < 3; ++i) {
            auto buffer = pool->allocate(60'000);  // one arena for each
            if (!buffer) {
                // The pool is as before: a second attempt succeeds.
                CHECK(pool->allocate(60'000).ok());
                return std::move(buffer).error();
            }
            buffers.push_back(std::move(buffer).value());
        }
        CHECK(pool->arenas().size() == 3);
        return {};
    });
}
