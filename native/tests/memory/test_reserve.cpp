#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <new>
#include <vector>

#include "memory/reserve.h"

using namespace callring;

// The `new` of these sanitizers calls no handler.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {

constexpr std::size_t kMebibyte = std::size_t{1} << 20U;

// While such an object lives, this process can map no more memory.
class NoMemory {
public:
    NoMemory() {
        ::getrlimit(RLIMIT_AS, &before_);
        std::ifstream file("/proc/self/statm");
        rlim_t pages = 0;
        file >> pages;
        const rlimit now{pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)), before_.rlim_max};
        ::setrlimit(RLIMIT_AS, &now);
    }
    ~NoMemory() { ::setrlimit(RLIMIT_AS, &before_); }
    NoMemory(const NoMemory&) = delete;
    NoMemory& operator=(const NoMemory&) = delete;

private:
    rlimit before_{};
};

// How many blocks of half a mebibyte `new` gives, 10,000 at the most.
std::size_t allocate(std::vector<std::unique_ptr<char[]>>& blocks) {
    std::size_t count = 0;
    try {
        for (; count < 10'000; ++count) {
            blocks.push_back(std::make_unique<char[]>(kMebibyte / 2));
        }
    } catch (const std::bad_alloc&) {
        return count;
    }
    return count;
}

}  // namespace

TEST_CASE("a keeper of books allocates from the reserve, others fail, and the books are torn when it is used up") {
    REQUIRE(memory_reserve_is_whole());
    Books books;
    std::vector<std::unique_ptr<char[]>> blocks;
    blocks.reserve(40'000);
    {
        const NoMemory none;
        static_cast<void>(allocate(blocks));  // uses up the memory that earlier tests gave back to the heap
        CHECK(allocate(blocks) == 0);
        CHECK(memory_reserve_is_whole());
        const KeepsBooks keeps(books);
        {
            const SparesReserve spares;
            CHECK(allocate(blocks) == 0);
            CHECK(memory_reserve_is_whole());
        }
        blocks.push_back(std::make_unique<char[]>(kMebibyte / 2));
        CHECK_FALSE(memory_reserve_is_whole());
        CHECK_FALSE(books.torn);
        CHECK(allocate(blocks) >= 10);
        CHECK(books.torn);
        blocks.clear();
    }
    CHECK(memory_reserve_is_whole());
}

#endif
