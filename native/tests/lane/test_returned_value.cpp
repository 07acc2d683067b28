// The returned values that a child may write, and their completions.
#include <doctest/doctest.h>

#include <string>

#include "lane/completion.h"
#include "lane/returned_value.h"

using namespace callring;

namespace {

std::string apart(char form, std::uint32_t count, std::size_t records, std::string_view rest = {}) {
    std::string value{returned::kApart, form};
    value.append(reinterpret_cast<const char*>(&count), sizeof count);
    value.append(records * sizeof(ExtentRecord), '\1');
    return value.append(rest);
}

Completion completion_of(std::uint64_t sequence) {
    Completion completion{};
    completion.sequence = sequence;
    return completion;
}

}  // namespace

TEST_CASE("a value is empty, or a letter and the bytes that this letter requires") {
    for (const std::string& value : {std::string(), std::string("t"), std::string("f"), std::string("i12345678"),
                                     std::string("d12345678"), std::string("s"), std::string("sh\xC3\xA9"),
                                     std::string("b"), std::string("b\xFF\0x", 4), std::string("p\x80\x05.")}) {
        CAPTURE(value);
        CHECK(is_returned_value(value));
    }
    for (const std::string& value :
         {std::string("t1"), std::string("f1"), std::string("i1234567"), std::string("i123456789"), std::string("d"),
          std::string("s\xFF"), std::string("p"), std::string("p\x80."), std::string("pK\x05."),
          std::string("p\x80\x05"), std::string("x"), std::string("\0", 1), std::string("T")}) {
        CAPTURE(value);
        CHECK_FALSE(is_returned_value(value));
    }
}

TEST_CASE("a value whose parts lie elsewhere names at least one part, and has the records of all parts") {
    CHECK(is_returned_value(apart('b', 1, 1)));
    CHECK(is_returned_value(apart('s', 1, 1)));
    CHECK(is_returned_value(apart('p', 1, 1)));
    CHECK(is_returned_value(apart('p', 3, 3, "\x80\x05.")));
    CHECK_FALSE(is_returned_value(apart('b', 0, 0)));
    CHECK_FALSE(is_returned_value(apart('b', 2, 1)));
    CHECK_FALSE(is_returned_value(apart('b', UINT32_MAX, 1)));
    CHECK_FALSE(is_returned_value(apart('b', 2, 2)));  // bytes are one extent
    CHECK_FALSE(is_returned_value(apart('b', 1, 1, "more")));
    CHECK_FALSE(is_returned_value(apart('p', 1, 1, "no pickle")));
    CHECK_FALSE(is_returned_value(apart('i', 1, 1)));
    CHECK_FALSE(is_returned_value("ab"));
}

TEST_CASE("the records of a value's parts are read in order, and the bytes behind them are the rest") {
    const std::string value = apart('p', 2, 2, "rest");
    const auto read = decode_apart(value);
    REQUIRE(read.has_value());
    CHECK(read->form == 'p');
    CHECK(read->count == 2);
    CHECK(read->rest == "rest");
    CHECK(read->record(1).offset == 0x0101010101010101U);
    CHECK_FALSE(decode_apart("b").has_value());
    CHECK_FALSE(decode_apart("").has_value());
}

TEST_CASE("text in an extent is UTF-8, and a pickle is one wherever it lies") {
    const std::string elsewhere = apart('p', 1, 1);
    CHECK(is_returned_apart(*decode_apart(apart('s', 1, 1)), "text"));
    CHECK_FALSE(is_returned_apart(*decode_apart(apart('s', 1, 1)), "\xFF"));
    CHECK(is_returned_apart(*decode_apart(apart('b', 1, 1)), "\xFF"));
    CHECK(is_returned_apart(*decode_apart(elsewhere), "\x80\x05."));
    CHECK_FALSE(is_returned_apart(*decode_apart(elsewhere), "no pickle"));
}

TEST_CASE("a valid completion belongs to the frame that is due, is whole, and names one place for its payload") {
    const Completion good = completion_of(7);
    CHECK(decode_completion(good, 7).has_value());
    CHECK_FALSE(decode_completion(good, 8).has_value());
    Completion changed = good;
    changed.code = kCodes;
    CHECK_FALSE(decode_completion(changed, 7).has_value());
    changed = good;
    changed.payload_bytes = static_cast<std::uint32_t>(changed.payload.size());
    CHECK(decode_completion(changed, 7)->payload.size() == changed.payload.size());
    ++changed.payload_bytes;
    CHECK_FALSE(decode_completion(changed, 7).has_value());
    for (std::uint32_t flags = 1; flags < 8; ++flags) {
        CAPTURE(flags);
        changed = good;
        changed.flags = flags;
        changed.payload_bytes = sizeof(ResultRecord);
        CHECK(decode_completion(changed, 7).has_value() == (flags == kPayloadInResults || flags == kPayloadInExtent));
        changed.payload_bytes = sizeof(ResultRecord) - 1;
        CHECK_FALSE(decode_completion(changed, 7).has_value());
    }
}

TEST_CASE("a payload in the result area lies in it, in one piece") {
    const auto lies = [](std::uint64_t position, std::uint64_t bytes) {
        const ResultRecord record{position, bytes};
        return decode_result(std::as_bytes(std::span(&record, 1))).has_value();
    };
    CHECK(lies(0, kResultBytes));
    CHECK(lies((5 * kResultBytes) + 10, kResultBytes - 10));
    CHECK_FALSE(lies(10, kResultBytes - 9));
    CHECK_FALSE(lies(0, kResultBytes + 1));
    CHECK_FALSE(lies(UINT64_MAX, 2));
    CHECK(lies(UINT64_MAX, 1));
    CHECK_FALSE(decode_result({}).has_value());
    CHECK_FALSE(decode_extent({}).has_value());
}
