// "Did you mean": the known word that is closest to a mistyped one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::config {

// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other (optimal string
// alignment). Letter case, and '-' for '_', count nothing: they are the commonest slips.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The closest of `known` when it is close enough to be a slip: a third of the longer text, at least one edit.
std::optional<std::string> closest(std::string_view word, const std::vector<std::string>& known);

// "; did you mean X?" or, when nothing is close, `otherwise` followed by the known words; "" when there are none.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known, std::string_view otherwise);

// "a, b, c"
std::string join(const std::vector<std::string>& words);

} // namespace gatehouse::config
