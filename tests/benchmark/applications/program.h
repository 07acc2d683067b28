// A program of tasks on pieces of matrices, as program.py writes it for native peers:
//
//   BUFFERS TASKS
//   HEIGHT WIDTH                                                     for each buffer
//   KERNEL MAKES N NEEDS... M (BUFFER TOP LEFT HEIGHT WIDTH)...      for each task
//
// MAKES and NEEDS are numbers of tiles: what the task writes, and what else it needs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.cpp"

inline const std::map<std::string, callring_kernel_fn> KERNELS = {
    {"multiply", multiply},
    {"potrf", potrf},
    {"trsm", trsm},
    {"syrk", syrk},
    {"gemm", gemm},
    {"stencil", stencil},
    {"stencil_with_halos", stencil_with_halos},
};

struct Task {
    callring_kernel_fn kernel = nullptr;
    std::uint32_t makes = 0;
    std::vector<std::uint32_t> needs;
    std::vector<callring_tensor> pieces;

    // Returns the kernel's code: 0, or why it failed.
    int execute() const {
        const callring_block block{0, 1, 0, 0, nullptr, 0};
        const callring_args args{pieces.data(), nullptr, static_cast<std::uint32_t>(pieces.size()), 0};
        return kernel(&block, &args);
    }
};

struct Program {
    std::vector<Task> tasks;
    std::uint32_t tiles = 0;

    // Reads a program. `memory(number, elements)` gives the memory of each buffer.
    template <typename Memory>
    Program(std::istream& text, Memory&& memory) {
        std::size_t buffer_count = 0;
        std::size_t task_count = 0;
        text >> buffer_count >> task_count;
        std::vector<double*> buffers;
        std::vector<std::int64_t> widths;
        for (std::size_t i = 0; i < buffer_count; ++i) {
            std::int64_t height = 0;
            std::int64_t width = 0;
            text >> height >> width;
            buffers.push_back(memory(i, static_cast<std::size_t>(height * width)));
            widths.push_back(width);
        }
        tasks.resize(task_count);
        for (Task& task : tasks) {
            read(text, task, buffers, widths);
        }
        if (!text) {
            throw std::runtime_error("the program ends too early");
        }
    }

private:
    void read(std::istream& text, Task& task, const std::vector<double*>& buffers,
              const std::vector<std::int64_t>& widths) {
        std::string name;
        std::size_t count = 0;
        text >> name >> task.makes >> count;
        tiles = std::max(tiles, task.makes + 1);
        task.kernel = KERNELS.at(name);
        task.needs.resize(count);
        for (std::uint32_t& tile : task.needs) {
            text >> tile;
            tiles = std::max(tiles, tile + 1);
        }
        text >> count;
        task.pieces.resize(count);
        for (callring_tensor& piece : task.pieces) {
            std::size_t buffer = 0;
            std::int64_t top = 0;
            std::int64_t left = 0;
            piece = {nullptr, CALLRING_FLOAT64, 2, {}, {}};
            text >> buffer >> top >> left >> piece.shape[0] >> piece.shape[1];
            piece.strides[0] = widths.at(buffer);
            piece.strides[1] = 1;
            piece.data = buffers[buffer] + top * widths[buffer] + left;
        }
    }
};
