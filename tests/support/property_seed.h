// The seed of tests that make up what they do.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>

namespace gatehouse::testing {

// 9111, or what GATEHOUSE_TEST_SEED says: the same tests with other luck. Printed once, so that a failure can be
// repeated.
inline unsigned property_seed() {
    static const unsigned seed = [] {
        const char* const given = std::getenv("GATEHOUSE_TEST_SEED");
        const auto chosen = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : 9111U;
        MESSAGE("GATEHOUSE_TEST_SEED: " << chosen);
        return chosen;
    }();
    return seed;
}

} // namespace gatehouse::testing
