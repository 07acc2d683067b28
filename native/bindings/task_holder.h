// Lets pybind11 hold tasks by TaskPtr. To be included wherever a task is converted.
#pragma once

#include <pybind11/pybind11.h>

#include "task/task.h"

PYBIND11_DECLARE_HOLDER_TYPE(T, callring::Counted<T>, true)
