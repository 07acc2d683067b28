#include "schedule/receive.h"

#include <new>
#include <optional>
#include <utility>

#include "memory/reserve.h"

namespace callring {

namespace {

constexpr const char* kNoExtent = "it reported a result where none can lie";

void copy(Received& received, std::span<const std::byte> bytes) {
    try {
        const SparesReserve spares;
        received.payload.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    } catch (const std::bad_alloc&) {
        received.code = Code::out_of_memory;
    }
}

// Handles an extent that could not be taken. Returns the protocol violation; nullptr if the child is not at fault: then
// `received` has the error.
const char* fail(Received& received, Error error) {
    if (error.code == Code::malformed) {
        return kNoExtent;
    }
    received.code = error.code;
    received.payload = std::move(error.message);
    return nullptr;
}

}  // namespace

Received receive(ParentLane& lane, const TaskOutcome& outcome, std::span<const std::byte> written) {
    Received received{outcome.code, {}, nullptr, nullptr};
    if (outcome.payload_in_extent) {
        const auto record = decode_extent(written);
        auto extent = record ? lane.take_extent(*record) : Result<ExtentPtr>(Error{Code::malformed, {}});
        if (!extent) {
            received.wrong = fail(received, std::move(extent).error());
        } else {
            copy(received, (*extent)->bytes());
        }
    } else if (outcome.payload_in_results) {
        if (const auto bytes = lane.result(written)) {
            copy(received, *bytes);
        } else {
            received.wrong = kLaneOverwritten;
        }
    } else {
        copy(received, written);
    }
    return received;
}

void receive_extents(ParentLane& lane, Received& received) {
    const auto value = decode_apart(received.payload);
    if (!value) {
        received.wrong = kNoExtent;
        return;
    }
    std::optional<Error> failed;
    try {
        const SparesReserve spares;
        received.extents = std::make_unique<Extents>();
        received.extents->reserve(value->count);
    } catch (const std::bad_alloc&) {
        failed = Error{Code::out_of_memory, {}};
    }
    // Takes all extents, even after a failure: an extent that is taken and dropped returns to the child.
    for (std::uint32_t i = 0; i < value->count; ++i) {
        auto extent = lane.take_extent(value->record(i));
        if (!extent && extent.error().code == Code::malformed) {
            received.wrong = kNoExtent;
            return;
        }
        if (!extent) {
            failed = std::move(extent).error();
        } else if (!failed) {
            received.extents->push_back(std::move(extent).value());
        }
    }
    if (failed) {
        received.extents.reset();
        received.wrong = fail(received, *std::move(failed));
    } else if (!is_returned_apart(*value, received.extents->front()->text())) {
        received.wrong = "it returned bytes that are no value";
    }
}

}  // namespace callring
