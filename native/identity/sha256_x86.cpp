// SHA-256 with the SHA extensions of x86-64: four rounds for each pair of sha256rnds2.
#include "identity/sha256_blocks.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

namespace callring {

namespace {
__m128i load(const void* from) {
    return _mm_loadu_si128(static_cast<const __m128i*>(from));
}

// Compiled for processors with these instructions, and only called on such processors.
__attribute__((target("sha,sse4.1"))) void blocks_with_instructions(Sha256State& state, const std::byte* blocks,
                                                                    std::size_t count) {
    const __m128i to_words = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    // The instructions keep the words as (f, e, b, a) and (h, g, d, c), the first the lowest.
    const __m128i cdab = _mm_shuffle_epi32(load(state.data()), 0xB1);
    const __m128i efgh = _mm_shuffle_epi32(load(state.data() + 4), 0x1B);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
    for (; count > 0; --count, blocks += kSha256Block) {
        const __m128i abef_before = abef;
        const __m128i cdgh_before = cdgh;
        __m128i words[4];  // the last 16 words of the schedule
        for (std::size_t i = 0; i < 4; ++i) {
            words[i] = _mm_shuffle_epi8(load(blocks + (16 * i)), to_words);
        }
#pragma GCC unroll 16
        for (std::size_t four = 0; four < 16; ++four) {
            __m128i& now = words[four % 4];
            const __m128i added = _mm_add_epi32(now, load(kSha256Rounds.data() + 4 * four));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, added);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(added, 0x0E));
            if (four < 12) {
                const __m128i& last = words[(four + 3) % 4];
                const __m128i seven_ago = _mm_alignr_epi8(last, words[(four + 2) % 4], 4);
                const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(now, words[(four + 1) % 4]), seven_ago);
                now = _mm_sha256msg2_epu32(sum, last);
            }
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
    const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(state.data()), _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(state.data() + 4), _mm_alignr_epi8(dchg, feba, 8));
}

bool has_instructions() {
    unsigned int a = 0;
    unsigned int b = 0;
    unsigned int c = 0;
    unsigned int d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_SSSE3) == 0 || (c & bit_SSE4_1) == 0) {
        return false;
    }
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
}
}  // namespace

Sha256Blocks sha256_blocks_of_processor() {
    return has_instructions() ? blocks_with_instructions : nullptr;
}

}  // namespace callring

#else

namespace callring {

Sha256Blocks sha256_blocks_of_processor() {
    return nullptr;
}

}  // namespace callring

#endif
