// Edit distance and the hints made from it.
#include "config/suggest.h"

#include "http/ascii.h"

#include <algorithm>
#include <span>

namespace gatehouse::config {
namespace {

// Names are short; the distance is quadratic, and nobody meant a name of 64 characters by a longer one.
constexpr std::size_t kLongestWord = 64;

// A long list is searched, and shown, only in part: hints must stay cheap in a configuration of thousands of names.
constexpr std::size_t kMostCompared = 1000;
constexpr std::size_t kMostShown = 20;

std::span<const std::string> first_words(const std::vector<std::string>& words, std::size_t count) {
    return std::span(words).first(std::min(words.size(), count));
}

char folded(char c) noexcept { return c == '-' ? '_' : http::to_lower(c); }

} // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
    const std::size_t width = b.size() + 1;
    std::vector<std::size_t> before_last(width);
    std::vector<std::size_t> last(width);
    std::vector<std::size_t> row(width);
    for (std::size_t j = 0; j < width; ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j < width; ++j) {
            const bool same = folded(a[i - 1]) == folded(b[j - 1]);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0U : 1U)});
            const bool swapped =
                i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) && folded(a[i - 2]) == folded(b[j - 1]);
            if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
        }
        std::swap(before_last, last);
        std::swap(last, row);
    }
    return last[b.size()];
}

std::optional<std::string> closest(std::string_view word, const std::vector<std::string>& known) {
    if (word.size() > kLongestWord) return std::nullopt;
    std::optional<std::string> best;
    std::size_t best_distance = 0;
    for (const std::string& candidate : first_words(known, kMostCompared)) {
        if (candidate.size() > kLongestWord) continue;
        const std::size_t distance = edit_distance(word, candidate);
        const std::size_t allowed = std::max<std::size_t>(1, std::max(word.size(), candidate.size()) / 3);
        if (distance > allowed || distance >= std::max(word.size(), candidate.size())) continue;
        if (!best || distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string join(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) {
        if (!out.empty()) out += ", ";
        out += word;
    }
    return out;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known, std::string_view otherwise) {
    if (const auto best = closest(word, known)) return "; did you mean " + *best + "?";
    if (known.empty()) return "";
    if (known.size() <= kMostShown) return std::string(otherwise) + join(known);
    const auto shown = first_words(known, kMostShown);
    return std::string(otherwise) + join({shown.begin(), shown.end()}) + ", ...";
}

} // namespace gatehouse::config
