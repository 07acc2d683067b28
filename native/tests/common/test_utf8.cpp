// is_utf8() against a second reading of the standard: the table of well-formed byte sequences (Unicode, table 3-7).
#include <doctest/doctest.h>

#include <array>
#include <random>
#include <string>

#include "common/utf8.h"

using namespace callring;

namespace {

struct Row {  // lead bytes, and the bounds of the bytes that follow
    unsigned from;
    unsigned to;
    std::array<std::array<unsigned, 2>, 3> rest;
    std::size_t length;
};
constexpr std::array<unsigned, 2> kAny{0x80, 0xBF};
constexpr std::array<Row, 9> kRows{{
    {0x00, 0x7F, {}, 1},
    {0xC2, 0xDF, {{kAny}}, 2},
    {0xE0, 0xE0, {{{{0xA0, 0xBF}}, kAny}}, 3},
    {0xE1, 0xEC, {{kAny, kAny}}, 3},
    {0xED, 0xED, {{{{0x80, 0x9F}}, kAny}}, 3},
    {0xEE, 0xEF, {{kAny, kAny}}, 3},
    {0xF0, 0xF0, {{{{0x90, 0xBF}}, kAny, kAny}}, 4},
    {0xF1, 0xF3, {{kAny, kAny, kAny}}, 4},
    {0xF4, 0xF4, {{{{0x80, 0x8F}}, kAny, kAny}}, 4},
}};

bool is_well_formed(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto byte = [&](std::size_t i) {
            return static_cast<unsigned>(static_cast<unsigned char>(text[at + i]));
        };
        std::size_t length = 0;
        for (const Row& row : kRows) {
            if (byte(0) < row.from || byte(0) > row.to || row.length > text.size() - at) {
                continue;
            }
            length = row.length;
            for (std::size_t i = 1; i < row.length; ++i) {
                length = byte(i) >= row.rest.at(i - 1)[0] && byte(i) <= row.rest.at(i - 1)[1] ? length : 0;
            }
        }
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

bool is_utf8_text(const std::string& text) {
    return is_utf8(std::as_bytes(std::span(text)));
}

}  // namespace

TEST_CASE("of all texts of one and two bytes, and of three with every lead, exactly the well-formed are UTF-8") {
    for (unsigned first = 0; first < 256; ++first) {
        std::string text(1, static_cast<char>(first));
        REQUIRE(is_utf8_text(text) == is_well_formed(text));
        text.push_back(0);
        for (unsigned second = 0; second < 256; ++second) {
            text[1] = static_cast<char>(second);
            REQUIRE(is_utf8_text(text) == is_well_formed(text));
            if (first >= 0xE0) {
                for (const unsigned third : {0x00U, 0x7FU, 0x80U, 0xBFU, 0xC0U, 0xFFU}) {
                    const std::string longer = text + static_cast<char>(third);
                    REQUIRE(is_utf8_text(longer) == is_well_formed(longer));
                    REQUIRE(is_utf8_text(longer + "\x80") == is_well_formed(longer + "\x80"));
                }
            }
        }
    }
}

TEST_CASE("of random texts that are nearly UTF-8, exactly the well-formed are") {
    std::mt19937 random(1);
    constexpr std::array<unsigned char, 20> kBytes{0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0,
                                                   0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF3, 0xF4, 0xF5, 0xFF};
    std::size_t well_formed = 0;
    for (int i = 0; i < 50'000; ++i) {
        std::string text;
        for (std::size_t length = random() % 7; length > 0; --length) {
            text.push_back(static_cast<char>(kBytes.at(random() % kBytes.size())));
        }
        REQUIRE(is_utf8_text(text) == is_well_formed(text));
        well_formed += is_well_formed(text) ? 1 : 0;
    }
    CHECK(well_formed > 1000);
}

TEST_CASE("a text that is no UTF-8 is made one byte by byte, and one that is stays as it is") {
    std::string good = "h\xC3\xA9llo";
    make_utf8(good);
    CHECK(good == "h\xC3\xA9llo");
    std::string bad = "h\xC3\xA9llo \xFF!";
    make_utf8(bad);
    CHECK(bad == "h??llo ?!");
    CHECK(is_utf8_text(bad));
}

TEST_CASE("whatever bytes a text has, what is made of it is UTF-8, as long, and has the same ASCII characters") {
    std::mt19937 random(2);
    std::size_t changed = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::string text;
        for (std::size_t length = random() % 12; length > 0; --length) {
            text.push_back(static_cast<char>(random() % 3 == 0 ? 0x80 + (random() % 0x80) : random() % 0x80));
        }
        std::string made = text;
        make_utf8(made);
        REQUIRE(is_well_formed(made));
        REQUIRE(made.size() == text.size());
        for (std::size_t at = 0; at < text.size(); ++at) {
            const bool ascii = static_cast<unsigned char>(text[at]) < 0x80;
            REQUIRE((made[at] == text[at] || (!ascii && made[at] == '?')));
        }
        REQUIRE((made == text) == is_well_formed(text));
        changed += made == text ? 0 : 1;
        std::string again = made;
        make_utf8(again);
        REQUIRE(again == made);
    }
    CHECK(changed > 1000);
}
