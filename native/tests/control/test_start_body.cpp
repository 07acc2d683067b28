#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "control/start_body.h"

using namespace callring;

TEST_CASE("a start body survives encoding") {
    const StartBody body{"a2a3sim", "host_build_graph", 3, 4096, 255, UINT64_MAX};
    auto decoded = StartBody::decode(body.encode());
    REQUIRE(decoded.ok());
    CHECK(decoded->platform == "a2a3sim");
    CHECK(decoded->runtime == "host_build_graph");
    CHECK(decoded->cores == 3);
    CHECK(decoded->max_callables == 4096);
    CHECK(decoded->place == 255);
    CHECK(decoded->next_notice == UINT64_MAX);
}

TEST_CASE("malformed start bodies are refused") {
    for (const char* text :
         {"", "a", "a\nb\n1\n2\n3", "a\nb\n1\n2\n3\n", "a\nb\n1\n2\n3\n4\n5", "a\nb\nx\n2\n3\n4", "a\nb\n-1\n2\n3\n4",
          "a\nb\n99999999999\n2\n3\n4", "a\nb\n1\n2\n3\n99999999999999999999"}) {
        CAPTURE(text);
        CHECK_FALSE(StartBody::decode(text).ok());
    }
}

TEST_CASE("random start bodies survive encoding, with any names that have no line feed") {
    std::mt19937_64 random(1);
    for (int round = 0; round < 2000; ++round) {
        const auto name = [&] {
            std::string text(random() % 12, ' ');
            for (char& c : text) {
                c = static_cast<char>(11 + (random() % 245));
            }
            return text;
        };
        const auto number = [&] { return static_cast<std::uint32_t>(random() >> random() % 64); };
        const StartBody body{name(), name(), number(), number(), number(), random() >> random() % 64};
        const auto decoded = StartBody::decode(body.encode());
        REQUIRE(decoded.ok());
        REQUIRE(decoded->encode() == body.encode());
        REQUIRE(decoded->platform == body.platform);
        REQUIRE(decoded->place == body.place);
        REQUIRE(decoded->next_notice == body.next_notice);
    }
}

TEST_CASE("a start body with another number of lines, or a number that is not only digits, is refused") {
    const std::vector<std::string> lines{"platform", "runtime", "1", "2", "3", "4"};
    const auto joined = [](const std::vector<std::string>& some) {
        std::string text;
        for (std::size_t i = 0; i < some.size(); ++i) {
            text += (i > 0 ? "\n" : "") + some[i];
        }
        return text;
    };
    CHECK(StartBody::decode(joined(lines)).ok());
    for (std::size_t line = 0; line < lines.size(); ++line) {
        auto fewer = lines;
        fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(line));
        CHECK_FALSE(StartBody::decode(joined(fewer)).ok());
        auto more = lines;
        more.insert(more.begin() + static_cast<std::ptrdiff_t>(line), "5");
        CHECK_FALSE(StartBody::decode(joined(more)).ok());
        for (const char* bad : {"", " 1", "1 ", "+1", "-1", "0x1", "1.", "1e3", "\t1"}) {
            CAPTURE(bad);
            auto wrong = lines;
            wrong[line] = bad;
            const auto decoded = StartBody::decode(joined(wrong));
            CHECK(decoded.ok() == (line < 2));
            if (!decoded) {
                CHECK(decoded.error().code == Code::malformed);
                CHECK(decoded.error().message == "start request has a malformed body");
            }
        }
    }
}

TEST_CASE("each number of a start body has the range of its field") {
    CHECK(StartBody::decode("a\nb\n4294967295\n4294967295\n4294967295\n18446744073709551615").ok());
    CHECK_FALSE(StartBody::decode("a\nb\n4294967296\n0\n0\n0").ok());
    CHECK_FALSE(StartBody::decode("a\nb\n0\n4294967296\n0\n0").ok());
    CHECK_FALSE(StartBody::decode("a\nb\n0\n0\n4294967296\n0").ok());
    CHECK_FALSE(StartBody::decode("a\nb\n0\n0\n0\n18446744073709551616").ok());
}
