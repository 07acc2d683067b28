// Views of a small buffer, and their bytes, computed element by element.
#pragma once

#include <cstdint>
#include <random>
#include <set>
#include <vector>

namespace callring {

struct View {
    std::uint64_t base = 0;
    std::uint64_t element_bytes = 1;
    std::vector<std::int64_t> shape;
    std::vector<std::int64_t> strides;
};

inline std::set<std::uint64_t> bytes_of(const View& view) {
    std::vector<std::int64_t> offsets{0};
    for (std::size_t axis = 0; axis < view.shape.size(); ++axis) {
        std::vector<std::int64_t> next;
        for (const std::int64_t offset : offsets) {
            for (std::int64_t i = 0; i < view.shape[axis]; ++i) {
                next.push_back(offset + (i * view.strides[axis]));
            }
        }
        offsets = std::move(next);
    }
    std::set<std::uint64_t> bytes;
    for (const std::int64_t offset : offsets) {
        for (std::uint64_t i = 0; i < view.element_bytes; ++i) {
            bytes.insert(view.base + static_cast<std::uint64_t>(offset) * view.element_bytes + i);
        }
    }
    return bytes;
}

// Slices with steps, forwards and backwards, of arrays of several shapes over the same 720 elements, with their axes in
// any order.
inline View random_view(std::mt19937& random) {
    static const std::vector<std::vector<std::int64_t>> kShapes{{720},       {24, 30},      {30, 24},
                                                                {6, 10, 12}, {2, 3, 4, 30}, {16, 45}};
    View view;
    view.element_bytes = random() % 4 == 0 ? 2 : 1;
    const auto& whole = kShapes[random() % kShapes.size()];
    std::int64_t stride = 1;
    std::int64_t base = 0;
    for (std::size_t axis = whole.size(); axis-- > 0;) {
        const auto extent = whole[axis];
        const auto begin = static_cast<std::int64_t>(random() % static_cast<std::uint32_t>(extent));
        const auto most = extent - begin;
        auto step = static_cast<std::int64_t>(random() % 3 == 0 ? 1 + (random() % 3) : 1);
        auto count = 1 + static_cast<std::int64_t>(random() % static_cast<std::uint32_t>(((most - 1) / step) + 1));
        base += begin * stride;
        if (random() % 5 == 0) {
            base += (count - 1) * step * stride;
            step = -step;
        }
        view.shape.push_back(random() % 100 == 0 ? 0 : count);
        view.strides.push_back(step * stride);
        stride *= extent;
    }
    if (random() % 4 == 0) {
        std::swap(view.shape.front(), view.shape.back());
        std::swap(view.strides.front(), view.strides.back());
    }
    view.base = static_cast<std::uint64_t>(base) * view.element_bytes;
    return view;
}

}  // namespace callring
