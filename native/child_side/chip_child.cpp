// The chip program: a process without Python that executes chip callables on one chip.
// Started by exec with its control socket as descriptor 3. Its main thread takes frames from the lane and executes
// them; a second thread serves registrations meanwhile.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include "child_side/callable_cache.h"
#include "child_side/chip_store.h"
#include "child_side/crash_note.h"
#include "child_side/host.h"
#include "common/clock.h"
#include "common/system_calls.h"
#include "lane/frame.h"
#include "lane/task_failure.h"
#include "processes/die_with_parent.h"
#include "processes/process.h"

namespace callring {
namespace {

// Executes one frame and completes it.
class FrameRunner {
public:
    FrameRunner(ChildHost& host, const ChipStore& store)
        : host_(host), chip_(store.chip()), callables_(store.table()) {}

    void run(const Frame& frame) {
        const bool traced = (frame.config.flags & kFrameTraced) != 0;
        const std::uint64_t sequence = frame.sequence;
        const std::uint64_t begin = traced ? now_ns() : 0;
        const auto outcome = attempt(frame, (frame.config.flags & kFrameCores) != 0 ? &spans_ : nullptr);
        const std::uint64_t end = traced ? now_ns() : 0;
        for (const chip::CoreSpan& span : spans_) {
            host_.lane().post_span({sequence, span.begin_ns, span.end_ns, span.core, span.func_id});
        }
        spans_.clear();
        if (outcome) {
            host_.complete(Code::ok, begin, end, {});
        } else {
            // Only the beginning of a long text is sent.
            constexpr std::size_t kMostText = std::size_t{32} << 10U;
            const std::string_view text = std::string_view(outcome.error().message).substr(0, kMostText);
            host_.complete(outcome.error().code, begin, end, std::as_bytes(std::span(text)));
        }
    }

    // Called before the chip sleeps.
    void rest() { callables_.forget_stale(); }

private:
    Result<void> attempt(const Frame& frame, std::vector<chip::CoreSpan>* spans) {
        try {
            return execute(frame, spans);
        } catch (const std::bad_alloc&) {
            return Error{Code::out_of_memory, "the chip has no memory"};
        }
    }

    Result<void> execute(const Frame& frame, std::vector<chip::CoreSpan>* spans) {
        // Resolved immediately before execution; the copy keeps the callable alive while it runs, also if it is
        // removed.
        const std::shared_ptr<chip::Prepared> callable = callables_.find(frame.digest);
        if (!callable) {
            return Error{Code::not_installed, "its digest is not installed in this child"};
        }
        if (auto decoded = decode_arguments(frame, host_.arenas(), arguments_); !decoded) {
            return decoded;
        }
        const callring_args args{arguments_.tensors.data(), arguments_.scalars.data(),
                                 static_cast<std::uint32_t>(arguments_.tensors.size()),
                                 static_cast<std::uint32_t>(arguments_.scalars.size())};
        const auto failure = chip_.execute(*callable, args, {frame.config.block_count}, spans);
        if (failure) {
            return Error{Code::kernel_failed,
                         encode_kernel_failure({failure->code, failure->block, failure->kernel, failure->message})};
        }
        return {};
    }

    ChildHost& host_;
    chip::Chip& chip_;
    CallableCache<chip::Prepared> callables_;
    DecodedArguments arguments_;
    std::vector<chip::CoreSpan> spans_;
};

int serve() {
    const ChipStore* store = nullptr;
    auto host = ChildHost::start(UniqueFd(kControlFd), [&store](const StartBody& body) {
        auto made = ChipStore::open(body);
        if (!made) {
            return Result<std::unique_ptr<CallableStore>>(std::move(made).error());
        }
        store = made->get();
        return Result<std::unique_ptr<CallableStore>>(std::move(made).value());
    });
    if (!host) {
        return 1;  // the parent has received the reason, or has ended
    }
    FrameRunner runner(**host, *store);
    ChildLane& lane = (*host)->lane();
    note_crashes(lane.crash_note());
    try {
        do {
            while (const Frame* frame = lane.try_next()) {
                runner.run(*frame);
            }
            runner.rest();
        } while (lane.wait());
    } catch (const std::bad_alloc&) {
        ::_exit(1);  // without waiting for the control thread, which would not end; the parent replaces this process
    }
    return 0;
}

}  // namespace
}  // namespace callring

// callring-chip [PARENT]: PARENT is the id of the process that starts this one, in case that process ends before this
// program begins.
int main(int argc, char** argv) {
    if (argc > 2 || callring::sys::fcntl(callring::kControlFd, F_SETFD, FD_CLOEXEC) != 0) {
        std::fputs("callring-chip is started by a Worker, not by hand\n", stderr);
        return 2;
    }
    if (!callring::die_with_parent(argc == 2 ? static_cast<pid_t>(std::strtol(argv[1], nullptr, 10)) : ::getppid())) {
        return 1;  // the parent has ended
    }
    callring::tie_forks(callring::TiedForks::all);  // the threads that run kernels live as long as the process
    // A terminal sends an interrupt to every process of its session: the parent alone decides how to handle it. A
    // terminal can also stop a background process that writes to it: a child must not be stopped.
    ::signal(SIGINT, SIG_IGN);
    ::signal(SIGTTOU, SIG_IGN);
    try {
        return callring::serve();
    } catch (const std::exception& error) {  // no memory, or no thread
        std::fprintf(stderr, "callring-chip: %s\n", error.what());
        return 1;
    }
}
