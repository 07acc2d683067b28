// The registrar against children that this test plays: real sockets, real messages and answers in order; a random
// generator chooses the moments, refusals, delays and deaths.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "control/inbox.h"
#include "registry/registrar.h"

using namespace callring;

namespace {

constexpr std::uint64_t kLongNs = 5'000'000'000;
constexpr std::uint64_t kNever = UINT64_MAX / 2;

Digest name(unsigned number) {
    Digest digest{};
    digest[0] = static_cast<std::byte>(number + 1);
    return digest;
}

CallableSpec spec(unsigned number, std::byte descriptor = std::byte{0}) {
    static const auto payload =
        std::make_shared<const Payload>(std::move(Payload::create(std::as_bytes(std::span("x", 1)))).value());
    return {name(number), 2, ChildKind::sub, "callable " + std::to_string(number), {descriptor}, payload};
}

// The child's end: its installed identities, and those that it cannot prepare.
struct Peer {
    Channel channel;
    Inbox inbox;
    std::set<Digest> table;
    std::map<Digest, bool> refuses;
    unsigned payloads = 0;

    // Serves one request; false when there is none.
    bool serve() {
        auto received = inbox.receive(channel, now_ns());
        if (!received) {
            return false;
        }
        MessageHeader reply = received->header;
        Code code = Code::ok;
        if (received->op() == Op::register_callable || received->op() == Op::register_and_hold) {
            ++payloads;
            if (!table.contains(reply.digest) && refuses[reply.digest]) {
                code = Code::prepare_failed;
            } else {
                table.insert(reply.digest);
            }
        } else if (table.erase(reply.digest) == 0) {
            code = Code::not_installed;
        }
        reply.code = static_cast<std::uint32_t>(code);
        REQUIRE(channel.send(reply, {}, {}, now_ns() + kLongNs).ok());
        return true;
    }
};

struct World {
    std::vector<ChildPtr> children;
    std::vector<Peer> peers;
    std::vector<std::string> condemned;  // why, one after the other
    std::vector<std::string> refused;    // needed callables that a starting child cannot install
    std::uint32_t keys = 0;
    std::unique_ptr<Broadcast> broadcast = std::move(Broadcast::create()).value();
    Registrar registrar{children,
                        *broadcast,
                        8,
                        kNever,
                        {[] {},
                         [this](Child& child, const std::string& why) {
                             condemned.push_back(child.name() + ": " + why);
                             child.condemned = why;
                         },
                         [this](Child& child, const Callable& callable, const Error&) {
                             refused.push_back(child.name() + ": " + callable.spec.label);
                             child.condemned = "it refused";
                         }}};

    explicit World(std::size_t count) : peers(count) {
        for (std::size_t i = 0; i < count; ++i) {
            children.push_back(std::make_shared<Child>());
            children[i]->index = children[i]->id = static_cast<std::uint32_t>(i);
            children[i]->kind = ChildKind::sub;
            start(i);
        }
    }

    void start(std::size_t i) {
        auto ends = std::move(Channel::pair()).value();
        Child& child = *children[i];
        peers[i] = {std::move(ends.second), {}, {}, {}, 0};
        child.key = ++keys;
        child.state = ChildState::starting;
        child.condemned.clear();
        child.hears_notices = i % 3 != 2;  // some children receive no notices
        if (child.hears_notices) {
            peers[i].inbox =
                std::move(Inbox::listen(peers[i].channel, UniqueFd::copy_of(broadcast->fd()),
                                        UniqueFd::copy_of(broadcast->event_fd()), child.index, broadcast->next()))
                    .value();
        }
        child.requests = std::make_shared<Requests>(std::move(ends.first), [] {});
        registrar.install_all(children[i], kNever);
        note_ready(i);
    }
    void note_ready(std::size_t i) {
        if (children[i]->requests->unanswered() == 0 && children[i]->condemned.empty()) {
            children[i]->state = ChildState::ready;
        }
    }
    // The end of a process, and its replacement unless the child is given up.
    void kill(std::size_t i) {
        die(i, ChildState::starting);
        start(i);
    }
    void give_up(std::size_t i) {
        children[i]->last_end =
            std::make_shared<const ChildEnd>(ChildEnd{.child = children[i]->name(), .given_up = GivenUp{}});
        die(i, ChildState::lost);
        registrar.on_given_up();
    }
    void die(std::size_t i, ChildState state) {
        Child& child = *children[i];
        const auto requests = std::move(child.requests);
        child.requests = nullptr;
        child.key = 0;
        child.state = state;
        child.ledger.clear();
        requests->fail_all({Code::closed, child.name() + " died"});
    }
    bool deliver(std::size_t i) {
        auto received = children[i]->requests->channel().try_receive();
        if (!received || !*received) {
            return false;
        }
        REQUIRE(children[i]->requests->deliver(std::move(**received)).ok());
        note_ready(i);
        return true;
    }
    void expire(std::size_t i) { children[i]->requests->expire(UINT64_MAX); }
    // Lets every child serve and every answer arrive, and replaces children that are to be ended.
    void settle() {
        for (bool moved = true; moved;) {
            moved = false;
            for (std::size_t i = 0; i < children.size(); ++i) {
                const bool ends = !children[i]->condemned.empty();
                if (ends) {
                    kill(i);
                }
                moved = ends || peers[i].serve() || deliver(i) || moved;
            }
        }
    }
    OperationPtr add(unsigned number) {
        auto begun = registrar.begin_register(spec(number));
        REQUIRE(begun.ok());
        return *begun;
    }
    bool installed(std::size_t i, unsigned number) const {
        const auto entry = children[i]->ledger.find(name(number));
        return entry != children[i]->ledger.end() && entry->second.installed;
    }
};

}  // namespace

