// The extension module runtime._core: calls the register functions, without logic of its own.
#include <utility>

#include "bindings/bindings.h"
#include "bindings/build_facts.h"
#include "bindings/entry.h"
#include "bindings/wrappers.h"
#include "memory/reserve.h"

PYBIND11_MODULE(_core, module) {
    using namespace callring::bindings;
    callring::prepare_thread_to_throw();
    pybind11::register_local_exception_translator([](std::exception_ptr raised) {
        try {
            std::rethrow_exception(std::move(raised));
        } catch (const std::runtime_error& error) {
            if (!is_allocation_failure(error)) {
                throw;
            }
            PyErr_NoMemory();
        }
    });
    module.doc() = "Native core of Callring. Private: the public interface is the package runtime.";
    module.attr("source_digest") = kSourceDigest;
    module.attr("build_type") = kBuildType;
    module.attr("sanitizer") = kSanitizer;
    register_identity(module);
    register_memory(module);
    register_task_args(module);
    register_graph(module);
    register_chip(module);
    register_failures(module);
    register_options(module);
    register_engine(module);
    register_launch(module);
    register_model(module);
    register_submit(module);
    register_fork_server(module);
    register_node(module);
    register_sub_worker(module);
    raise_without_memory(module);
}
