// The SPYC envelope around a serialized Python callable: "SPYC", u8 version 1, u8 serializer 1, u16 flags 0, u64
// payload size, payload (docs/explanation/python-serialisation.md). Each field is checked before unpickling.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "common/result.h"

namespace callring {

[[nodiscard]] std::vector<std::byte> wrap_envelope(std::span<const std::byte> payload);

// The payload inside. Error: malformed, naming the field; bytes after the payload are an error, too.
[[nodiscard]] Result<std::span<const std::byte>> open_envelope(std::span<const std::byte> envelope);

}  // namespace callring
