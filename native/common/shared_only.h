// Base of classes whose objects are made by std::make_shared and by nothing else.
#pragma once

namespace callring {

// make_shared places an object beside its counts and frees both together, without a delete expression. A delete of the
// object alone is always a mistake, so it frees nothing. pybind11 makes that mistake: a new Python wrapper counts as
// the owner of its object before it has taken its share of it, and deletes the object if memory runs out between the
// two.
struct SharedOnly {
    static void operator delete(void* /*object*/) noexcept {}
};

}  // namespace callring
