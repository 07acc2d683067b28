// Supervisor: the progress thread. It starts processes, hears their sockets, learns of their deaths at once (pidfd),
// keeps deadlines, and drains lanes while no caller does.
// Guarantees: it sleeps in epoll and polls nothing; children are started from this thread because they die with the
// thread that started them; every process that was started is reaped; what is said of one process never reaches the
// one that took its place (keys are not used twice).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"
#include "memory/reserve.h"
#include "processes/process.h"

namespace callring {

class Supervisor {
public:
    using Key = std::uint32_t;

    // All are called on the progress thread.
    struct Hooks {
        std::function<void()> on_bell;                 // the bell's event was readable
        std::function<Result<void>(Key)> on_readable;  // its socket has messages; an error ends its receiving
        std::function<bool(Key)> on_writable;          // its socket takes messages again; true: nothing waits
        std::function<void(Key, const ExitStatus&)> on_exit;
        // When on_deadline is to be called; asked before each sleep. A thread that sets an earlier one posts some work.
        std::function<std::optional<std::uint64_t>()> next_deadline;
        std::function<void()> on_deadline;
        std::function<void()> on_torn;  // what the thread did was given up half-way, for want of memory
    };

    // Starts the thread, which keeps `books`. `bell_event` stays the caller's. Errors: io, out_of_memory,
    // out_of_descriptors.
    static Result<std::unique_ptr<Supervisor>> create(int bell_event, Books& books, Hooks hooks);
    ~Supervisor() { stop(); }
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    // Stops the thread once it has done what was posted; then nothing is called any more. Children must have ended.
    void stop();

    // Runs `work` on the progress thread and waits for it; throws what it throws. Never call it from that thread.
    void run(std::function<void()> work);
    // Runs `work` on the progress thread, later.
    void post(std::function<void()> work);

    // Leaves the sockets to a caller that waits for answers and receives them itself: then none has to be woken only
    // to wake that caller. Until hear_sockets() nothing is heard of them here. Any thread, one caller at a time.
    void leave_sockets() const { hear(0); }
    void hear_sockets() const;

    // The following run on the progress thread only.

    // Hears `socket`, a descriptor that stays open until on_exit, under `key`. Errors: out_of_memory; then it does not.
    Result<void> watch_socket(Key key, int socket);
    // Awaits the end of `process`. `direct`: our own child, which we reap; otherwise note_exit() tells how it ended.
    // Errors: out_of_memory; then it does not.
    Result<void> watch_process(Key key, std::shared_ptr<const Process> process, bool direct);
    // Hears no more of `key`, without on_exit.
    void forget(Key key);
    // How a process ended that is not our own child. Unknown when the process that could tell is gone.
    void note_exit(Key key, const ExitStatus& status);
    // The process that could tell of the processes that are watched now is gone.
    void lose_notes();
    // Calls on_writable when `key`'s socket takes messages again.
    void await_writable(Key key);

private:
    enum class Source : std::uint8_t { bell, command, sockets, process };
    struct Watched {
        int socket = -1;
        std::shared_ptr<const Process> process;
        bool direct = true;
        bool noted = true;  // note_exit() will tell how it ended, unless it is direct
        bool receiving = true;
        std::optional<std::uint64_t> status_deadline;  // it ended; until then another process may tell how
        std::optional<std::uint64_t> end_deadline;     // it closed its socket; until then it may end by itself
    };

    Supervisor(UniqueFd epoll, UniqueFd sockets, UniqueFd command, Books& books, Hooks hooks);
    void start();
    void loop();
    void look();
    void take_messages();
    void run_commands();
    void receive(Key key);
    void process_ended(Key key);
    void finish(Key key, const ExitStatus& status);
    void expire_deadlines();
    [[nodiscard]] Result<void> watch(int fd, Source source, Key key) const;
    bool listen(int operation, int socket, Key key, std::uint32_t events) const;
    void hear(std::uint32_t events) const;
    [[nodiscard]] int timeout_ms() const;

    UniqueFd epoll_;
    UniqueFd sockets_;  // an epoll of the sockets only, which epoll_ watches
    UniqueFd command_;
    Books& books_;
    Hooks hooks_;
    std::unordered_map<Key, Watched> watched_;  // progress thread only
    std::mutex commands_mutex_;
    std::vector<std::function<void()>> commands_;
    bool stopping_ = false;  // progress thread only
    std::thread thread_;
};

}  // namespace callring
