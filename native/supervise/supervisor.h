// Supervisor: the progress thread. It starts children, receives what they send, learns of their deaths at once
// (pidfd), and drains lanes while no caller does.
// Guarantees: it sleeps in epoll and polls nothing; children are started from this thread because they die with the
// thread that started them; every child that was started is reaped.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"
#include "schedule/child.h"

namespace callring {

class Supervisor {
public:
    struct Hooks {
        std::function<void()> on_bell;                           // the bell's event was readable
        std::function<void(Child&, const ExitStatus&)> on_exit;  // a child or the fork server ended
    };

    // Starts the thread. `bell_event` stays the caller's.
    static Result<std::unique_ptr<Supervisor>> create(int bell_event, Hooks hooks);
    // Stops the thread. Children must have ended.
    ~Supervisor();
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    // Runs `work` on the progress thread and waits for it. Never call it from that thread.
    void run(std::function<void()> work);
    // Runs `work` on the progress thread, later.
    void post(std::function<void()> work);

    // The following run on the progress thread only.

    // Executes `argv` as `child`'s process; `control` is the child's end of its socket.
    Result<void> spawn(const ChildPtr& child, const std::vector<std::string>& argv,
                       const std::vector<std::string>& environment, int control);
    // Receives from `child`'s socket from now on.
    void watch(const ChildPtr& child);
    // Takes over a process that the fork server started for `child`; its exit status comes from the fork server.
    void adopt(const ChildPtr& child, Process process);

private:
    enum class Source : std::uint8_t { bell, command, socket, process };
    struct Watched {
        ChildPtr child;
        bool direct = true;                            // our own child process: we reap it
        std::optional<std::uint64_t> status_deadline;  // it ended; until then the fork server may tell how
        std::optional<std::uint64_t> end_deadline;     // it closed its socket; until then it may end by itself
        std::optional<ExitStatus> status;
        bool ended = false;
    };

    Supervisor(int bell_event, UniqueFd epoll, UniqueFd command, Hooks hooks);
    void loop();
    void run_commands();
    void receive(Watched& watched);
    void process_ended(Watched& watched);
    void note_exit(std::uint64_t child_index, const ExitStatus& status);
    void finish(Watched& watched, const ExitStatus& status);
    void expire_deadlines();
    void control(int operation, int fd, Source source, std::uint32_t index) const;
    [[nodiscard]] int timeout_ms() const;

    int bell_event_;
    UniqueFd epoll_;
    UniqueFd command_;
    Hooks hooks_;
    std::unordered_map<std::uint32_t, Watched> watched_;  // by child index; progress thread only
    std::mutex commands_mutex_;
    std::vector<std::function<void()>> commands_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace callring