TEST_CASE("a child that has a callable is not asked again, unless the callable was just being removed") {
    World world(2);
    world.add(1);
    const auto callable = world.add(1)->callable;  // not confirmed yet
    world.settle();
    CHECK(world.peers[0].payloads == 2);
    CHECK(world.add(1)->settled());
    world.settle();
    CHECK(world.peers[0].payloads == 2);
    CHECK(world.registrar.registrations(name(1)) == 3);
    for (int i = 0; i < 2; ++i) {
        CHECK((*world.registrar.begin_unregister(callable))->settled());
        CHECK_FALSE(world.peers[0].serve());
    }
    CHECK_FALSE((*world.registrar.begin_unregister(callable))->settled());
    world.settle();
    CHECK(world.peers[0].table.empty());
    world.add(1);
    world.settle();
    CHECK(world.peers[0].payloads == 3);
    CHECK(world.registrar.registrations(name(1)) == 1);
}

TEST_CASE("a registration is settled when every child has answered, in any order") {
    World world(2);
    const auto first = world.add(1);
    const auto second = world.add(1);
    CHECK_FALSE(first->settled());
    CHECK_FALSE(second->settled());
    world.settle();
    CHECK(first->settled());
    CHECK(second->settled());
    CHECK_FALSE(second->failed);
    CHECK(first->callable == second->callable);
    CHECK(world.registrar.registrations(name(1)) == 2);
    CHECK(world.installed(0, 1));
    CHECK(world.peers[1].table.contains(name(1)));
}

TEST_CASE("a registration asks only children that have not confirmed the callable already") {
    World world(2);
    const auto first = world.add(1);
    world.peers[0].serve();
    world.deliver(0);
    const auto second = world.add(1);
    CHECK_FALSE(second->settled());
    CHECK(second->results.size() == 2);
    CHECK_FALSE(world.peers[0].serve());
    world.settle();
    CHECK(second->settled());
    CHECK(world.peers[1].payloads == 2);
}

TEST_CASE("a node receives callables of every kind, and counts among the targets of each") {
    World world(3);
    world.children[1]->kind = ChildKind::chip;
    world.children[2]->kind = ChildKind::node;
    world.add(1);
    CallableSpec for_chips = spec(2);
    for_chips.runs_on = ChildKind::chip;
    const auto begun = world.registrar.begin_register(for_chips);
    REQUIRE(begun.ok());
    world.settle();
    CHECK((*begun)->results.size() == 2);
    CHECK((*begun)->results[1].child == "node 2");
    CHECK(world.peers[0].table.size() == 1);
    CHECK(world.peers[1].table.contains(name(2)));
    CHECK(world.peers[2].table.size() == 2);
    world.kill(2);
    world.settle();
    CHECK(world.peers[2].table.size() == 2);
    REQUIRE(world.registrar.begin_unregister((*begun)->callable).ok());
    world.settle();
    CHECK(world.peers[1].table.empty());
    CHECK(world.peers[2].table.size() == 1);
}

