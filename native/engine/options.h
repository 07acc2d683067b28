// EngineOptions: the options of a Worker's native half. Python sets each by its name here, times as seconds in floats
// (bindings/register_options.cpp).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/unique_fd.h"
#include "memory/sealed.h"
#include "task/callable.h"

namespace callring {

struct EngineOptions {
    std::string platform;
    std::string runtime;
    std::uint32_t cores_per_chip = 0;    // 0: the architecture's default
    std::uint32_t max_callables = 4096;  // slots of each child's table
    std::uint32_t lane_capacity = 1024;
    std::uint64_t max_pending_tasks = 65536;
    std::uint64_t max_runs = 64;  // that may be under way at once
    std::uint64_t control_timeout_ns = 10'000'000'000;
    std::uint64_t start_timeout_ns = 30'000'000'000;  // for a replacement to be ready
    std::optional<std::uint32_t> max_restarts = 10;   // of one child within the window; if absent: see RestartPolicy
    std::uint64_t restart_window_ns = 60'000'000'000;
    bool trace = false;
    std::uint32_t span_capacity = 16384;           // core spans per chip between two drains, when tracing
    std::vector<std::string> chip_program;         // argv of a chip child
    std::vector<std::string> fork_server_program;  // argv of the fork server
    std::vector<std::string> environment;          // "NAME=value" of every child
    std::string python_setup;                      // body of the fork server's start request
    std::vector<UniqueFd> python_descriptors;      // sent with that request
};

struct ChildSpec {
    ChildKind kind = ChildKind::chip;
    std::uint32_t id = 0;
    std::shared_ptr<SealedPayload> setup;  // of a node child: its topology and options, for its Python interpreter
    std::uint64_t patience_ns = 0;         // added to the control timeout for its answers
};

}  // namespace callring
