// Supervisor: the progress thread. It starts processes, reads their sockets, notices their deaths at once (pidfd),
// checks deadlines, and drains lanes while no caller does. Guarantees: it sleeps in epoll and does not poll; this
// thread starts all chips because children die with the thread that started them; every started process is reaped; an
// event of one process is never applied to its replacement (keys are not reused).
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
        std::function<Result<void>(Key)> on_readable;  // the socket has messages; after an error no more are received
        std::function<bool(Key)> on_writable;          // the socket takes messages again; true: no message waits
        std::function<void(Key, const ExitStatus&)> on_exit;
        // When on_deadline must be called; called before each sleep. A thread that sets an earlier time posts work to
        // wake this thread.
        std::function<std::optional<std::uint64_t>()> next_deadline;
        std::function<void()> on_deadline;
        std::function<void()> on_torn;  // a change of the books stopped half-way for lack of memory
    };

    // Starts the thread, which changes the state that `books` stands for. The caller keeps `bell_event`. Errors: io,
    // out_of_memory, out_of_descriptors.
    static Result<std::unique_ptr<Supervisor>> create(int bell_event, Books& books, Hooks hooks);
    ~Supervisor() { stop(); }
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    // Stops the thread after all posted work; no hook is called afterwards. Children must have ended.
    void stop();

    // Runs `work` on the progress thread and waits for it; throws its exceptions. Never call it from that thread.
    void run(std::function<void()> work);
    // Runs `work` on the progress thread, later.
    void post(std::function<void()> work);

    // Leaves the sockets to a caller that waits for answers and receives them itself, so that the progress thread need
    // not wake up to wake that caller. Until hear_sockets() the progress thread does not read them. Any thread may call
    // this, one at a time.
    void leave_sockets() const { hear(0); }
    void hear_sockets() const;

    // The following run on the progress thread only.

    // Watches `socket`, a descriptor that stays open until on_exit, under `key`. Error: out_of_memory; the socket is
    // not watched.
    Result<void> watch_socket(Key key, int socket);
    // Watches for the end of `process`. `direct`: a child of this process, which this thread reaps; otherwise
    // note_exit() reports how it ended. Error: out_of_memory; the process is not watched.
    Result<void> watch_process(Key key, std::shared_ptr<const Process> process, bool direct);
    // Stops watching `key`, without on_exit.
    void forget(Key key);
    // Reports how a process that is not a child of this process ended.
    void note_exit(Key key, const ExitStatus& status);
    // Called when the fork server, which reports how processes ended, has ended itself.
    void lose_notes();
    // Calls on_writable when `key`'s socket takes messages again.
    void await_writable(Key key);

private:
    enum class Source : std::uint8_t { bell, command, sockets, process };
    struct Watched {
        int socket = -1;
        std::shared_ptr<const Process> process;
        bool direct = true;
        bool noted = true;  // if not direct: note_exit() will report how it ended
        bool receiving = true;
        std::optional<std::uint64_t> status_deadline;  // it ended; until then the fork server may report how
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
