// PythonStore: the callables that one Python child, a sub-worker or a node, has installed. What needs no interpreter is
// done without its lock: checking, resolving, removing. Guarantees: as ChipStore; every field of an envelope is checked
// before anything is unpickled (docs/explanation/python-serialisation.md).
#pragma once

#include <atomic>
#include <memory>
#include <span>

#include "child_side/host.h"
#include "child_side/slot_table.h"
#include "identity/descriptor.h"

namespace callring {

// What only the interpreter can do. Called on the control thread.
class PythonLoader {
public:
    PythonLoader() = default;
    PythonLoader(const PythonLoader&) = delete;
    PythonLoader& operator=(const PythonLoader&) = delete;
    virtual ~PythonLoader() = default;

    // Whether this child has a use for callables of that kind.
    [[nodiscard]] virtual bool takes(CallableKind kind) const = 0;
    // The descriptor of what is not named by its pickle, from the payload and what this process knows itself: the
    // source behind "module:qualname", the platform of a blob. Error: prepare_failed.
    virtual Result<Descriptor> describe(CallableKind kind, std::span<const std::byte> payload) = 0;
    // Calls `loaded` once, with the interpreter's lock, before it returns: with a reference to what is to be installed,
    // of which the last one to be dropped ends it, or at the next tidy(). Errors: prepare_failed, or why a process
    // below refused.
    using Loaded = std::function<void(const Result<std::shared_ptr<void>>&)>;
    // `may_hold`: `loaded` may take a while, for which the lock should stay with it.
    virtual void load(CallableKind kind, std::span<const std::byte> bytes, bool may_hold, const Loaded& loaded) = 0;
    // Ends what was dropped.
    virtual void tidy() = 0;
    // What the Worker within a node recorded, packed.
    virtual Result<std::string> take_trace() = 0;
};

class PythonStore final : public CallableStore {
public:
    PythonStore(std::unique_ptr<PythonLoader> loader, std::uint32_t capacity)
        : loader_(std::move(loader)), table_(capacity) {}

    void install(std::uint32_t kind, const Digest& digest, std::span<const std::byte> payload, bool may_hold,
                 const Installed& installed) override;
    Result<void> remove(const Digest& digest) override {
        auto removed = table_.remove(digest);
        if (idle_.load()) {
            loader_->tidy();
        }
        return removed;
    }
    [[nodiscard]] bool interrupts() const noexcept override { return !idle_.load(); }
    Result<std::string> take_trace() override { return loader_->take_trace(); }

    // For the thread that executes tasks, with the interpreter's lock: before it waits for one, and when it has one. A
    // removal that comes while it executes leaves what it dropped to it.
    void begin_idle() {
        idle_.store(true);  // first: a removal that does not see it dropped something before tidy() looks
        loader_->tidy();
    }
    void end_idle() noexcept { idle_.store(false); }

    [[nodiscard]] const SlotTable<void>& table() const noexcept { return table_; }

private:
    // The bytes behind `digest` within `payload`, if they are what it says.
    Result<std::span<const std::byte>> check(CallableKind kind, const Digest& digest,
                                             std::span<const std::byte> payload);

    std::unique_ptr<PythonLoader> loader_;
    SlotTable<void> table_;
    std::atomic<bool> idle_{true};
};

}  // namespace callring
