// ChildHost against a parent that this test plays: the handshake, requests and their answers, and completions.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <set>
#include <thread>

#include "child_side/host.h"
#include "common/clock.h"
#include "control/payload.h"
#include "lane/bell.h"
#include "lane/layout.h"
#include "lane/parent_lane.h"
#include "memory/pool.h"

using namespace callring;

namespace {

Digest digest_of(int number) {
    Digest digest{};
    digest[0] = static_cast<std::byte>(number);
    return digest;
}

// Keeps the payloads that it is given; a payload's first byte selects how its installation or execution ends.
class Store final : public CallableStore {
public:
    void install(std::uint32_t /*kind*/, const Digest& digest, std::span<const std::byte> payload, bool /*may_hold*/,
                 const Installed& installed) override {
        const Inside inside(*this);
        while (blocked.load()) {
            std::this_thread::yield();
        }
        switch (payload.empty() ? 'g' : static_cast<char>(payload[0])) {
            case 'n':
                throw std::bad_alloc();
            case 'r':
                installed(Error{Code::prepare_failed, "it cannot be loaded"});
                break;
            default: {
                {
                    const std::lock_guard lock(mutex_);
                    bytes_ = payload.size();
                    table_.insert(digest);
                }
                installed({});
            }
        }
    }
    [[nodiscard]] bool interrupts() const noexcept override { return interrupting.load(); }
    Result<void> remove(const Digest& digest) override {
        const std::lock_guard lock(mutex_);
        return table_.erase(digest) == 1 ? Result<void>() : Error{Code::not_installed, "not installed here"};
    }
    Result<std::string> take_trace() override { return std::string(trace_bytes.load(), 't'); }

    // For the test's thread, beside the serving thread.
    [[nodiscard]] std::set<Digest> table() const {
        const std::lock_guard lock(mutex_);
        return table_;
    }
    [[nodiscard]] std::size_t bytes() const {  // of the last payload
        const std::lock_guard lock(mutex_);
        return bytes_;
    }
    std::atomic<std::size_t> trace_bytes{0};  // of the next trace
    std::atomic<bool> interrupting{false};    // whether install() interrupts a task
    std::atomic<bool> blocked{false};         // whether install() waits
    std::atomic<int> deepest{0};              // the greatest number of installations, each inside of another

private:
    struct Inside {
        explicit Inside(Store& of) : store(of) { store.deepest = std::max(store.deepest.load(), ++store.inside_); }
        Inside(const Inside&) = delete;
        Inside& operator=(const Inside&) = delete;
        ~Inside() { --store.inside_; }
        Store& store;
    };

    int inside_ = 0;  // of the serving thread
    mutable std::mutex mutex_;
    std::set<Digest> table_;
    std::size_t bytes_ = 0;
};

// A parent and, on a thread of its own, the start of its child.
struct Parent {
    explicit Parent(Result<std::unique_ptr<CallableStore>> made = Error{Code::ok, {}}) {
        auto ends = std::move(Channel::pair()).value();
        channel = std::move(ends.first);
        child = std::thread([this, other = UniqueFd::copy_of(ends.second.fd()), made = std::move(made)]() mutable {
            host = ChildHost::start(std::move(other), [&](const StartBody& body) {
                start = body;
                if (made || made.error().code != Code::ok) {
                    return std::move(made);
                }
                auto own = std::make_unique<Store>();
                store = own.get();
                return Result<std::unique_ptr<CallableStore>>(std::move(own));
            });
        });
    }
    // An end of file would end this process: the child is asked to end first.
    ~Parent() {
        if (child.joinable()) {
            child.join();
        }
        if (host) {
            REQUIRE(channel.send(header_of(Op::shutdown), {}, {}, UINT64_MAX).ok());
            CHECK_FALSE((*host)->lane().wait());
            (*host).reset();
        }
    }

