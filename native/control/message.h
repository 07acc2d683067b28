// The one definition of control messages: what travels on the SOCK_SEQPACKET socket between a parent and a child, and
// in the notices of a parent (control/notice.h).
// A message is a MessageHeader, then `body_bytes` of body; descriptors travel beside it (SCM_RIGHTS). Every message
// carries the layout version, so that each end refuses the other at the first word if it speaks another one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace callring {

inline constexpr std::uint32_t kControlMagic = 0x43524C43;  // "CLRC"
inline constexpr std::size_t kMaxMessageBody = std::size_t{32} * 1024;
inline constexpr std::size_t kMaxMessageFds = 5;

// Requests go from parent to child and are answered by a message with the same op and sequence number, `code` telling
// the outcome and the body the reason. `child_exited` is a notice without an answer.
enum class Op : std::uint32_t {
    start = 1,                // lane, bell, progress event and, for a child that hears notices, their memory and event
                              // as descriptors; body: StartBody
    map_arena = 2,            // argument: arena id; descriptor: the arena
    register_callable = 3,    // digest, kind; body or descriptor: payload. What is installed stays so
    register_and_hold = 4,    // likewise; a task that this interrupts holds for a while (ChildHost)
    unregister_callable = 5,  // digest
    shutdown = 6,             // finish what was begun and exit
    fork_child = 8,           // parent to fork server; argument: child id; body: when it must be ready (ns, decimal);
                              // descriptors: the new child's control socket and, for a node child, what it is made of
    child_exited = 9,         // fork server to parent; argument: child id; body: i32 wait status
    take_trace = 10,          // what the Worker within a node recorded, as the node packed it: the answer's payload
};

struct MessageHeader {
    std::uint32_t magic = kControlMagic;
    std::uint32_t layout_version = 0;
    std::uint32_t op = 0;
    std::uint32_t code = 0;  // Code, in replies
    std::uint64_t sequence = 0;
    std::uint64_t argument = 0;
    std::uint32_t kind = 0;  // callable kind, in register_callable
    std::uint32_t body_bytes = 0;
    std::array<std::byte, 32> digest{};
};
// What a sender sets itself; the rest is set by whatever sends it.
[[nodiscard]] inline MessageHeader header_of(Op op, std::uint64_t argument = 0) noexcept {
    MessageHeader header;
    header.op = static_cast<std::uint32_t>(op);
    header.argument = argument;
    return header;
}
static_assert(sizeof(MessageHeader) == 72 && std::is_trivially_copyable_v<MessageHeader>);

}  // namespace callring
