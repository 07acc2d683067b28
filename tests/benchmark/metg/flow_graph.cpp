// oneTBB's flow graph: a node for each task, built once and executed again and again.
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <deque>

#include "peer.h"

class FlowGraph {
public:
    FlowGraph(const std::vector<Task>& tasks, std::vector<Output>& outputs, int workers)
        : m_limit(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(workers)), m_arena(workers) {
        m_arena.execute([&] {
            m_graph.reset();  // belongs to this arena from now on
            for (std::size_t i = 0; i < tasks.size(); ++i) {
                m_nodes.emplace_back(m_graph, [this, &tasks, &outputs, i](const Signal& signal) {
                    execute(tasks[i], outputs, i, m_iterations);
                    return signal;
                });
                for (const std::uint32_t input : tasks[i].inputs) {
                    tbb::flow::make_edge(m_nodes[input], m_nodes[i]);
                }
                if (tasks[i].inputs.empty()) {
                    m_first.push_back(&m_nodes[i]);
                }
            }
        });
    }

    void run(std::uint64_t iterations) {
        m_iterations = iterations;
        m_arena.execute([&] {
            for (Node* node : m_first) {
                node->try_put(Signal());
            }
            m_graph.wait_for_all();
        });
    }

private:
    using Signal = tbb::flow::continue_msg;
    using Node = tbb::flow::continue_node<Signal>;

    tbb::global_control m_limit;
    tbb::task_arena m_arena;
    tbb::flow::graph m_graph;
    std::deque<Node> m_nodes;
    std::vector<Node*> m_first;
    std::uint64_t m_iterations = 0;
};

int main(int, char** argv) {
    return serve<FlowGraph>(std::atoi(argv[1]));
}