    Message ask(MessageHeader header, std::string_view body = {}, std::span<const int> fds = {}) {
        header.sequence = ++sequence;
        REQUIRE(channel.send(header, body, fds, UINT64_MAX).ok());
        auto answer = channel.receive(std::nullopt);
        REQUIRE(answer.ok());
        CHECK(answer->header.sequence == sequence);
        CHECK(answer->header.op == header.op);
        return std::move(answer).value();
    }
    Code begin(std::string_view body = kBody, std::size_t descriptors = 3) {
        const std::array<int, 3> fds{lane->fd(), bell->fd(), bell->event_fd()};
        const Code code = ask(header_of(Op::start), body, std::span(fds).first(descriptors)).code();
        child.join();
        return code;
    }
    // Sends a request without waiting for its answer.
    void post(MessageHeader header, std::string_view body) {
        header.sequence = ++sequence;
        REQUIRE(channel.send(header, body, {}, UINT64_MAX).ok());
    }
    Code register_callable(int number, std::string_view payload) {
        MessageHeader header = header_of(Op::register_callable);
        header.digest = digest_of(number);
        return ask(header, payload).code();
    }

    static constexpr std::string_view kBody = "platform\nruntime\n2\n16\n0\n1";
    std::unique_ptr<ParentBell> bell = std::move(ParentBell::create()).value();
    std::unique_ptr<ParentLane> lane = std::move(ParentLane::create(8, 0)).value();
    Channel channel;
    std::thread child;
    Store* store = nullptr;
    StartBody start;
    std::uint64_t sequence = 0;
    Result<std::unique_ptr<ChildHost>> host = Error{Code::ok, {}};
};

}  // namespace

TEST_CASE("a started child has the settings of its start request, and answers it") {
    Parent parent;
    CHECK(parent.begin() == Code::ok);
    REQUIRE(parent.host.ok());
    CHECK(parent.start.platform == "platform");
    CHECK(parent.start.cores == 2);
    CHECK(parent.start.max_callables == 16);
}

TEST_CASE("a child whose store cannot be made sends its parent the reason") {
    Parent parent{Error{Code::invalid_argument, "unknown platform"}};
    CHECK(parent.begin() == Code::invalid_argument);
    REQUIRE_FALSE(parent.host.ok());
    CHECK(parent.host.error().message == "unknown platform");
}

TEST_CASE("a start request without its descriptors, or with a malformed body, is refused") {
    for (const std::size_t descriptors : {0U, 1U, 2U}) {
        CAPTURE(descriptors);
        Parent parent;
        CHECK(parent.begin(Parent::kBody, descriptors) != Code::ok);
        CHECK_FALSE(parent.host.ok());
    }
    Parent parent;
    CHECK(parent.begin("platform\nruntime\nmany\n16\n0\n1") == Code::malformed);
}

TEST_CASE("a first request that is no start request is refused") {
    Parent parent;
    CHECK(parent.ask(header_of(Op::map_arena, 1)).code() == Code::malformed);
    parent.child.join();
    CHECK_FALSE(parent.host.ok());
}

TEST_CASE("the store installs and removes callables, and the requests are answered in order") {
    Parent parent;
    REQUIRE(parent.begin() == Code::ok);
    CHECK(parent.register_callable(1, "good") == Code::ok);
    CHECK(parent.register_callable(2, "refused") == Code::prepare_failed);
    CHECK(parent.store->table() == std::set<Digest>{digest_of(1)});
    MessageHeader remove = header_of(Op::unregister_callable);
    remove.digest = digest_of(2);
    CHECK(parent.ask(remove).code() == Code::not_installed);
    remove.digest = digest_of(1);
    CHECK(parent.ask(remove).code() == Code::ok);
    CHECK(parent.store->table().empty());
}

TEST_CASE("an installation that finds no memory fails alone, and the child goes on") {
    Parent parent;
    REQUIRE(parent.begin() == Code::ok);
    CHECK(parent.register_callable(1, "none is left") == Code::out_of_memory);
    CHECK(parent.register_callable(1, "good") == Code::ok);
    CHECK(parent.lane->loaded_until_ns(UINT64_MAX) < UINT64_MAX);  // loading has ended
}

TEST_CASE("a payload that does not fit into a message arrives whole, in sealed memory") {
    Parent parent;
    REQUIRE(parent.begin() == Code::ok);
    const std::vector<std::byte> large(3 * kMaxMessageBody, std::byte{'g'});
    const auto payload = std::move(Payload::create(large)).value();
    REQUIRE(payload.fds().size() == 1);
    CHECK(parent.ask(header_of(Op::register_callable), payload.body(), payload.fds()).code() == Code::ok);
    CHECK(parent.store->bytes() == large.size());
}

