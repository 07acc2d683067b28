// Library: what is found in a loaded binary, and what is refused.
#include <dirent.h>

#include <string>
#include <utility>
#include <vector>

#include "callring/chip.h"
#include "chip/loader.h"
#include "tests/chip/chip_fixture.h"

using namespace callring;
using namespace callring::test;

namespace {

chip::Library load(const char* path) {
    auto library = chip::Library::load(read_file(path));
    REQUIRE(library.ok());
    return std::move(library).value();
}

std::string refusal(const chip::Library& library, const std::string& name, const Signature& signature) {
    const auto found = library.find(name, signature);
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().code == Code::prepare_failed);
    return found.error().message;
}

int call(const chip::Library& library, const std::string& name) {
    const auto function = library.find(name, {});
    REQUIRE(function.ok());
    const callring_args none{};
    return reinterpret_cast<callring_kernel_fn>(*function)(nullptr, &none);
}

std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* const folder = ::opendir("/proc/self/fd");
    while (::readdir(folder) != nullptr) {
        ++count;
    }
    ::closedir(folder);
    return count;
}

}  // namespace

TEST_CASE("a function is found with the signature that its source declares, and with no other") {
    const chip::Library library = load(KERNEL_FILL);
    CHECK(library.find("fill", Signature{Direction::out, Direction::scalar}).ok());
    const std::vector<std::pair<Signature, std::string>> wrong{
        {{}, "[]"},
        {{Direction::out}, "[out]"},
        {{Direction::scalar, Direction::out}, "[scalar, out]"},
        {{Direction::inout, Direction::scalar}, "[inout, scalar]"},
        {{Direction::out, Direction::scalar, Direction::in}, "[out, scalar, in]"}};
    for (const auto& [signature, text] : wrong) {
        CHECK(refusal(library, "fill", signature) ==
              "'fill' declares the signature [out, scalar] in its source, but the callable has " + text);
    }
}

TEST_CASE("a function that declares no signature is found with any, and one without arguments with none") {
    const chip::Library library = load(KERNEL_ODD);
    CHECK(library.find("counting", {}).ok());
    CHECK(library.find("counting", Signature{Direction::in, Direction::out}).ok());
    CHECK(library.find("no_arguments", {}).ok());
    CHECK(refusal(library, "no_arguments", {Direction::in}).find("declares the signature []") != std::string::npos);
}

TEST_CASE("a function that the binary does not export is refused by its name, with the way to export it") {
    const chip::Library library = load(KERNEL_FILL);
    CHECK(refusal(library, "full", {}) == "the binary does not export 'full' (mark it CALLRING_EXPORT)");
    CHECK_FALSE(library.find("", {}).ok());
}

TEST_CASE("a function of another library, on which the binary depends, is not one of the binary") {
    const chip::Library library = load(KERNEL_ODD);
    for (const char* name : {"getpid", "abs", "exit"}) {  // of the C library
        CHECK(refusal(library, name, {}) ==
              "the binary does not export '" + std::string(name) + "' (mark it CALLRING_EXPORT)");
    }
}

TEST_CASE("a function that was built against another version of the header is refused with that reason") {
    CHECK(refusal(load(KERNEL_ODD), "other_version", {Direction::in}) ==
          "'other_version' was built against another version of callring/chip.h");
}

TEST_CASE("a declared direction that is none is refused, and not taken for another one") {
    const chip::Library library = load(KERNEL_ODD);
    for (const Direction last : {Direction::scalar, Direction::in, Direction::out, Direction::inout}) {
        CHECK(refusal(library, "no_direction", {Direction::in, last}) ==
              "'no_direction' declares direction 4, which is none of callring/chip.h");
    }
}

TEST_CASE("bytes that are no shared object are refused with the loader's reason, which names no path of this process") {
    for (const auto& bytes : {std::vector<std::byte>(), std::vector<std::byte>(100, std::byte{1})}) {
        const auto library = chip::Library::load(bytes);
        REQUIRE_FALSE(library.ok());
        CHECK(library.error().code == Code::prepare_failed);
        CHECK(library.error().message.find("a binary does not load: binary: ") == 0);
        CHECK(library.error().message.find("/proc") == std::string::npos);
    }
}

TEST_CASE("a binary that is cut short anywhere is refused, or lacks nothing that is loaded") {
    const auto whole = read_file(KERNEL_FILL);
    std::size_t refused = 0;
    for (std::size_t size = 0; size < whole.size(); size += 1 + (whole.size() / 60)) {
        CAPTURE(size);
        const auto library = chip::Library::load(std::span(whole).first(size));
        if (library) {  // symbols for a debugger lie at the end
            CHECK(library->find("fill", Signature{Direction::out, Direction::scalar}).ok());
            continue;
        }
        CHECK(library.error().code == Code::prepare_failed);
        CHECK(library.error().message.find("a binary does not load: ") == 0);
        ++refused;
    }
    CHECK(refused > 10);
    auto nonsense = whole;
    nonsense[56] = nonsense[57] = std::byte{0xFF};  // the number of segments
    CHECK(chip::Library::load(nonsense).error().message == "a binary does not load: it is cut short");
}

TEST_CASE("two libraries of the same bytes have variables of their own, and one that is loaded again has new ones") {
    const chip::Library first = load(KERNEL_ODD);
    {
        const chip::Library second = load(KERNEL_ODD);
        CHECK(call(first, "counting") == 1);
        CHECK(call(first, "counting") == 2);
        CHECK(call(second, "counting") == 1);
    }
    CHECK(call(load(KERNEL_ODD), "counting") == 1);
    CHECK(call(first, "counting") == 3);
}

TEST_CASE("a library is unloaded by its last owner only, and gives its descriptor back") {
    static_cast<void>(load(KERNEL_ODD));  // the loader keeps what it allocates the first time
    const std::size_t before = open_descriptors();
    {
        std::vector<chip::Library> libraries;
        for (int i = 0; i < 10; ++i) {
            libraries.push_back(load(i % 2 == 0 ? KERNEL_ODD : KERNEL_FILL));  // moves those before
        }
        for (int i = 0; i < 10; i += 2) {
            CHECK(call(libraries[static_cast<std::size_t>(i)], "counting") == 1);
        }
        chip::Library taken = std::move(libraries[0]);
        libraries.clear();
        CHECK(call(taken, "counting") == 2);
        taken = load(KERNEL_ODD);
        CHECK(call(taken, "counting") == 1);
    }
    for (int i = 0; i < 20; ++i) {
        CHECK_FALSE(chip::Library::load(std::vector<std::byte>(9)).ok());
    }
    CHECK(open_descriptors() == before);
}
