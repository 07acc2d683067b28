// Where children keep their callables: the cache of the executing thread, and the store of Python children with an
// interpreter that this test plays.
#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <string>

#include "child_side/callable_cache.h"
#include "child_side/chip_store.h"
#include "child_side/python_store.h"
#include "identity/envelope.h"
#include "tests/chip/chip_fixture.h"

using namespace callring;

namespace {

Digest numbered(int number) {
    Digest digest{};
    digest[0] = static_cast<std::byte>(number);
    digest[9] = static_cast<std::byte>(number >> 8);
    return digest;
}

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

// Loads text: each loaded object counts itself while it lives.
class Loader final : public PythonLoader {
public:
    [[nodiscard]] bool takes(CallableKind kind) const override { return kind != CallableKind::chip_callable; }
    Result<Descriptor> describe(CallableKind /*kind*/, std::span<const std::byte> payload) override {
        if (payload.empty()) {
            return Error{Code::prepare_failed, "there is no such module"};
        }
        return python_source_descriptor("module", "function", sha256(payload));
    }
    void load(CallableKind /*kind*/, std::span<const std::byte> bytes, bool /*may_hold*/,
              const Loaded& loaded) override {
        ++loads;
        last.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        if (bytes.size() == 3) {
            loaded(Error{Code::prepare_failed, "it raised"});
            return;
        }
        ++alive;
        loaded(std::shared_ptr<void>(&alive, [](void* count) { --*static_cast<int*>(count); }));
    }
    void tidy() override { ++tidied; }
    Result<std::string> take_trace() override { return std::string("trace"); }

    std::string last;  // the bytes that were loaded last
    int loads = 0;
    int alive = 0;
    int tidied = 0;
};

struct Python {
    Python() : owned(std::make_unique<Loader>()), loader(*owned), store(std::move(owned), 2) {}

    Result<void> install(CallableKind kind, const Digest& digest, std::span<const std::byte> payload) {
        std::vector<Result<void>> told;
        store.install(static_cast<std::uint32_t>(kind), digest, payload, false,
                      [&](const Result<void>& outcome) { told.push_back(outcome); });
        REQUIRE(told.size() == 1);
        return told.front();
    }
    Result<void> install_source(std::string_view text) {
        const auto digest = descriptor_digest(python_source_descriptor("module", "function", sha256(bytes_of(text))));
        return install(CallableKind::python_source, digest, bytes_of(text));
    }

    std::unique_ptr<Loader> owned;
    Loader& loader;
    PythonStore store;
};

}  // namespace

TEST_CASE("a cache finds installed callables, forgets removed ones, and finds those that are installed again") {
    SlotTable<int> table(8);
    CallableCache<int> cache(table);
    CHECK(cache.find(numbered(1)) == nullptr);
    REQUIRE(table.install(numbered(1), std::make_shared<int>(1)).ok());
    CHECK(*cache.find(numbered(1)) == 1);  // an identity that was not found before is looked for again
    REQUIRE(table.remove(numbered(1)).ok());
    CHECK(cache.find(numbered(1)) == nullptr);
    REQUIRE(table.install(numbered(1), std::make_shared<int>(2)).ok());
    CHECK(*cache.find(numbered(1)) == 2);
}

TEST_CASE("two identities in one place of a cache are told apart") {
    SlotTable<int> table(8);
    CallableCache<int> cache(table);
    REQUIRE(table.install(numbered(1), std::make_shared<int>(1)).ok());
    REQUIRE(table.install(numbered(257), std::make_shared<int>(257)).ok());  // of the same hash
    for (int i = 0; i < 3; ++i) {
        CHECK(*cache.find(numbered(1)) == 1);
        CHECK(*cache.find(numbered(257)) == 257);
    }
}

TEST_CASE("a cache keeps a removed callable until stale entries are dropped, and no longer") {
    SlotTable<int> table(8);
    CallableCache<int> cache(table);
    REQUIRE(table.install(numbered(1), std::make_shared<int>(1)).ok());
    const std::weak_ptr<int> watched = cache.find(numbered(1));
    REQUIRE(table.remove(numbered(1)).ok());
    CHECK_FALSE(watched.expired());  // it may be executing
    cache.forget_stale();
    CHECK(watched.expired());
}

