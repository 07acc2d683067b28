#include "bindings/build_facts.h"

namespace callring::bindings {

const char* const kSourceDigest = CALLRING_SOURCE_DIGEST;
const char* const kBuildType = CALLRING_BUILD_TYPE;
const char* const kSanitizer = CALLRING_SANITIZE;

}  // namespace callring::bindings
