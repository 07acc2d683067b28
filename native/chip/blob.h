// The blob of a ChipCallable: one contiguous, versioned, deterministic sequence of bytes. Building it from the same
// parts gives the same bytes on every machine. Parsing is the trust boundary: it accepts only blobs that build_blob()
// can make.
//
// Little-endian; sections begin at multiples of 64, the bytes between are zero; `str` = u32 length, UTF-8 bytes;
// `signature` = u32 count, u32 direction[count]:
//   header         u32 magic, u32 version, u64 total bytes, u32 kernels
//   public         signature, str entry, u64 bytes of the orchestration binary
//   orchestration  the binary; empty exactly if the callable is one kernel without an orchestration function
//   each kernel, by rising func_id: u32 func_id, str name, str core kind, signature, u64 bytes; then its binary
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"
#include "identity/descriptor.h"

namespace callring::chip {

inline constexpr std::uint32_t kBlobMagic = 0x42435243;  // "CRCB"
inline constexpr std::uint32_t kBlobVersion = 1;
inline constexpr std::size_t kBlobAlignment = 64;

struct KernelPart {
    std::uint32_t func_id = 0;
    std::string name;       // the exported symbol, a C identifier
    std::string core_kind;  // a label for people and schedulers, for instance "aiv"
    std::vector<Direction> signature;
    std::vector<std::byte> binary;
};

struct BlobParts {
    std::string entry;  // the exported orchestration function; without one, the kernel's name
    std::vector<Direction> signature;
    std::vector<std::byte> orchestration;
    std::vector<KernelPart> kernels;
};

// Error: malformed, naming the part: no kernel, duplicate func_id or name, a name that is no identifier, an empty
// kernel binary, a signature with more than 4096 or unknown directions, or a callable without orchestration that is not
// one kernel of the same name and signature.
Result<std::vector<std::byte>> build_blob(BlobParts parts);

// Error: malformed.
Result<BlobParts> parse_blob(std::span<const std::byte> blob);

}  // namespace callring::chip
