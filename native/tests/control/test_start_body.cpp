#include <doctest/doctest.h>

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
