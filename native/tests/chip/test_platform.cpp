// The registry of platforms.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "chip/platform.h"
#include "identity/descriptor.h"

using namespace callring;

TEST_CASE("each architecture has its own default of cores, capped by the machine") {
    const auto machine = std::max(1U, std::thread::hardware_concurrency());
    CHECK((*chip::open_chip("a2a3sim", {}))->core_count() == std::min(24U, machine));
    CHECK((*chip::open_chip("a5sim", {}))->core_count() == std::min(32U, machine));
    CHECK((*chip::open_chip("a5sim", {5}))->core_count() == 5);
}

TEST_CASE("a platform whose toolkit is missing is refused with that reason, an unknown platform with its name") {
    CHECK(chip::open_chip("a2a3", {}).error().message.find("CANN") != std::string::npos);
    CHECK(chip::open_chip("a7", {}).error().message.find("a7") != std::string::npos);
}

TEST_CASE("a refused platform is an invalid argument, and the error names the platform to use instead") {
    for (const std::string_view platform : {"a2a3", "a5"}) {
        const auto error = chip::open_chip(platform, {}).error();
        CHECK(error.code == Code::invalid_argument);
        CHECK(error.message.find("platform " + std::string(platform) + ": ") == 0);
        CHECK(error.message.find("use " + std::string(platform) + "sim") != std::string::npos);
    }
    for (const std::string_view unknown : {"", "A2A3SIM", "a2a3sim ", "a2a3si"}) {
        CHECK(chip::open_chip(unknown, {}).error().code == Code::invalid_argument);
    }
}

TEST_CASE("each platform has a name of its own, and the architecture that identities of its callables have") {
    std::set<std::string_view> names;
    for (const chip::Platform& platform : chip::platforms()) {
        CAPTURE(platform.name);
        names.insert(platform.name);
        const auto arch = target_arch(platform.name);
        REQUIRE(arch.ok());
        CHECK(*arch == platform.arch);
        CHECK(platform.default_cores > 0);
        CHECK(chip::open_chip(platform.name, {1}).ok() == platform.missing.empty());
    }
    CHECK(names.size() == chip::platforms().size());
}