TEST_CASE("a callable that one child refuses is taken back from all, and may be registered again") {
    World world(2);
    world.peers[1].refuses[name(1)] = true;
    const auto refused = world.add(1);
    world.settle();
    CHECK(refused->settled());
    CHECK(refused->failed);
    CHECK(refused->results[0].answer.code == Code::ok);
    CHECK(refused->results[1].answer.code == Code::prepare_failed);
    CHECK(world.peers[0].table.empty());
    world.peers[1].refuses.clear();
    const auto again = world.add(1);
    world.settle();
    CHECK_FALSE(again->failed);
    CHECK(world.peers[1].table.contains(name(1)));
}

TEST_CASE("a final removal waits for accepted tasks, and nothing can be registered or removed meanwhile") {
    World world(1);
    const auto callable = world.add(1)->callable;
    world.settle();
    callable->in_flight = 1;
    REQUIRE((*world.registrar.begin_unregister(callable))->settled());
    world.settle();
    CHECK(world.peers[0].table.contains(name(1)));
    CHECK(world.registrar.any_removal());
    CHECK(world.registrar.begin_register(spec(1)).error().code == Code::removal_active);
    CHECK(world.registrar.begin_unregister(callable).error().code == Code::removal_active);
    world.kill(0);  // a task that has not begun may still come to the replacement
    world.settle();
    CHECK(world.peers[0].table.contains(name(1)));
    callable->in_flight = 0;
    world.registrar.on_idle(callable);
    world.settle();
    CHECK(world.peers[0].table.empty());
    CHECK_FALSE(world.registrar.any_removal());
    world.add(1);
    world.settle();
    CHECK(world.peers[0].table.contains(name(1)));
}

TEST_CASE("a child that does not answer in time is ended at once, fails nothing, and is waited for once") {
    World world(2);
    const auto late = world.add(1);
    world.peers[0].serve();
    world.deliver(0);
    CHECK_FALSE(late->settled());
    world.expire(1);
    CHECK(late->outcome() == Code::ok);
    CHECK(world.condemned.size() == 1);
    const auto next = world.add(2);
    CHECK(next->results.size() == 1);  // the child is not asked
    world.peers[0].serve();
    world.deliver(0);
    CHECK(next->outcome() == Code::ok);
    world.peers[1].serve();  // its late answer changes nothing
    world.deliver(1);
    world.kill(1);
    world.settle();
    CHECK(world.peers[1].table.size() == 2);
    CHECK(world.condemned.size() == 1);
}

TEST_CASE("a child that cannot be asked is ended, and its replacement receives what it was not asked to install") {
    World world(3);
    const UniqueFd no_socket(::open("/dev/null", O_RDWR | O_CLOEXEC));
    REQUIRE(::dup2(no_socket.get(), world.children[2]->requests->channel().fd()) >= 0);
    const auto registration = world.add(1);
    CHECK(world.condemned.size() == 1);
    world.kill(2);
    world.settle();
    CHECK(registration->outcome() == Code::ok);
    CHECK(world.peers[2].table.contains(name(1)));
}

TEST_CASE("a child that cannot be asked to remove a callable is ended") {
    World world(3);
    const auto callable = world.add(1)->callable;
    world.settle();
    const UniqueFd no_socket(::open("/dev/null", O_RDWR | O_CLOEXEC));
    REQUIRE(::dup2(no_socket.get(), world.children[2]->requests->channel().fd()) >= 0);
    const auto removal = *world.registrar.begin_unregister(callable);
    CHECK(world.condemned.size() == 1);
    world.settle();
    CHECK(removal->settled());
    CHECK_FALSE(world.registrar.any_removal());
}

TEST_CASE("a removal that a child does not confirm in time ends, and the identity may be registered again at once") {
    World world(2);
    const auto callable = world.add(1)->callable;
    world.settle();
    const auto removal = *world.registrar.begin_unregister(callable);
    world.peers[1].serve();
    world.deliver(1);
    CHECK_FALSE(removal->settled());
    world.expire(0);
    CHECK(removal->settled());
    CHECK_FALSE(world.registrar.any_removal());
    CHECK(world.condemned.size() == 1);
    world.add(1);
    world.settle();
    CHECK(world.peers[0].table.contains(name(1)));
    CHECK(world.peers[1].table.contains(name(1)));
}

TEST_CASE("a registration during which a child dies succeeds, and its replacement receives it") {
    World world(2);
    const auto operation = world.add(1);
    world.kill(1);
    CHECK_FALSE(operation->settled());  // no child has installed it yet
    world.peers[0].serve();
    world.deliver(0);
    CHECK(operation->outcome() == Code::ok);
    CHECK(operation->results[1].answer.code == Code::closed);
    world.settle();
    CHECK(world.peers[0].table.contains(name(1)));
    CHECK(world.peers[1].table.contains(name(1)));
}

