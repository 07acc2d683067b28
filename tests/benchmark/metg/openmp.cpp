// OpenMP tasks with `depend`, created one after the other by one thread of the team.
#include "peer.h"

class Tasks {
public:
    Tasks(const std::vector<Task>& tasks, std::vector<Output>& outputs, int workers)
        : m_tasks(tasks), m_outputs(outputs), m_workers(workers) {}

    void run(std::uint64_t iterations) {
        const std::vector<Task>& tasks = m_tasks;
        std::vector<Output>& outputs = m_outputs;
        [[maybe_unused]] Output* const output = outputs.data();  // GCC 12 does not see its use in an iterator
#pragma omp parallel num_threads(m_workers)
#pragma omp single
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            const std::uint32_t* const inputs = tasks[i].inputs.data();
            const std::size_t count = tasks[i].inputs.size();
#pragma omp task default(none) firstprivate(i, iterations) shared(tasks, outputs) \
    depend(iterator(std::size_t k = 0 : count), in : output[inputs[k]]) depend(out : output[i])
            execute(tasks[i], outputs, i, iterations);
        }
    }

private:
    const std::vector<Task>& m_tasks;
    std::vector<Output>& m_outputs;
    int m_workers;
};

int main(int, char** argv) {
    return serve<Tasks>(std::atoi(argv[1]));
}
