// The extension module runtime._core: calls one register function per folder of native/ and nothing else.
#include "bindings/bindings.h"

PYBIND11_MODULE(_core, module) {
    module.doc() = "Native core of Callring. Private: the public interface is the package runtime.";
    module.attr("build_key") = CALLRING_BUILD_KEY;
    module.attr("build_type") = CALLRING_BUILD_TYPE;
    module.attr("sanitizer") = CALLRING_SANITIZE;
}
