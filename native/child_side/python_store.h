// PythonStore: the callables that one Python child, a sub-worker or a node, has installed. Checking, resolving and
// removing need no interpreter, and run without its lock. Guarantees: as ChipStore; every field of an envelope is
// checked before unpickling (docs/explanation/python-serialisation.md).
#pragma once

#include <atomic>
#include <memory>
#include <span>

#include "child_side/host.h"
#include "child_side/slot_table.h"
#include "identity/descriptor.h"

namespace callring {

// The steps of a PythonStore that need the interpreter. Called on the control thread.
class PythonLoader {
public:
    PythonLoader() = default;
    PythonLoader(const PythonLoader&) = delete;
    PythonLoader& operator=(const PythonLoader&) = delete;
    virtual ~PythonLoader() = default;

    // Whether this child takes callables of `kind`.
    [[nodiscard]] virtual bool takes(CallableKind kind) const = 0;
    // The descriptor of a callable that is not named by its pickle, from the payload and this process's own data: the
    // source behind "module:qualname", the platform of a blob. Error: prepare_failed.
    virtual Result<Descriptor> describe(CallableKind kind, std::span<const std::byte> payload) = 0;
    // Calls `loaded` once, with the interpreter's lock held, before load() returns. The argument is a reference to the
    // loaded object, which is destroyed when its last reference is dropped, or at the next tidy(). Errors:
    // prepare_failed, or the error of a process below.
    using Loaded = std::function<void(const Result<std::shared_ptr<void>>&)>;
    // `may_hold`: `loaded` may take a while and should keep the lock.
    virtual void load(CallableKind kind, std::span<const std::byte> bytes, bool may_hold, const Loaded& loaded) = 0;
    // Destroys the dropped objects.
    virtual void tidy() = 0;
    // The packed trace of a node's Worker.
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

    // Called by the executing thread with the interpreter's lock, before it waits for a task and when it has one. A
    // removal during a task leaves the dropped objects to this thread.
    void begin_idle() {
        idle_.store(true);  // first: a removal that does not see this has dropped its object before tidy() runs
        loader_->tidy();
    }
    void end_idle() noexcept { idle_.store(false); }

    [[nodiscard]] const SlotTable<void>& table() const noexcept { return table_; }

private:
    // The bytes of `digest` within `payload`, if they hash to it.
    Result<std::span<const std::byte>> check(CallableKind kind, const Digest& digest,
                                             std::span<const std::byte> payload);

    std::unique_ptr<PythonLoader> loader_;
    SlotTable<void> table_;
    std::atomic<bool> idle_{true};
};

}  // namespace callring
