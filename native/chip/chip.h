// Chip: executes chip callables. There is one implementation for each platform family; platform.h opens them by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "callring/chip.h"
#include "common/result.h"

namespace callring::chip {

struct CallConfig {
    std::uint32_t block_count = 0;  // 0: the callable's choice; without an orchestration function, one block per core
};

// The work of one core for one launch; CLOCK_MONOTONIC nanoseconds.
struct CoreSpan {
    std::uint32_t core;
    std::uint32_t func_id;
    std::uint64_t begin_ns;
    std::uint64_t end_ns;
};

// Why a call failed.
struct Failure {
    std::int32_t code = 0;  // the value that the kernel or the orchestration function returned
    std::string kernel;     // empty: the orchestration function
    std::uint32_t block = 0;
    std::string message;
};

// The code of failures that the chip itself found (arguments that contradict the signature).
inline constexpr std::int32_t kRefusedByChip = -1;

// The loaded binaries of one callable. Destroying it unloads them.
class Prepared {
public:
    Prepared() = default;
    Prepared(const Prepared&) = delete;
    Prepared& operator=(const Prepared&) = delete;
    virtual ~Prepared() = default;
};

class Chip {
public:
    Chip() = default;
    Chip(const Chip&) = delete;
    Chip& operator=(const Chip&) = delete;
    virtual ~Chip() = default;

    // Validates a blob and loads everything in it. May run while another thread executes.
    // Errors: malformed (blob), prepare_failed (a binary does not load, a symbol is missing, a signature contradicts).
    virtual Result<std::unique_ptr<Prepared>> prepare(std::span<const std::byte> blob) = 0;
    // Executes a call to its end, on the calling thread and the chip's cores; one call at a time. Appends spans to
    // `spans` unless it is null. Returns nothing on success.
    virtual std::optional<Failure> execute(Prepared& prepared, const callring_args& args, const CallConfig& config,
                                           std::vector<CoreSpan>* spans) = 0;
    [[nodiscard]] virtual std::uint32_t core_count() const noexcept = 0;
};

}  // namespace callring::chip
