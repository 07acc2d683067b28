#include "chip/cores.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "chip/block_at_work.h"
#include "common/clock.h"
#include "common/system_calls.h"

namespace callring::chip {

[[gnu::tls_model("initial-exec")]] constinit thread_local BlockAtWork block_at_work;

namespace {

int execute(callring_kernel_fn kernel, const char* name, const callring_block& block, const callring_args& args) {
    block_at_work = {name, block.index};
    const int code = kernel(&block, &args);
    block_at_work.kernel = nullptr;
    return code;
}

}  // namespace

Cores::Cores(std::uint32_t count, std::size_t scratch_bytes) : scratch_bytes_(scratch_bytes) {
    // Before there is memory or a thread to add: a std::thread that its vector cannot take would end the process.
    scratch_.reserve(count);
    threads_.reserve(count - 1);
    for (std::uint32_t core = 0; core < count; ++core) {
        auto* memory = static_cast<std::byte*>(sys::aligned_alloc(64, scratch_bytes));  // NOLINT(*-no-malloc)
        if (memory == nullptr) {
            throw std::bad_alloc();
        }
        scratch_.emplace_back(memory);
    }
    try {
        for (std::uint32_t core = 1; core < count; ++core) {
            threads_.push_back(sys::start_thread([this, core] { thread_main(core); }));
        }
    } catch (...) {
        stop();
        throw;
    }
}

Cores::~Cores() {
    stop();
}

void Cores::stop() noexcept {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    work_.notify_all();
    for (std::thread& thread : threads_) {
        thread.join();
    }
}

void Cores::submit(Launch& launch, const std::vector<Launch*>& after, bool traced) {
    const std::lock_guard lock(mutex_);
    launch.unfinished = launch.blocks;
    if (traced) {
        launch.spans.assign(count(), CoreSpan{0, launch.func_id, 0, 0});
    }
    for (Launch* earlier : after) {
        earlier->successors.reserve(earlier->successors.size() + 1);
    }
    ++open_;
    for (Launch* earlier : after) {
        if (!earlier->done) {
            earlier->successors.push_back(&launch);
            ++launch.unmet;
        }
    }
    if (launch.unmet > 0) {
        return;
    }
    // The thread that calls finish() executes a single block itself: waking a core would cost more than it saves.
    const bool alone = first_ready_ == nullptr && launch.blocks == 1;
    make_ready(launch);
    if (!alone) {
        work_.notify_all();
    }
}

int Cores::run_alone(callring_kernel_fn kernel, const char* name, std::uint32_t func_id, const callring_args& args,
                     CoreSpan* span) {
    const callring_block block{0, 1, 0, 0, scratch_[0].get(), scratch_bytes_};
    if (span == nullptr) {
        return execute(kernel, name, block, args);
    }
    const std::uint64_t begin = now_ns();
    const int code = execute(kernel, name, block, args);
    *span = {0, func_id, begin, now_ns()};
    return code;
}

std::optional<Failure> Cores::finish() {
    std::unique_lock lock(mutex_);
    while (open_ > 0) {
        if (first_ready_ == nullptr) {
            ended_.wait(lock);
        } else {
            run_one(lock, 0);
        }
    }
    const auto failed = std::exchange(failed_, std::nullopt);
    return failed ? std::optional(Failure{failed->code, failed->kernel, failed->block, {}}) : std::nullopt;
}

void Cores::thread_main(std::uint32_t core) {
    sigset_t all;
    ::sigfillset(&all);
    // A crash of a kernel must still end the process.
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) {
        ::sigdelset(&all, signal);
    }
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (first_ready_ == nullptr) {
            work_.wait(lock);
        } else {
            run_one(lock, core);
        }
    }
}

// Takes one block of the first ready launch and executes it without the lock.
void Cores::run_one(std::unique_lock<std::mutex>& lock, std::uint32_t core) {
    Launch& launch = *first_ready_;
    const std::uint32_t index = launch.next_block++;
    if (launch.next_block == launch.blocks) {
        first_ready_ = launch.next_ready;
    }
    if (!failed_) {
        lock.unlock();
        const callring_block block{index, launch.blocks, core, 0, scratch_[core].get(), scratch_bytes_};
        const callring_args args{launch.tensors.data(), launch.scalars.data(),
                                 static_cast<std::uint32_t>(launch.tensors.size()),
                                 static_cast<std::uint32_t>(launch.scalars.size())};
        const std::uint64_t begin = launch.spans.empty() ? 0 : now_ns();
        const int code = execute(launch.kernel, launch.name, block, args);
        const std::uint64_t end = launch.spans.empty() ? 0 : now_ns();
        lock.lock();
        if (!launch.spans.empty()) {
            CoreSpan& span = launch.spans[core];
            span.core = core;
            span.begin_ns = span.begin_ns == 0 ? begin : span.begin_ns;
            span.end_ns = end;
        }
        if (code != 0 && !failed_) {
            failed_ = Failed{code, launch.name, index};
        }
    }
    if (--launch.unfinished == 0) {
        end_launch(launch);
    }
}

void Cores::end_launch(Launch& launch) noexcept {
    launch.done = true;
    --open_;
    for (Launch* next : launch.successors) {
        if (--next->unmet == 0) {
            make_ready(*next);
        }
    }
    if (first_ready_ != nullptr) {
        work_.notify_all();
    }
    ended_.notify_all();
}

void Cores::make_ready(Launch& launch) noexcept {
    (first_ready_ == nullptr ? first_ready_ : last_ready_->next_ready) = &launch;
    last_ready_ = &launch;
}

}  // namespace callring::chip
