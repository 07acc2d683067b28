// Result<T>: a value or an Error. Errors are values inside native/ and become exceptions only in bindings/.
// Guarantees: allocates nothing itself; an error has one message, written for people.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>

namespace callring {

// The kinds of errors on which a caller can act. The numbers travel in control messages: append only.
enum class Code : std::uint32_t {
    ok = 0,
    invalid_argument = 1,            // the caller passed a wrong value
    io = 2,                          // a system call failed
    timeout = 3,                     // no answer within the one control timeout
    closed = 4,                      // the other end has ended, or the Worker was closed
    malformed = 5,                   // bytes from another process do not decode
    layout_mismatch = 6,             // the two ends have different layout versions
    hashid_format_invalid = 7,       // docs/reference/errors.md
    hashid_descriptor_mismatch = 8,  // likewise
    kind_unsupported = 9,            // likewise
    slot_exhausted = 10,             // likewise
    not_installed = 11,              // a frame's digest has no slot in this child
    prepare_failed = 12,             // loading a binary or unpickling a callable failed
    out_of_memory = 13,
    kernel_failed = 14,     // a kernel or an orchestration function returned non-zero
    python_exception = 15,  // a Python callable raised
    worker_lost = 16,       // the child died while it ran the task
    skipped = 17,           // a predecessor failed; never executed
    cancelled = 18,         // withdrawn before it began
    back_pressure = 19,     // a bound was reached and no task ended until the timeout
    given_up = 20,          // the child died too often and is not replaced
    handle_stale = 21,      // the last registration of a callable was released
    removal_active = 23,    // the final removal of a callable is under way
    partial_failure = 24,   // a process below a node refused; the message has every target's result
    task_timeout = 25,      // the task exceeded its deadline; its child was killed
    too_many_runs = 26,     // as many runs are under way as the Worker allows
    out_of_descriptors = 27,
};
inline constexpr std::uint32_t kCodes = 28;  // greater than every code; 22 is unused

struct ChildEnd;

struct Error {
    Code code = Code::invalid_argument;
    std::string message;
    std::shared_ptr<const ChildEnd> child_end =
        nullptr;  // the child's end, if it is the reason; the message is then short
};

template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

    [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return ok(); }

    [[nodiscard]] T& value() & { return std::get<0>(state_); }
    [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
    [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    [[nodiscard]] const Error& error() const& { return std::get<1>(state_); }
    [[nodiscard]] Error&& error() && { return std::get<1>(std::move(state_)); }

private:
    std::variant<T, Error> state_;
};

// Result<void>: success or an Error.
template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)), failed_(true) {}  // NOLINT(google-explicit-constructor)

    [[nodiscard]] bool ok() const noexcept { return !failed_; }
    explicit operator bool() const noexcept { return ok(); }
    [[nodiscard]] const Error& error() const& { return error_; }
    [[nodiscard]] Error&& error() && { return std::move(error_); }

private:
    Error error_;
    bool failed_ = false;
};

}  // namespace callring
