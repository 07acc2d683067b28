// Cores: the core threads of a simulated chip, and the launches that run on them.
// Guarantees: threads are created once and sleep while there is no work; a waiting thread works as core 0, so a chip of
// n cores has n - 1 threads; a launch starts after the launches that it depends on.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "callring/chip.h"
#include "chip/chip.h"

namespace callring::chip {

// One launch: `blocks` calls of a kernel. Under the cores' lock except for members that are constant after submit.
struct Launch {
    std::uint64_t id = 0;
    callring_kernel_fn kernel = nullptr;
    std::uint32_t func_id = 0;
    const char* name = "";
    std::uint32_t blocks = 1;
    std::vector<callring_tensor> tensors;
    std::vector<std::uint64_t> scalars;

    std::uint32_t next_block = 0;
    std::uint32_t unfinished = 0;  // blocks
    std::uint32_t unmet = 0;       // launches that it waits for
    std::vector<Launch*> successors;
    Launch* next_ready = nullptr;
    std::vector<CoreSpan> spans;  // by core, when traced
    bool done = false;
};

class Cores {
public:
    // Starts `count - 1` threads; every core has `scratch_bytes` of 64-byte aligned scratch memory.
    Cores(std::uint32_t count, std::size_t scratch_bytes);
    ~Cores();
    Cores(const Cores&) = delete;
    Cores& operator=(const Cores&) = delete;

    [[nodiscard]] std::uint32_t count() const noexcept { return static_cast<std::uint32_t>(scratch_.size()); }

    // Executes one block on the calling thread, as core 0, without a lock or a wake-up; no launch may be submitted
    // meanwhile. Returns the kernel's code; writes the span unless `span` is null.
    int run_alone(callring_kernel_fn kernel, const char* name, std::uint32_t func_id, const callring_args& args,
                  CoreSpan* span);
    // Queues `launch` after the unfinished ones among `after`. The caller owns it and keeps it until finish(). If this
    // throws bad_alloc, `launch` is not queued. Later steps allocate nothing until finish() reports a failure.
    void submit(Launch& launch, const std::vector<Launch*>& after, bool traced);
    // Works as core 0 until every submitted launch has ended. Returns the first failure since the last call, if any;
    // launches that had not begun at that time were not executed.
    std::optional<Failure> finish();

private:
    void stop() noexcept;
    void thread_main(std::uint32_t core);
    void run_one(std::unique_lock<std::mutex>& lock, std::uint32_t core);
    void end_launch(Launch& launch) noexcept;
    void make_ready(Launch& launch) noexcept;

    struct Failed {
        int code;
        const char* kernel;
        std::uint32_t block;
    };
    struct FreeDeleter {
        void operator()(std::byte* memory) const noexcept { std::free(memory); }  // NOLINT(*-no-malloc)
    };

    std::size_t scratch_bytes_;
    std::vector<std::unique_ptr<std::byte, FreeDeleter>> scratch_;
    std::mutex mutex_;
    std::condition_variable work_;
    std::condition_variable ended_;
    Launch* first_ready_ = nullptr;
    Launch* last_ready_ = nullptr;
    std::uint64_t open_ = 0;  // submitted launches that have not ended
    std::optional<Failed> failed_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace callring::chip
