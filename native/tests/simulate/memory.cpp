#include "tests/simulate/memory.h"

#include <algorithm>
#include <set>

namespace callring::simulate {

namespace {

constexpr std::uint64_t kElementBytes = 4;
// Room for a few buffers only: allocations without room are part of a program, too.
constexpr std::uint64_t kPoolBytes = 8192;

// One pool for all programs, which leave no buffer in it.
const std::shared_ptr<MemoryPool>& the_pool() {
    static const auto pool = std::make_shared<MemoryPool>(kPoolBytes, kPoolBytes);
    return pool;
}

bool writes(Tag tag) {
    return tag != Tag::input && tag != Tag::no_dep;
}

}  // namespace

std::vector<std::size_t> elements_of(const TensorView& view) {
    std::vector<std::size_t> elements;
    const auto first = static_cast<std::int64_t>((view.offset - view.buffer->offset()) / kElementBytes);
    const std::int64_t rows = view.rank == 2 ? view.shape[0] : 1;
    const std::int64_t row_stride = view.rank == 2 ? view.strides[0] : 0;
    const std::int64_t columns = view.shape[view.rank - 1];
    const std::int64_t stride = view.strides[view.rank - 1];
    for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t column = 0; column < columns; ++column) {
            elements.push_back(static_cast<std::size_t>(first + (row * row_stride) + (column * stride)));
        }
    }
    return elements;
}

void Uses::record(std::size_t user, const TensorArg& argument, std::vector<std::size_t>& after) {
    if (argument.tag == Tag::no_dep) {
        return;
    }
    auto& buffer = buffers_[argument.tensor.buffer->id()];
    buffer.resize(kElements);
    const auto follow = [&](std::size_t other) {
        if (other != SIZE_MAX && other != user && std::find(after.begin(), after.end(), other) == after.end()) {
            after.push_back(other);
        }
    };
    for (const std::size_t i : elements_of(argument.tensor)) {
        Element& element = buffer[i];
        follow(element.writer);
        if (writes(argument.tag)) {
            std::for_each(element.readers.begin(), element.readers.end(), follow);
            element.readers.clear();
            element.writer = user;
        } else {
            element.readers.push_back(user);
        }
    }
}

bool write_the_same(const std::vector<std::shared_ptr<TaskArgs>>& all) {
    std::map<std::pair<std::uint64_t, std::size_t>, std::size_t> writers;
    for (std::size_t i = 0; i < all.size(); ++i) {
        for (const TensorArg& argument : all[i]->tensors) {
            if (!writes(argument.tag)) {
                continue;
            }
            for (const std::size_t element : elements_of(argument.tensor)) {
                const auto [writer, first] = writers.emplace(std::pair(argument.tensor.buffer->id(), element), i);
                if (!first && writer->second != i) {
                    return true;
                }
            }
        }
    }
    return false;
}

Memory::Memory() : pool_(the_pool()) {}

bool Memory::allocate() {
    auto buffer = pool_->allocate(kElements * kElementBytes);
    if (!buffer) {
        return false;
    }
    buffers_.push_back(*buffer);
    if (!scopes_.empty()) {
        scopes_.back().own(*buffer);
    }
    return true;
}

void Memory::forget(Random& random) {
    if (!buffers_.empty()) {
        buffers_.erase(buffers_.begin() + static_cast<std::ptrdiff_t>(random.below(buffers_.size())));
    }
}

void Memory::scope(Random& random) {
    if (scopes_.empty() || (scopes_.size() < 4 && random.one_in(2))) {
        scopes_.emplace_back();
    } else {
        scopes_.back().end();
        scopes_.pop_back();
    }
}

void Memory::forget_all() {
    buffers_.clear();
    scopes_.clear();
}

bool Memory::is_free() const {
    return pool_->bytes_in_use() == 0;
}

// Parts of the buffer: a stretch, every other element, the elements from the back, a window of rows.
TensorArg Memory::argument(const std::shared_ptr<Buffer>& buffer, Random& random) {
    TensorArg argument;
    TensorView& view = argument.tensor;
    view.buffer = buffer;
    view.rank = 1;
    std::size_t first = random.one_in(3) ? 0 : random.below(kElements);
    const std::size_t most = kElements - first;
    std::size_t count = 1 + random.below(most);
    std::int64_t stride = 1;
    switch (random.below(6)) {
        case 0:
            count = (count + 1) / 2;
            stride = 2;
            break;
        case 1:
            first += count - 1;
            stride = -1;
            break;
        case 2:
            if (count >= 8) {  // two or three rows of two
                view.rank = 2;
                view.shape[1] = 2;
                view.strides[1] = 1;
                view.shape[0] = 2;
                view.strides[0] = static_cast<std::int64_t>(2 + random.below((count - 2) / 2));
            }
            break;
        default:
            break;
    }
    if (view.rank == 1) {
        view.shape[0] = static_cast<std::int64_t>(count);
        view.strides[0] = stride;
    }
    view.offset = buffer->offset() + (first * kElementBytes);
    argument.tag = static_cast<Tag>(random.below(random.one_in(4) ? 5 : 3));
    return argument;
}

}  // namespace callring::simulate
