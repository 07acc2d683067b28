// PythonStore: the callables that one Python child, a sub-worker or a node, has installed. What needs no interpreter is
// done without its lock (checking, counting, resolving): a registration of what is installed already never waits for a
// running task. Guarantees: as ChipStore; every field of an envelope is checked before anything is unpickled
// (identity.md).
#pragma once

#include <memory>
#include <span>

#include "child/host.h"
#include "child/slot_table.h"
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
    // A reference to what is installed; the last one to be dropped ends it. Errors: prepare_failed, or why a process
    // below refused.
    virtual Result<std::shared_ptr<void>> load(CallableKind kind, std::span<const std::byte> bytes) = 0;
    // What the Worker within a node recorded, packed.
    virtual Result<std::string> take_trace() = 0;
};

class PythonStore final : public CallableStore {
public:
    PythonStore(std::unique_ptr<PythonLoader> loader, std::uint32_t capacity)
        : loader_(std::move(loader)), table_(capacity) {}

    Result<void> install(std::uint32_t kind, const Digest& digest, std::span<const std::byte> payload,
                         std::uint32_t count) override;
    Result<void> retain(const Digest& digest, std::uint32_t count) override { return table_.retain(digest, count); }
    Result<void> remove(const Digest& digest, std::uint32_t count) override { return table_.release(digest, count); }
    Result<std::string> take_trace() override { return loader_->take_trace(); }

    [[nodiscard]] const SlotTable<void>& table() const noexcept { return table_; }

private:
    std::unique_ptr<PythonLoader> loader_;
    SlotTable<void> table_;
};

}  // namespace callring
