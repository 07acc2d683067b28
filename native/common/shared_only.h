// Base of classes whose objects are only freed by their owners, which count them.
#pragma once

namespace callring {

// The last std::shared_ptr or Counted frees an object without a delete expression. A delete of the object is always a
// mistake, so it frees nothing. pybind11 makes this mistake: a new Python wrapper counts as the owner of its object
// before it holds its pointer, and deletes the object if memory runs out in between.
struct SharedOnly {
    static void operator delete(void* /*object*/) noexcept {}
};

}  // namespace callring