TEST_CASE("a Python callable is loaded once for all that ask for it, and dropped when it is removed") {
    Python python;
    const Digest digest = descriptor_digest(python_source_descriptor("module", "function", sha256(bytes_of("text"))));
    CHECK(python.install_source("text").ok());
    CHECK(python.install_source("text").ok());
    CHECK(python.loader.loads == 1);
    CHECK(python.store.table().contains(digest));
    CHECK(python.loader.alive == 1);
    CHECK(python.store.remove(digest).ok());
    CHECK(python.loader.alive == 0);
    CHECK(python.store.remove(digest).error().code == Code::not_installed);
}

TEST_CASE("a payload whose hash is not that of the request is never loaded") {
    Python python;
    CHECK(python.install(CallableKind::python_source, numbered(1), bytes_of("text")).error().code ==
          Code::hashid_descriptor_mismatch);
    CHECK(python.install(CallableKind::python_serialized, numbered(1), bytes_of("no envelope")).error().code !=
          Code::ok);
    CHECK(python.install(CallableKind::python_source, numbered(1), {}).error().code == Code::prepare_failed);
    CHECK(python.install(CallableKind::chip_callable, numbered(1), bytes_of("text")).error().code ==
          Code::kind_unsupported);
    CHECK(python.loader.loads == 0);
    CHECK_FALSE(python.store.table().contains(numbered(1)));
}

TEST_CASE("a callable that cannot be loaded, or finds no slot, is not installed") {
    Python python;
    CHECK(python.install_source("bad").error().message == "it raised");
    CHECK(python.install_source("first").ok());
    CHECK(python.install_source("second").ok());
    CHECK(python.install_source("third").error().code == Code::slot_exhausted);
    CHECK(python.loader.alive == 2);
}

TEST_CASE("the store tidies up after a removal at once if no task is executing, else when the task has ended") {
    Python python;
    REQUIRE(python.install_source("first").ok());
    CHECK_FALSE(python.store.interrupts());
    python.store.end_idle();
    CHECK(python.store.interrupts());
    static_cast<void>(python.store.remove(numbered(1)));
    CHECK(python.loader.tidied == 0);
    python.store.begin_idle();
    CHECK(python.loader.tidied == 1);
    static_cast<void>(python.store.remove(numbered(1)));
    CHECK(python.loader.tidied == 2);
    CHECK(*python.store.take_trace() == "trace");
}

TEST_CASE("a chip's store opens the known platforms, and takes chip callables only") {
    CHECK(ChipStore::open({"nothing", "runtime", 1, 4, 0, 0}).error().code == Code::invalid_argument);
    const auto store = std::move(ChipStore::open({"a2a3sim", "runtime", 1, 4, 0, 0})).value();
    Result<void> told;
    const auto install = [&](CallableKind kind, std::string_view payload) {
        store->install(static_cast<std::uint32_t>(kind), numbered(1), bytes_of(payload), false,
                       [&](const Result<void>& outcome) { told = outcome; });
        return told.ok() ? Code::ok : told.error().code;
    };
    CHECK(install(CallableKind::python_source, "text") == Code::kind_unsupported);
    CHECK(install(CallableKind::chip_callable, "no blob") == Code::malformed);
    CHECK(store->remove(numbered(1)).error().code == Code::not_installed);
}

TEST_CASE("a pickled callable is named by the bytes inside of its envelope, and these alone are loaded") {
    Python python;
    const Digest digest = descriptor_digest(python_serialized_descriptor(bytes_of("pickle")));
    const auto envelope = wrap_envelope(bytes_of("pickle"));
    CHECK(python.install(CallableKind::python_serialized, digest, envelope).ok());
    CHECK(python.loader.last == "pickle");
    const Digest of_envelope = descriptor_digest(python_serialized_descriptor(envelope));
    CHECK(python.install(CallableKind::python_serialized, of_envelope, envelope).error().code ==
          Code::hashid_descriptor_mismatch);
    CHECK(python.loader.loads == 1);
}