TEST_CASE("a payload whose memory is not sealed is refused") {
    Parent parent;
    REQUIRE(parent.begin() == Code::ok);
    const UniqueFd open(::memfd_create("open", MFD_CLOEXEC));
    const std::array<int, 1> fds{open.get()};
    CHECK(parent.ask(header_of(Op::register_callable), {}, fds).code() == Code::malformed);
    CHECK(parent.store->table().empty());
}

TEST_CASE("an arena is mapped under its number, once, and only if its size is sealed") {
    Parent parent;
    REQUIRE(parent.begin() == Code::ok);
    const auto pool = std::make_shared<MemoryPool>(65536, 65536);
    const auto buffer = std::move(pool->allocate(10)).value();
    buffer->data()[9] = std::byte{42};
    const std::array<int, 1> fds{pool->arenas()[0]->fd()};
    CHECK(parent.ask(header_of(Op::map_arena, 5), {}, fds).code() == Code::ok);
    const auto address = (*parent.host)->arenas().resolve(5, buffer->offset(), 10);
    REQUIRE(address.ok());
    CHECK((*address)[9] == std::byte{42});
    CHECK(parent.ask(header_of(Op::map_arena, 5), {}, fds).code() == Code::malformed);
    CHECK(parent.ask(header_of(Op::map_arena, 6)).code() != Code::ok);
    CHECK_FALSE((*parent.host)->arenas().resolve(6, 0, 1).ok());
}

TEST_CASE("the trace of the levels below is answered in a message or, if it is large, in sealed memory") {
    Parent parent;
    REQUIRE(parent.begin() == Code::ok);
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{100}, kMaxMessageBody, kMaxMessageBody + 1}) {
        CAPTURE(bytes);
        parent.store->trace_bytes = bytes;
        Message answer = parent.ask(header_of(Op::take_trace));
        CHECK(answer.fds.size() == (bytes > kMaxMessageBody ? 1 : 0));
        const auto payload = payload_of(answer);
        REQUIRE(payload.ok());
        CHECK(*payload == std::string(bytes, 't'));
    }
}

TEST_CASE("an unknown request is refused, and the child goes on") {
    Parent parent;
    REQUIRE(parent.begin() == Code::ok);
    CHECK(parent.ask(header_of(static_cast<Op>(99))).code() == Code::malformed);
    CHECK(parent.register_callable(1, "good") == Code::ok);
}

TEST_CASE("a task's returned value lies in its completion, in the result area or in an extent, by its size") {
    Parent parent;
    REQUIRE(parent.begin() == Code::ok);
    ChildHost& host = **parent.host;
    struct Size {
        std::size_t bytes;
        std::uint32_t flags;
    };
    for (const auto [bytes, flags] :
         {Size{0, 0}, Size{ChildLane::max_inline_payload(), 0},
          Size{ChildLane::max_inline_payload() + 1, kPayloadInResults}, Size{kLeastExtent - 1, kPayloadInResults},
          Size{kLeastExtent, kPayloadInExtent}, Size{1U << 20U, kPayloadInExtent}}) {
        CAPTURE(bytes);
        Frame& frame = parent.lane->reserve();
        frame.config = {};
        parent.lane->publish();
        REQUIRE(host.lane().try_next() != nullptr);
        const std::vector<std::byte> payload(bytes, std::byte{7});
        host.complete(Code::ok, 1, 2, payload);
        const Completion* const completion = parent.lane->front_completion();
        REQUIRE(completion != nullptr);
        CHECK(completion->flags == flags);
        CHECK(completion->end_ns == 2);
        const auto outcome = decode_completion(*completion, completion->sequence);
        REQUIRE(outcome.has_value());
        if (flags == kPayloadInExtent) {
            const auto extent = parent.lane->take_extent(*decode_extent(outcome->payload));
            REQUIRE(extent.ok());
            CHECK(std::ranges::equal((*extent)->bytes(), payload));
        } else {
            const auto told = flags == 0 ? std::optional(outcome->payload) : parent.lane->result(outcome->payload);
            REQUIRE(told.has_value());
            CHECK(std::ranges::equal(*told, payload));
        }
        parent.lane->pop_completion();
    }
}

TEST_CASE("a child whose parent has another layout version answers with its own, and does not start") {
    Parent parent;
    MessageHeader header = header_of(Op::start);
    header.layout_version = kLayoutVersion + 1;
    REQUIRE(::send(parent.channel.fd(), &header, sizeof header, 0) == sizeof header);
    const auto answer = parent.channel.receive(std::nullopt);
    REQUIRE(answer.ok());
    CHECK(answer->header.layout_version == kLayoutVersion);
    parent.child.join();
    REQUIRE_FALSE(parent.host.ok());
    CHECK(parent.host.error().code == Code::layout_mismatch);
}

