#include <doctest/doctest.h>

#include <string>

#include "identity/hashid.h"

using namespace callring;

TEST_CASE("a hashid parses back to its digest") {
    const Digest digest = sha256({});
    CHECK(*parse_hashid(to_hashid(digest)) == digest);
}

TEST_CASE("no other spelling is a hashid") {
    const std::string good = to_hashid(sha256({}));
    std::string upper = good;
    upper[10] = 'E';
    for (const std::string& bad : {std::string(), good.substr(1), good + "0", good.substr(0, good.size() - 1), upper,
                                   " " + good.substr(1), "SHA256:" + good.substr(7), "sha512:" + good.substr(7),
                                   good.substr(0, good.size() - 1) + "\n", good.substr(0, good.size() - 1) + "g"}) {
        CAPTURE(bad);
        CHECK(parse_hashid(bad).error().code == Code::hashid_format_invalid);
    }
}