TEST_CASE("a registration whose every child dies waits for the first replacement that installs it") {
    World world(2);
    const auto operation = world.add(1);
    world.kill(0);
    world.kill(1);
    CHECK_FALSE(operation->settled());
    world.peers[1].serve();
    world.deliver(1);
    CHECK(operation->outcome() == Code::ok);
    CHECK(world.children[0]->state == ChildState::starting);
    world.settle();
    CHECK(world.peers[0].table.contains(name(1)));
}

TEST_CASE(
    "a callable is refused if children die repeatedly before any has installed it, and replacements do not get it") {
    World world(2);
    const auto deadly = world.add(1);
    for (int i = 0; i < 5; ++i) {
        world.kill(0);
        world.kill(1);
    }
    CHECK_FALSE(deadly->settled());
    world.kill(0);
    CHECK(deadly->outcome() == Code::partial_failure);
    CHECK(deadly->results.back().answer.code == Code::worker_lost);
    world.settle();
    CHECK(world.peers[0].payloads == 0);
    CHECK(world.peers[0].table.empty());
    CHECK(world.peers[1].table.empty());
    CHECK_FALSE(world.registrar.any_removal());
}

TEST_CASE("a registration does not wait for a starting child, but fails if that child refuses it first") {
    World world(2);
    world.add(1);
    world.settle();
    world.kill(1);
    REQUIRE(world.children[1]->state == ChildState::starting);
    SUBCASE("another child installs it") {
        const auto operation = world.add(2);
        CHECK(operation->results.size() == 1);
        world.peers[0].serve();
        world.deliver(0);
        CHECK(operation->outcome() == Code::ok);
        world.settle();
        CHECK(world.peers[1].table.size() == 2);
    }
    SUBCASE("it is the first to answer") {
        world.peers[1].refuses[name(2)] = true;
        const auto operation = world.add(2);
        while (world.peers[1].serve()) {
        }
        while (world.deliver(1)) {
        }
        CHECK(operation->failed);
        world.settle();
        CHECK(operation->outcome() == Code::partial_failure);
        CHECK(world.refused.empty());  // the child goes on: no live callable was refused
        CHECK(world.peers[0].table.size() == 1);
        CHECK(world.peers[1].table.size() == 1);
    }
    SUBCASE("it refuses a callable that the other child has, and fails to start") {
        world.peers[1].refuses[name(1)] = true;
        while (world.peers[1].serve()) {
        }
        while (world.deliver(1)) {
        }
        CHECK(world.refused.size() == 1);
    }
}

TEST_CASE("a child that starts without a callable of accepted tasks takes no work, even during the removal") {
    World world(1);
    const auto callable = world.add(1)->callable;
    world.settle();
    callable->in_flight = 1;
    REQUIRE(world.registrar.begin_unregister(callable).ok());
    world.kill(0);
    world.peers[0].refuses[name(1)] = true;
    world.peers[0].serve();
    world.deliver(0);
    CHECK(world.refused.size() == 1);
    CHECK_FALSE(world.children[0]->takes_work());
    world.settle();
    CHECK(world.children[0]->takes_work());
    CHECK(world.peers[0].table.contains(name(1)));
    SUBCASE("but it does if the last of those tasks has ended meanwhile") {
        world.kill(0);
        callable->in_flight = 0;
        world.registrar.on_idle(callable);
        world.peers[0].refuses[name(1)] = true;
        world.peers[0].serve();
        world.deliver(0);
        CHECK(world.refused.size() == 1);
        CHECK(world.children[0]->takes_work());
    }
}

TEST_CASE("a registration fails if no child is left for it, before it begins or while it waits") {
    World world(2);
    const auto waiting = world.add(1);
    world.give_up(0);
    CHECK_FALSE(waiting->settled());
    world.give_up(1);
    CHECK(waiting->outcome() == Code::given_up);
    CHECK(waiting->results.back().answer.child_end->given_up);
    CHECK(world.add(2)->outcome() == Code::given_up);
}

TEST_CASE("a removal does not wait for a starting child, which removes the callable before it takes work") {
    World world(2);
    const auto callable = world.add(1)->callable;
    world.settle();
    world.kill(1);
    const auto removal = *world.registrar.begin_unregister(callable);
    world.peers[0].serve();
    world.deliver(0);
    CHECK(removal->settled());
    CHECK_FALSE(world.registrar.any_removal());
    world.settle();
    CHECK(world.children[1]->state == ChildState::ready);
    CHECK(world.peers[1].table.empty());
}

