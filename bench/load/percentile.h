// Percentiles and medians of what was measured.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace gatehouse::bench {

// The smallest value that at least so many percent of the values do not exceed (nearest rank, nothing is interpolated);
// 0 of none. Sorts the values as far as it has to.
template <typename Value>
Value percentile(std::vector<Value>& values, double percent) {
    if (values.empty()) {
        return {};
    }
    // 99.9 % of 1000 is 999, not the 999.0000000000001 of the multiplication.
    const double exact = percent / 100.0 * static_cast<double>(values.size());
    const auto rank = static_cast<std::size_t>(std::ceil(exact - 1e-9));
    const std::size_t index = std::clamp<std::size_t>(rank, 1, values.size()) - 1;
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(index), values.end());
    return values[index];
}

// The one in the middle, of an even number the upper one.
template <typename Value>
Value median(std::vector<Value> values) {
    std::sort(values.begin(), values.end());
    return values.empty() ? Value{} : values[values.size() / 2];
}

} // namespace gatehouse::bench
