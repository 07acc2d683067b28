// The inputs of this build of the extension, in a separate file because they change with every source.
#pragma once

namespace callring::bindings {

extern const char* const kSourceDigest;
extern const char* const kBuildType;
extern const char* const kSanitizer;

}  // namespace callring::bindings