TEST_CASE("a child whose parent ends before the start does not start") {
    Parent parent;
    parent.channel.close();
    parent.child.join();
    REQUIRE_FALSE(parent.host.ok());
    CHECK(parent.host.error().code == Code::closed);
}

TEST_CASE("an answer has the operation, argument, kind and digest of its request") {
    Parent parent;
    REQUIRE(parent.begin() == Code::ok);
    MessageHeader header = header_of(Op::register_callable, 77);
    header.kind = 3;
    header.digest = digest_of(9);
    const Message answer = parent.ask(header, "refused");
    CHECK(answer.code() == Code::prepare_failed);
    CHECK(answer.body == "it cannot be loaded");
    CHECK(answer.header.argument == 77);
    CHECK(answer.header.kind == 3);
    CHECK(answer.header.digest == digest_of(9));
    CHECK(parent.ask(header, "good").body.empty());
}

TEST_CASE("a reason that does not fit into an answer is cut short") {
    Parent parent{Error{Code::invalid_argument, std::string(kMaxMessageBody + 1000, 'x')}};
    const std::array<int, 3> fds{parent.lane->fd(), parent.bell->fd(), parent.bell->event_fd()};
    const Message answer = parent.ask(header_of(Op::start), Parent::kBody, fds);
    CHECK(answer.code() == Code::invalid_argument);
    CHECK(answer.body == std::string(kMaxMessageBody, 'x'));
    parent.child.join();
}

TEST_CASE("after an installation that interrupted a task, further requests are served before the task goes on") {
    for (const bool interrupts : {true, false}) {
        for (const Op op : {Op::register_and_hold, Op::register_callable}) {
            CAPTURE(interrupts);
            Parent parent;
            REQUIRE(parent.begin() == Code::ok);
            parent.store->interrupting = interrupts;
            parent.store->blocked = true;
            // All three requests are there when the first installation ends.
            for (int number = 1; number <= 3; ++number) {
                MessageHeader header = header_of(op);
                header.digest = digest_of(number);
                parent.post(header, "good");
            }
            parent.store->blocked = false;
            for (int number = 1; number <= 3; ++number) {
                const auto answer = parent.channel.receive(std::nullopt);
                REQUIRE(answer.ok());
                CHECK(answer->header.digest == digest_of(number));
                CHECK(answer->code() == Code::ok);
            }
            // The second and third are served inside of the first one, but not inside of each other.
            CHECK(parent.store->deepest == (interrupts && op == Op::register_and_hold ? 2 : 1));
            CHECK(parent.store->table().size() == 3);
        }
    }
}

TEST_CASE("the request to end is served while a task is interrupted, too") {
    Parent parent;
    REQUIRE(parent.begin() == Code::ok);
    parent.store->interrupting = true;
    parent.store->blocked = true;
    MessageHeader header = header_of(Op::register_and_hold);
    header.digest = digest_of(1);
    parent.post(header, "good");
    parent.post(header_of(Op::shutdown), {});
    parent.store->blocked = false;
    CHECK(parent.channel.receive(std::nullopt)->code() == Code::ok);
    CHECK_FALSE((*parent.host)->lane().wait());
    (*parent.host).reset();  // its thread ends
    parent.host = Error{Code::ok, {}};
}

TEST_CASE("while a callable is being loaded, the lane says so, and afterwards when that ended") {
    Parent parent;
    REQUIRE(parent.begin() == Code::ok);
    CHECK(parent.lane->loaded_until_ns(UINT64_MAX) == 0);  // it has never loaded
    parent.store->blocked = true;
    MessageHeader header = header_of(Op::register_callable);
    header.digest = digest_of(1);
    parent.post(header, "good");
    while (parent.lane->loaded_until_ns(UINT64_MAX) != UINT64_MAX) {
        std::this_thread::yield();
    }
    const std::uint64_t before = now_ns();
    parent.store->blocked = false;
    CHECK(parent.channel.receive(std::nullopt)->code() == Code::ok);
    CHECK(parent.lane->loaded_until_ns(UINT64_MAX) >= before);
    CHECK(parent.lane->loaded_until_ns(UINT64_MAX) <= now_ns());
}
