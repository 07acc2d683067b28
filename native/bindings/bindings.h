// The register functions of the extension, one per folder of native/.
#pragma once

#include <pybind11/pybind11.h>
