// A native peer as a program: reads graphs and orders from its input, executes them, and answers with times.
//
//   graph N            then N lines: the number of inputs of a task, and the numbers of the tasks that they are
//   run ITERATIONS R   executes the graph R times; the answer is the seconds by the clock and of processor time
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "../orders.h"
#include "spin.h"

struct Task {
    std::vector<std::uint32_t> inputs;
};

struct alignas(64) Output {
    std::uint64_t depth = 0;
};

// Executes the work of a task. Its depth is one more than the greatest of its inputs.
inline void execute(const Task& task, std::vector<Output>& outputs, std::size_t number, std::uint64_t iterations) {
    std::uint64_t depth = 0;
    for (const std::uint32_t input : task.inputs) {
        depth = std::max(depth, outputs[input].depth);
    }
    spin(iterations);
    outputs[number].depth = depth + 1;
}

// Whether every task had its inputs when it was executed.
inline bool in_order(const std::vector<Task>& tasks, const std::vector<Output>& outputs) {
    std::vector<Output> expected(tasks.size());
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        execute(tasks[i], expected, i, 0);
        if (outputs[i].depth != expected[i].depth) {
            return false;
        }
    }
    return true;
}

// Serves the orders. A Peer is made of (tasks, outputs, workers), and has run(iterations).
template <typename Peer>
int serve(int workers) {
    std::vector<Task> tasks;
    std::string order;
    while (std::cin >> order && order == "graph") {
        std::size_t count = 0;
        std::cin >> count;
        tasks.assign(count, {});
        for (Task& task : tasks) {
            std::size_t inputs = 0;
            std::cin >> inputs;
            task.inputs.resize(inputs);
            for (std::uint32_t& input : task.inputs) {
                std::cin >> input;
            }
        }
        std::vector<Output> outputs(count);
        Peer peer(tasks, outputs, workers);
        while (std::cin >> std::ws && std::cin.peek() == 'r') {
            std::uint64_t iterations = 0;
            int repeats = 0;
            std::cin >> order >> iterations >> repeats;
            std::fill(outputs.begin(), outputs.end(), Output{});
            answer([&] {
                for (int i = 0; i < repeats; ++i) {
                    peer.run(iterations);
                }
            });
            if (!in_order(tasks, outputs)) {
                std::cerr << "a task was executed before its inputs\n";
                return EXIT_FAILURE;
            }
        }
    }
    return EXIT_SUCCESS;
}