TEST_CASE("one hashid with two descriptors, and more identities than there are slots, are refused and change nothing") {
    World world(1);
    for (unsigned i = 0; i < 8; ++i) {
        world.add(i);
    }
    world.settle();
    CHECK(world.registrar.begin_register(spec(8)).error().code == Code::slot_exhausted);
    CHECK(world.registrar.begin_register(spec(0, std::byte{1})).error().code == Code::hashid_descriptor_mismatch);
    CHECK(world.peers[0].table.size() == 8);
    world.add(0);
    world.settle();
    CHECK(world.peers[0].table.contains(name(0)));
}

TEST_CASE("a child that contradicts what it received is not trusted any more") {
    World world(1);
    const auto callable = world.add(1)->callable;
    world.settle();
    world.peers[0].table.clear();
    REQUIRE(world.registrar.begin_unregister(callable).ok());
    world.settle();
    CHECK(world.condemned.size() == 1);
}

TEST_CASE(
    "random registrations, removals, tasks, refusals, delays and deaths end with the handles' callables installed") {
    constexpr unsigned kNames = 5;
    for (unsigned seed = 0; seed < 300; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
        World world(3);
        std::vector<OperationPtr> registering;
        std::vector<CallablePtr> handles;
        std::vector<CallablePtr> tasks;
        const auto collect = [&] {
            std::erase_if(registering, [&](const OperationPtr& operation) {
                if (operation->settled() && !operation->failed) {
                    handles.push_back(operation->callable);
                }
                return operation->settled();
            });
        };
        for (int step = 0; step < 400; ++step) {
            const std::size_t i = below(3);
            switch (below(9)) {
                case 0:
                case 1:
                    if (auto begun = world.registrar.begin_register(spec(static_cast<unsigned>(below(kNames))))) {
                        registering.push_back(*begun);
                    }
                    break;
                case 2:
                    if (!handles.empty()) {
                        const std::size_t which = below(handles.size());
                        REQUIRE(world.registrar.begin_unregister(handles[which]).ok());
                        handles.erase(handles.begin() + static_cast<std::ptrdiff_t>(which));
                    }
                    break;
                case 3:
                    if (!handles.empty()) {
                        tasks.push_back(handles[below(handles.size())]);
                        ++tasks.back()->in_flight;
                    }
                    break;
                case 4:
                    if (!tasks.empty()) {
                        const CallablePtr ended = tasks.back();
                        tasks.pop_back();
                        if (--ended->in_flight == 0 && ended->removing()) {
                            world.registrar.on_idle(ended);
                        }
                    }
                    break;
                case 5:
                    world.peers[i].refuses[name(static_cast<unsigned>(below(kNames)))] = below(2) == 0;
                    break;
                case 6:
                    (below(4) == 0 ? world.kill(i) : world.expire(i));
                    break;
                default:
                    world.peers[i].serve();
                    world.deliver(i);
                    break;
            }
            collect();
            // A callable that an accepted task needs is never removed from a child that takes work.
            for (const CallablePtr& callable : tasks) {
                for (std::size_t child = 0; child < 3; ++child) {
                    if (world.children[child]->takes_work()) {
                        REQUIRE(world.peers[child].table.contains(callable->spec.digest));
                    }
                }
            }
        }
        for (const CallablePtr& ended : tasks) {
            if (--ended->in_flight == 0 && ended->removing()) {
                world.registrar.on_idle(ended);
            }
        }
        for (Peer& peer : world.peers) {
            peer.refuses.clear();
        }
        world.settle();
        collect();
        REQUIRE(registering.empty());
        CHECK_FALSE(world.registrar.any_removal());
        for (const std::string& why : world.condemned) {
            CHECK(why.find("could not release") == std::string::npos);
        }
        for (unsigned number = 0; number < kNames; ++number) {
            const auto held = std::count_if(handles.begin(), handles.end(), [&](const CallablePtr& callable) {
                return callable->spec.digest == name(number);
            });
            if (held > 0) {
                CHECK(world.registrar.registrations(name(number)) == held);
            }
            for (std::size_t i = 0; i < 3; ++i) {
                const bool has = world.peers[i].table.contains(name(number));
                CHECK(has == world.installed(i, number));
                // The engine would end a replacement that cannot prepare a callable; here the replacement just lacks
                // it.
                CHECK((held > 0 || !has));
            }
        }
    }
}
