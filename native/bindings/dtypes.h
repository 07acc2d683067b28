// The dtypes of callring/chip.h and their NumPy names.
#pragma once

#include <pybind11/numpy.h>

#include <array>
#include <cstdint>
#include <string>

#include "memory/tensor.h"

namespace callring::bindings {

inline constexpr std::array<const char*, 13> kDtypeNames{"bool",    "int8",    "uint8",   "int16",  "uint16",
                                                         "int32",   "uint32",  "int64",   "uint64", "float16",
                                                         "float32", "float64", "bfloat16"};

inline const char* dtype_name(std::uint32_t dtype) {
    return kDtypeNames.at(dtype);
}

// TypeError for a name that no tensor can have.
inline std::uint32_t parse_dtype(const std::string& name) {
    for (std::uint32_t dtype = 0; dtype < kDtypeNames.size(); ++dtype) {
        if (name == kDtypeNames.at(dtype)) {
            return dtype;
        }
    }
    throw pybind11::type_error("dtype '" + name +
                               "' is none of bool, (u)int8 to (u)int64, float16 to float64, bfloat16");
}

// The NumPy dtype. TypeError for bfloat16, which NumPy does not have.
inline pybind11::dtype numpy_dtype(std::uint32_t dtype) {
    if (dtype == CALLRING_BFLOAT16) {
        throw pybind11::type_error("NumPy has no bfloat16");
    }
    return pybind11::dtype(std::string(dtype_name(dtype)));
}

}  // namespace callring::bindings
