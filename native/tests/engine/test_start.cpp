// Engine: children that start, and children that cannot.
#include <algorithm>

#include "tests/engine/engine_fixture.h"

using namespace callring;
using callring::test::EngineFixture;

TEST_CASE("start() returns when every chip is ready and has installed all callables that were registered before") {
    EngineFixture worker(2);
    const CallablePtr before = worker.add(EngineFixture::fill());
    REQUIRE(worker.start().ok());
    const auto children = worker.engine->children();
    REQUIRE(children.size() == 2);
    CHECK(children[0].pid != children[1].pid);
    for (const ChildSnapshot& child : children) {
        CHECK(child.state == ChildState::ready);
        CHECK(child.incarnation == 1);
        CHECK(child.last_end == nullptr);
        CHECK(child.installed == std::map<Digest, std::uint32_t>{{before->spec.digest, 1}});
    }
}

TEST_CASE("an engine without children starts, and closes") {
    EngineFixture worker(0);
    CHECK(worker.start().ok());
    CHECK(worker.engine->children().empty());
}

TEST_CASE("a program that does not exist fails the start with the child's name, and leaves no process behind") {
    EngineOptions options;
    options.chip_program = {"/nowhere/callring-chip"};
    EngineFixture worker(2, std::move(options));
    const auto started = worker.start();
    REQUIRE_FALSE(started.ok());
    REQUIRE(started.error().child_end);
    CHECK(started.error().child_end->child == "chip 0");
    for (const ChildSnapshot& child : worker.engine->children()) {
        CHECK(child.state != ChildState::ready);
    }
}

TEST_CASE("a program that ends at once fails the start, and the error reports how it ended") {
    EngineOptions options;
    options.chip_program = {"/bin/false"};
    EngineFixture worker(1, std::move(options));
    const auto started = worker.start();
    REQUIRE_FALSE(started.ok());
    REQUIRE(started.error().child_end);
    CHECK(started.error().child_end->status.exit_code == 1);
}

TEST_CASE("a sub-worker cannot start without the program of its fork server") {
    EngineOptions options;
    options.fork_server_program = {"/nowhere/python"};
    EngineFixture worker(0, std::move(options));
    worker.specs.push_back({ChildKind::sub, 0, nullptr, 0});
    CHECK_FALSE(worker.start().ok());
}

TEST_CASE("a callable that a chip cannot load fails the start, and the error has the chip's reason") {
    EngineFixture worker(1);
    CallableSpec spec = EngineFixture::fill();
    const std::vector<std::byte> junk(100, std::byte{7});
    spec.payload = std::make_shared<const Payload>(std::move(Payload::create(junk)).value());
    const auto begun = worker.engine->begin_register(spec);
    REQUIRE(begun.ok());
    CHECK_FALSE(worker.start().ok());
    const auto refusal = worker.engine->refusal();
    REQUIRE(refusal.has_value());
    CHECK(refusal->callable.digest == spec.digest);
    CHECK(refusal->child == "chip 0");
    CHECK(refusal->error.code == Code::malformed);
}

TEST_CASE("a registration that a ready chip refuses fails with that chip's reason, and the chip goes on") {
    EngineFixture worker(1);
    REQUIRE(worker.start().ok());
    CallableSpec other = EngineFixture::fill();
    other.payload = EngineFixture::hold().payload;  // whose bytes hash to something else
    const auto begun = worker.engine->begin_register(std::move(other));
    REQUIRE(begun.ok());
    CHECK(test::patiently([&] { return worker.engine->wait_for_operation(*begun); }) == Waited::done);
    CHECK((*begun)->outcome() == Code::partial_failure);
    REQUIRE((*begun)->results.size() == 1);
    CHECK((*begun)->results[0].answer.code == Code::hashid_descriptor_mismatch);
    CHECK(worker.engine->children()[0].installed.empty());
    worker.add(EngineFixture::fill());
    CHECK(worker.engine->children()[0].incarnation == 1);
}

TEST_CASE("as many callables are registered as a child's table has slots") {
    EngineOptions options;
    options.max_callables = 1;
    EngineFixture worker(1, std::move(options));
    REQUIRE(worker.start().ok());
    const CallablePtr first = worker.add(EngineFixture::fill());
    CHECK(worker.engine->begin_register(EngineFixture::hold()).error().code == Code::slot_exhausted);
    const auto removed = worker.engine->begin_unregister(first);
    REQUIRE(removed.ok());
    CHECK(test::patiently([&] { return worker.engine->wait_for_operation(*removed); }) == Waited::done);
    worker.add(EngineFixture::hold());
}
