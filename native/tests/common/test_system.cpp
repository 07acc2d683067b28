// The wrappers of the system's calls: descriptors, events, the clock, and the errors of system calls.
#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "common/child_end.h"
#include "common/clock.h"
#include "common/event.h"
#include "common/shared_only.h"
#include "common/short_slice.h"
#include "common/system_calls.h"
#include "common/system_error.h"
#include "common/unique_fd.h"

using namespace callring;

namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) != -1;
}

bool is_readable(int fd) {
    pollfd asked{fd, POLLIN, 0};
    return ::poll(&asked, 1, 0) == 1;
}

UniqueFd make_event() {
    return UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

Error error_of(int number) {
    errno = number;
    return system_error("mmap");
}

}  // namespace

TEST_CASE("a descriptor is closed with its owner, once") {
    int number = -1;
    {
        const UniqueFd owner = make_event();
        number = owner.get();
        CHECK(owner.valid());
        CHECK(is_open(number));
    }
    CHECK_FALSE(is_open(number));
    CHECK_FALSE(UniqueFd().valid());
}

TEST_CASE("a descriptor moves to its next owner, whose former descriptor is closed") {
    UniqueFd first = make_event();
    UniqueFd second = make_event();
    const int kept = first.get();
    const int dropped = second.get();
    second = std::move(first);
    CHECK(second.get() == kept);
    CHECK_FALSE(first.valid());
    CHECK_FALSE(is_open(dropped));
    UniqueFd& same = second;
    second = std::move(same);
    CHECK(is_open(kept));
}

TEST_CASE("a descriptor that is passed on is closed by its last owner only") {
    UniqueFd first = make_event();
    const int number = first.get();
    {
        UniqueFd second(std::move(first));
        CHECK(second.get() == number);
        std::vector<UniqueFd> owners;
        owners.push_back(std::move(second));
        for (int i = 0; i < 100; ++i) {
            owners.push_back(make_event());  // the vector moves its elements when it grows
        }
        CHECK(owners.front().get() == number);
        first = std::move(owners.front());
    }
    CHECK(first.get() == number);
    CHECK(is_open(number));
}

TEST_CASE("an owner without a descriptor closes none") {
    const UniqueFd event = make_event();
    UniqueFd empty;
    empty.reset();
    CHECK(empty.release() == -1);
    const UniqueFd moved(std::move(empty));
    CHECK_FALSE(moved.valid());
    CHECK(is_open(event.get()));
}

TEST_CASE("a released descriptor stays open, and a reset one is closed") {
    UniqueFd owner = make_event();
    const int number = owner.release();
    CHECK_FALSE(owner.valid());
    CHECK(is_open(number));
    owner.reset(number);
    owner.reset();
    CHECK_FALSE(is_open(number));
}

TEST_CASE("a copy is another descriptor of the same file, and no program that is executed inherits it") {
    const UniqueFd event = make_event();
    const UniqueFd copy = UniqueFd::copy_of(event.get());
    REQUIRE(copy.valid());
    CHECK(copy.get() != event.get());
    CHECK((::fcntl(copy.get(), F_GETFD) & FD_CLOEXEC) != 0);
    raise_event(copy.get());
    CHECK(is_readable(event.get()));
    CHECK_FALSE(UniqueFd::copy_of(-1).valid());
    CHECK(errno == EBADF);
}

TEST_CASE("an event is readable from when it was raised until it is cleared, however often it was raised") {
    const UniqueFd event = make_event();
    CHECK_FALSE(is_readable(event.get()));
    raise_event(event.get());
    raise_event(event.get());
    CHECK(is_readable(event.get()));
    clear_event(event.get());
    CHECK_FALSE(is_readable(event.get()));
    clear_event(event.get());  // not raised: does not block
}

TEST_CASE("a raised event wakes every epoll that watches its edges, each time, though none of them reads it") {
    const UniqueFd event = make_event();
    std::array<UniqueFd, 3> epolls;
    for (UniqueFd& epoll : epolls) {
        epoll = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
        epoll_event asked{};
        asked.events = EPOLLIN | EPOLLET;
        REQUIRE(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event.get(), &asked) == 0);
    }
    const auto woken = [&] {
        std::ptrdiff_t count = 0;
        for (const UniqueFd& epoll : epolls) {
            epoll_event got{};
            count += ::epoll_wait(epoll.get(), &got, 1, 0);
        }
        return count;
    };
    CHECK(woken() == 0);
    for (int i = 0; i < 5; ++i) {
        raise_event(event.get());
        CHECK(woken() == 3);
        CHECK(woken() == 0);
    }
}

TEST_CASE("the clock never goes back, in one thread or from one to another") {
    std::uint64_t last = now_ns();
    CHECK(last > 0);
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t now = now_ns();
        REQUIRE(now >= last);
        last = now;
    }
    std::uint64_t there = 0;
    std::thread([&there] { there = now_ns(); }).join();
    CHECK(there >= last);
    CHECK(now_ns() >= there);
}

TEST_CASE("an error of a system call names the call, the reason, and the kind of shortage") {
    for (const int number : {ENOMEM, ENOSPC, ENOBUFS}) {
        CAPTURE(number);
        CHECK(error_of(number).code == Code::out_of_memory);
    }
    for (const int number : {EMFILE, ENFILE, ETOOMANYREFS}) {
        CAPTURE(number);
        const Error error = error_of(number);
        CHECK(error.code == Code::out_of_descriptors);
        CHECK(error.message.find("ulimit -n") != std::string::npos);
    }
    for (const int number : {EIO, EACCES, EPIPE, EINVAL}) {
        CAPTURE(number);
        const Error error = error_of(number);
        CHECK(error.code == Code::io);
        CHECK(error.message == std::string("mmap: ") + std::strerror(number));
    }
}

TEST_CASE("a thread that asks for short slices goes on, whether the kernel supports them or not") {
    std::thread([] {
        ask_short_slice();
        ask_short_slice();
    }).join();
}

TEST_CASE("a started thread runs its work with the objects that the work holds") {
    auto held = std::make_unique<int>(0);
    int seen = 0;
    std::thread thread = sys::start_thread([held = std::move(held), &seen] { seen = *held + 1; });
    thread.join();
    CHECK(seen == 1);
}

TEST_CASE("a status of wait() is the exit code or the signal, for each of them, with or without a core dump") {
    for (int code = 0; code < 256; ++code) {
        const ExitStatus status = ExitStatus::from_wait_status(code << 8);
        CHECK((status.known && status.exit_code == code && status.signal == 0));
    }
    for (int signal = 1; signal <= SIGRTMAX; ++signal) {
        for (const int dumped : {0, 0x80}) {
            const ExitStatus status = ExitStatus::from_wait_status(signal | dumped);
            CHECK((status.known && status.exit_code == 0 && status.signal == signal));
        }
    }
    CHECK_FALSE(ExitStatus{}.known);
}

TEST_CASE("an object that only shared pointers own is destroyed by a mistaken delete, but its memory is not freed") {
    struct Object : SharedOnly {
        explicit Object(int& ends) : ends_(ends) {}
        ~Object() { ++ends_; }
        int& ends_;
    };
    int ends = 0;
    alignas(Object) std::array<std::byte, sizeof(Object)> memory{};  // not from `new`: to free it would be an error
    delete new (memory.data()) Object(ends);
    CHECK(ends == 1);
    auto owned = std::make_shared<Object>(ends);
    const std::weak_ptr<Object> watched = owned;
    owned.reset();
    CHECK(ends == 2);
    CHECK(watched.expired());
}
