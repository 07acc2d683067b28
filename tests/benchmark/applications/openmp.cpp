// A program executed by OpenMP tasks with `depend`, created one after the other by one thread of the team. The orders:
//
//   program TEXT           as program.h describes
//   load FILE              the first contents of the buffers, one after the other
//   run                    executes the program on the first contents; the answer is what that spent
//   save FILE FIRST LAST   writes the contents of the buffers FIRST to LAST - 1; the answer is 0 0
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "../orders.h"
#include "program.h"

class Buffers {
public:
    double* add(std::size_t count) {
        constexpr std::size_t LINE = 64;
        m_now.emplace_back(
            static_cast<double*>(std::aligned_alloc(LINE, (count * sizeof(double) + LINE - 1) / LINE * LINE)));
        m_first.emplace_back(count);
        return m_now.back().get();
    }

    void load(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        for (std::vector<double>& values : m_first) {
            file.read(reinterpret_cast<char*>(values.data()), bytes(values));
        }
        require(static_cast<bool>(file), path);
    }

    void restore() {
        for (std::size_t i = 0; i < m_first.size(); ++i) {
            std::copy(m_first[i].begin(), m_first[i].end(), m_now[i].get());
        }
    }

    void save(const std::string& path, std::size_t first, std::size_t last) {
        std::ofstream file(path, std::ios::binary);
        for (std::size_t i = first; i < last; ++i) {
            file.write(reinterpret_cast<const char*>(m_now.at(i).get()), bytes(m_first[i]));
        }
        file.close();
        require(static_cast<bool>(file), path);
    }

private:
    struct Free {
        void operator()(double* memory) const { std::free(memory); }
    };

    static std::streamsize bytes(const std::vector<double>& values) {
        return static_cast<std::streamsize>(values.size() * sizeof(double));
    }
    static void require(bool good, const std::string& path) {
        if (!good) {
            throw std::runtime_error(path + " cannot be read or written");
        }
    }

    std::vector<std::unique_ptr<double, Free>> m_now;
    std::vector<std::vector<double>> m_first;
};

static void execute(const Program& program, int workers) {
    std::atomic<int> failed = 0;
    std::vector<char> tiles(program.tiles);
    [[maybe_unused]] char* const tile = tiles.data();  // GCC 12 does not see its use in an iterator
#pragma omp parallel num_threads(workers)
#pragma omp single
    for (const Task& task : program.tasks) {
        const Task* const each = &task;
        const std::uint32_t* const needs = task.needs.data();
        const std::size_t count = task.needs.size();
        const std::uint32_t makes = task.makes;
#pragma omp task default(none) firstprivate(each) shared(failed) \
    depend(iterator(std::size_t k = 0 : count), in : tile[needs[k]]) depend(inout : tile[makes])
        if (const int code = each->execute()) {
            failed = code;
        }
    }
    if (failed) {
        throw std::runtime_error("a kernel failed with " + std::to_string(failed));
    }
}

int main(int, char** argv) {
    const int workers = std::atoi(argv[1]);
    std::unique_ptr<Buffers> buffers;
    std::unique_ptr<Program> program;
    std::string order;
    std::string path;
    while (std::cin >> order) {
        if (order == "program") {
            buffers = std::make_unique<Buffers>();
            program = std::make_unique<Program>(std::cin,
                                                [&](std::size_t, std::size_t count) { return buffers->add(count); });
        } else if (order == "load") {
            std::cin >> path;
            buffers->load(path);
        } else if (order == "run") {
            buffers->restore();
            answer([&] { execute(*program, workers); });
        } else {
            std::size_t first = 0;
            std::size_t last = 0;
            std::cin >> path >> first >> last;
            buffers->save(path, first, last);
            std::cout << "0 0" << std::endl;
        }
    }
    return EXIT_SUCCESS;
}
