#include <sys/eventfd.h>

#include "common/unique_fd.h"
#include "parts_fixture.h"

namespace callring::test {

namespace {

struct Watched : PartsFixture {
    UniqueFd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    RunTable& runs = parts->runs;

    // How often the eventfd was written since the last call.
    [[nodiscard]] std::uint64_t written() const {
        std::uint64_t count = 0;
        return ::read(event.get(), &count, sizeof count) == sizeof count ? count : 0;
    }
};

}  // namespace

TEST_CASE("a run is under way until its tasks have ended and it is sealed") {
    const PartsFixture fixture;
    const auto lock = fixture.lock();
    const RunPtr run = fixture.parts->runs.begin({});
    CHECK(fixture.parts->runs.under_way() == 1);
    fixture.seal(run);
    CHECK(fixture.parts->runs.under_way() == 0);
}

TEST_CASE("a run without owners is not under way, though it was never sealed") {
    const PartsFixture fixture;
    const auto lock = fixture.lock();
    RunPtr run = fixture.parts->runs.begin({});
    run = nullptr;
    CHECK(fixture.parts->runs.under_way() == 0);
}

TEST_CASE("a stream is no run that is under way") {
    const PartsFixture fixture;
    const auto lock = fixture.lock();
    const RunPtr stream = fixture.parts->runs.begin_stream();
    CHECK(stream->stream);
    CHECK(fixture.parts->runs.under_way() == 0);
    fixture.seal(stream);
}

TEST_CASE("runs and streams have ids of their own, in the order in which they begin") {
    const PartsFixture fixture;
    const auto lock = fixture.lock();
    const RunPtr first = fixture.parts->runs.begin({});
    const RunPtr stream = fixture.parts->runs.begin_stream();
    const RunPtr last = fixture.parts->runs.begin({});
    CHECK(first->id < stream->id);
    CHECK(stream->id < last->id);
    for (const RunPtr& run : {first, stream, last}) {
        fixture.seal(run);
    }
}

TEST_CASE("a run that follows another finishes after it") {
    const PartsFixture fixture;
    const auto lock = fixture.lock();
    const RunPtr earlier = fixture.parts->runs.begin({});
    const RunPtr anyhow = fixture.parts->runs.begin({});
    const RunPtr later = fixture.parts->runs.begin({{earlier}, {anyhow}});
    fixture.seal(later);
    CHECK_FALSE(later->finished());
    fixture.seal(earlier);
    CHECK_FALSE(later->finished());
    fixture.seal(anyhow);
    CHECK(later->finished());
}

TEST_CASE("the watcher of a run is written once, when the run finishes") {
    const Watched fixture;
    const auto lock = fixture.lock();
    const RunPtr run = fixture.runs.begin({});
    fixture.runs.watch(*run, fixture.event.get());
    CHECK(fixture.runs.any_watched());
    CHECK(fixture.written() == 0);
    fixture.seal(run);
    CHECK(fixture.written() == 1);
    CHECK_FALSE(fixture.runs.any_watched());
    fixture.runs.tell_watchers(*run);
    CHECK(fixture.written() == 0);
}

TEST_CASE("the watcher of a run that has finished is written at once") {
    const Watched fixture;
    const auto lock = fixture.lock();
    const RunPtr run = fixture.runs.begin({});
    fixture.seal(run);
    fixture.runs.watch(*run, fixture.event.get());
    CHECK(fixture.written() == 1);
    CHECK_FALSE(fixture.runs.any_watched());
}

TEST_CASE("a watcher that was withdrawn is not written") {
    const Watched fixture;
    const auto lock = fixture.lock();
    const RunPtr run = fixture.runs.begin({});
    fixture.runs.watch(*run, fixture.event.get());
    fixture.runs.unwatch(*run, fixture.event.get());
    CHECK_FALSE(fixture.runs.any_watched());
    fixture.seal(run);
    CHECK(fixture.written() == 0);
    fixture.runs.unwatch(*run, fixture.event.get());  // of a run that has none: nothing happens
    CHECK_FALSE(fixture.runs.any_watched());
}

}  // namespace callring::test
