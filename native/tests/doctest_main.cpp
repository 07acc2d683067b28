// The main() of every C++ test program, and the time limit of each of its tests: a test that exceeds it is named, and
// its program is aborted.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#ifndef CALLRING_TEST_SECONDS  // the test of this limit sets a shorter one
#define CALLRING_TEST_SECONDS 300
#endif

namespace {

std::array<char, 512> g_test{};  // the text that the handler writes

extern "C" void on_alarm(int /*signal*/) {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, g_test.data(), std::strlen(g_test.data()));
    std::abort();
}

struct TimeLimit final : doctest::IReporter {
    explicit TimeLimit(const doctest::ContextOptions& /*options*/) {}

    void test_case_start(const doctest::TestCaseData& test) override {
        std::snprintf(g_test.data(), g_test.size(), "%s:%u: a test takes longer than %d s: %s\n", test.m_file.c_str(),
                      test.m_line, CALLRING_TEST_SECONDS, test.m_name);
        std::signal(SIGALRM, on_alarm);
        ::alarm(CALLRING_TEST_SECONDS);
    }
    void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override { ::alarm(0); }

    void report_query(const doctest::QueryData& /*query*/) override {}
    void test_run_start() override {}
    void test_run_end(const doctest::TestRunStats& /*stats*/) override {}
    void test_case_reenter(const doctest::TestCaseData& /*test*/) override {}
    void test_case_exception(const doctest::TestCaseException& /*thrown*/) override {}
    void subcase_start(const doctest::SubcaseSignature& /*subcase*/) override {}
    void subcase_end() override {}
    void log_assert(const doctest::AssertData& /*assertion*/) override {}
    void log_message(const doctest::MessageData& /*message*/) override {}
    void test_case_skipped(const doctest::TestCaseData& /*test*/) override {}
};

}  // namespace

REGISTER_LISTENER("time limit", 1, TimeLimit);