TEST_CASE("an envelope with any damaged byte is refused before its callable is loaded") {
    Python python;
    const Digest digest = descriptor_digest(python_serialized_descriptor(bytes_of("pickle")));
    const auto envelope = wrap_envelope(bytes_of("pickle"));
    for (std::size_t at = 0; at < envelope.size(); ++at) {
        auto damaged = envelope;
        damaged[at] ^= std::byte{4};
        const auto refused = python.install(CallableKind::python_serialized, digest, damaged);
        REQUIRE_FALSE(refused.ok());
        CHECK(refused.error().code == (at < 16 ? Code::malformed : Code::hashid_descriptor_mismatch));
    }
    CHECK(python.loader.loads == 0);
}

TEST_CASE("a kind that no child knows is refused, with its number") {
    Python python;
    const auto refused = python.install(CallableKind::chip_callable, numbered(1), {});
    CHECK(refused.error().message == "this child cannot run callables of kind 1");
    const auto store = std::move(ChipStore::open({"a2a3sim", "runtime", 1, 4, 0, 0})).value();
    std::string told;
    store->install(9, numbered(1), {}, false, [&](const Result<void>& outcome) { told = outcome.error().message; });
    CHECK(told == "a chip cannot run callables of kind 9");
    CHECK(store->take_trace().error().code == Code::malformed);
    CHECK_FALSE(store->interrupts());
}

TEST_CASE("a chip's store installs what hashes to the digest on its own platform and runtime, and nothing else") {
    const auto blob = test::blob_of(test::fill_parts());
    const test::Signature signature{Direction::out, Direction::scalar};
    const auto digest_for = [&](std::string_view platform, std::string_view runtime) {
        return descriptor_digest(*chip_callable_descriptor(platform, runtime, blob, signature));
    };
    const Digest right = digest_for("a2a3sim", "runtime");
    const auto store = std::move(ChipStore::open({"a2a3sim", "runtime", 1, 1, 0, 0})).value();
    std::string told;
    const auto install = [&](const Digest& digest, std::span<const std::byte> payload) {
        Code code = Code::ok;
        int calls = 0;
        store->install(static_cast<std::uint32_t>(CallableKind::chip_callable), digest, payload, false,
                       [&](const Result<void>& outcome) {
                           ++calls;
                           code = outcome ? Code::ok : outcome.error().code;
                           told = outcome ? "" : outcome.error().message;
                       });
        CHECK(calls == 1);
        return code;
    };
    for (const Digest& wrong :
         {digest_for("a5sim", "runtime"), digest_for("a2a3", "runtime"), digest_for("a2a3sim", "other"), numbered(1)}) {
        CHECK(install(wrong, blob) == Code::hashid_descriptor_mismatch);
        CHECK(told ==
              "the received bytes, on platform a2a3sim and runtime runtime, do not hash to the requested digest");
    }
    CHECK(install(right, blob) == Code::ok);
    const auto prepared = store->table().resolve(right);
    REQUIRE(prepared != nullptr);
    CHECK(install(right, blob) == Code::ok);
    CHECK(store->table().resolve(right) == prepared);  // it was not loaded again
    auto other = test::fill_parts();
    other.kernels[0].core_kind = "other";
    const auto other_blob = test::blob_of(other);
    const Digest other_digest =
        descriptor_digest(*chip_callable_descriptor("a2a3sim", "runtime", other_blob, signature));
    CHECK(install(other_digest, other_blob) == Code::slot_exhausted);
    CHECK(store->remove(right).ok());
    CHECK(install(other_digest, other_blob) == Code::ok);
}

TEST_CASE("a blob whose binary cannot be loaded is refused with the loader's reason, and takes no slot") {
    auto parts = test::fill_parts();
    parts.kernels[0].binary.assign(100, std::byte{1});
    const auto blob = test::blob_of(parts);
    const Digest digest = descriptor_digest(*chip_callable_descriptor("a2a3sim", "runtime", blob, parts.signature));
    const auto store = std::move(ChipStore::open({"a2a3sim", "runtime", 1, 1, 0, 0})).value();
    Result<void> told;
    store->install(static_cast<std::uint32_t>(CallableKind::chip_callable), digest, blob, false,
                   [&](const Result<void>& outcome) { told = outcome; });
    REQUIRE_FALSE(told.ok());
    CHECK(told.error().code == Code::prepare_failed);
    CHECK_FALSE(store->table().contains(digest));
}
