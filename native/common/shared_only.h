// Base of classes whose objects are only made by std::make_shared.
#pragma once

namespace callring {

// make_shared places an object beside its counts and frees both together, without a delete expression. A delete of the
// object is always a mistake, so it frees nothing. pybind11 makes this mistake: a new Python wrapper counts as the
// owner of its object before it holds its shared_ptr, and deletes the object if memory runs out in between.
struct SharedOnly {
    static void operator delete(void* /*object*/) noexcept {}
};

}  // namespace callring
