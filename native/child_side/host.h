// ChildHost: the common part of all children: the handshake, serving control requests while tasks execute, and ending
// with the parent.
// Guarantees: a separate thread serves control requests in order; end of file on the control socket ends the process at
// once, also in the middle of a task.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>

#include "common/result.h"
#include "common/unique_fd.h"
#include "control/channel.h"
#include "control/inbox.h"
#include "control/start_body.h"
#include "identity/digest.h"
#include "lane/child_lane.h"
#include "memory/arena_map.h"

namespace callring {

// The callables of one kind of child. Called on the control thread.
class CallableStore {
public:
    CallableStore() = default;
    CallableStore(const CallableStore&) = delete;
    CallableStore& operator=(const CallableStore&) = delete;
    virtual ~CallableStore() = default;

    // Derives the descriptor from `payload` and the child's own context, compares it with `digest`, prepares the
    // callable and installs it; on any error nothing is installed. An installed identity does not change. Calls
    // `installed` once, before install() returns; a task that was interrupted for this goes on when `installed` has
    // returned. `may_hold`: `installed` may take a while.
    using Installed = std::function<void(const Result<void>&)>;
    virtual void install(std::uint32_t kind, const Digest& digest, std::span<const std::byte> payload, bool may_hold,
                         const Installed& installed) = 0;
    // Error: not_installed.
    virtual Result<void> remove(const Digest& digest) = 0;
    // Whether install() interrupts an executing task.
    [[nodiscard]] virtual bool interrupts() const noexcept { return false; }
    // The packed traces of the processes below, for the parent. Error: malformed, if there are none.
    virtual Result<std::string> take_trace() { return Error{Code::malformed, "no process is below this one"}; }
};

class ChildHost {
public:
    // Receives the parent's start request from `control` and answers it. If `make_store` or the lane fails, or if there
    // is no memory or thread, the answer and the result are that error.
    using MakeStore = std::function<Result<std::unique_ptr<CallableStore>>(const StartBody&)>;
    static Result<std::unique_ptr<ChildHost>> start(UniqueFd control, const MakeStore& make_store);
    ~ChildHost();
    ChildHost(const ChildHost&) = delete;
    ChildHost& operator=(const ChildHost&) = delete;

    [[nodiscard]] ChildLane& lane() noexcept { return *lane_; }
    [[nodiscard]] const ArenaMap& arenas() const noexcept { return arenas_; }

    // Completes the current frame. A payload that does not fit into its completion goes into the lane's result area; a
    // large one, or one without room there, into an extent.
    void complete(Code code, std::uint64_t begin_ns, std::uint64_t end_ns, std::span<const std::byte> payload);

private:
    static Result<std::unique_ptr<ChildHost>> prepare(Channel& channel, Message& request, const MakeStore& make_store);
    ChildHost(Inbox inbox, std::unique_ptr<CallableStore> store, std::unique_ptr<ChildLane> lane);
    void begin(Channel& channel, const Message& request);
    void serve();
    void serve(Message& message);
    void install(Message& message);
    // Serves requests while this child's task is interrupted, as long as they follow each other closely.
    void hold();
    Result<void> handle(Message& message);
    void answer(const Message& request, const Result<void>& outcome);
    void answer_with(const Message& request, const Result<std::string>& payload);
    // Sends the bytes as the body or, if they are too long, in sealed memory; under send_mutex_. After an error,
    // nothing was sent.
    [[nodiscard]] Result<void> send_payload(const MessageHeader& header, std::span<const std::byte> payload);

    Channel channel_;
    Inbox inbox_;  // of the control thread
    std::mutex send_mutex_;
    std::unique_ptr<CallableStore> store_;
    std::unique_ptr<ChildLane> lane_;
    ArenaMap arenas_;
    bool ended_ = false;    // of the control thread
    bool holding_ = false;  // likewise
    std::thread thread_;
};

}  // namespace callring
