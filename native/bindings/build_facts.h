// What this build of the extension was made from. Apart from everything else: it changes with every source.
#pragma once

namespace callring::bindings {

extern const char* const kSourceDigest;
extern const char* const kBuildType;
extern const char* const kSanitizer;

}  // namespace callring::bindings
