// The definition of control messages, which travel on the SOCK_SEQPACKET socket between a parent and a child, and in
// the notices of a parent (control/notice.h). A message is a MessageHeader, then `body_bytes` of body; descriptors
// travel with it (SCM_RIGHTS). Every message has the layout version, so that each end refuses the other at the first
// message if the versions differ.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace callring {

inline constexpr std::uint32_t kControlMagic = 0x43524C43;  // "CLRC"
inline constexpr std::size_t kMaxMessageBody = std::size_t{32} * 1024;
inline constexpr std::size_t kMaxMessageFds = 5;

// Requests go from parent to child. The answer has the same op and sequence number; its `code` is the outcome and its
// body the reason. `shutdown` and `child_exited` have no answer.
enum class Op : std::uint32_t {
    start = 1,                // descriptors: lane, bell, progress event and, for a child that receives notices, their
                              // memory and event; body: StartBody. To a fork server: argument: bits of the standard
                              // streams that are open; descriptors: these streams, then those for Python; body: JSON
    map_arena = 2,            // argument: arena id; descriptor: the arena
    register_callable = 3,    // digest, kind; body or descriptor: payload. An installed callable stays installed
    register_and_hold = 4,    // likewise; an interrupted task pauses for a while (ChildHost)
    unregister_callable = 5,  // digest
    shutdown = 6,             // finish the current task and exit
    fork_child = 8,           // parent to fork server; argument: Child::key; body: its start deadline (ns, decimal);
                              // descriptors: the child's control socket and, for a node, its topology
    child_exited = 9,         // fork server to parent; argument: Child::key; body: i32 wait status
    take_trace = 10,          // the answer's payload is the trace of a node's Worker, as the node packed it
    rest = 11,                // to a fork server whose Worker is closed: it answers when it has no child and nothing of
                              // that Worker, and then sends nothing before its next start
};

struct MessageHeader {
    std::uint32_t magic = kControlMagic;
    std::uint32_t layout_version = 0;
    std::uint32_t op = 0;
    std::uint32_t code = 0;  // Code, in answers
    std::uint64_t sequence = 0;
    std::uint64_t argument = 0;
    std::uint32_t kind = 0;  // callable kind, in register_callable
    std::uint32_t body_bytes = 0;
    std::array<std::byte, 32> digest{};
};
// A header to which the caller adds the fields of its request. The sending code sets version, sequence and body size.
[[nodiscard]] inline MessageHeader header_of(Op op, std::uint64_t argument = 0) noexcept {
    MessageHeader header;
    header.op = static_cast<std::uint32_t>(op);
    header.argument = argument;
    return header;
}
static_assert(sizeof(MessageHeader) == 72 && std::is_trivially_copyable_v<MessageHeader>);

}  // namespace callring
