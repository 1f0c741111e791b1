// Durations and sizes: exact integer arithmetic, no floating point.
#include "config/units.h"

#include <array>
#include <limits>

namespace gatehouse::config {
namespace {

using Milliseconds = std::chrono::milliseconds;

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::uint64_t kSecond = 1000;
constexpr std::uint64_t kMinute = 60 * kSecond;
constexpr std::uint64_t kHour = 60 * kMinute;
constexpr std::uint64_t kDay = 24 * kHour;
// CloudFront's longest TTL: 3,153,600,000 seconds, one hundred years of 365 days.
constexpr std::uint64_t kMaxMilliseconds = 100 * 365 * kDay;
constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 62;

// In falling order: a later component of a duration must come from further down this table.
constexpr std::array<Unit, 5> kDurationUnits{{{"d", kDay}, {"h", kHour}, {"m", kMinute}, {"s", kSecond}, {"ms", 1}}};

constexpr std::uint64_t kKibi = 1024;
constexpr std::array<Unit, 10> kSizeUnits{{{"", 1},
                                           {"B", 1},
                                           {"KB", 1'000},
                                           {"MB", 1'000'000},
                                           {"GB", 1'000'000'000},
                                           {"TB", 1'000'000'000'000},
                                           {"KiB", kKibi},
                                           {"MiB", kKibi* kKibi},
                                           {"GiB", kKibi* kKibi* kKibi},
                                           {"TiB", kKibi* kKibi* kKibi* kKibi}}};

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// A decimal number as written: whole part, and fraction / 10^digits.
struct Decimal {
    std::uint64_t whole = 0;
    std::uint64_t fraction = 0;
    std::uint64_t scale = 1;
};

// Takes digits from the front of `text` into `value`; false when there is none or the value passes `max`.
bool take_digits(std::string_view& text, std::uint64_t& value, std::uint64_t max) noexcept {
    if (text.empty() || !is_digit(text.front())) return false;
    value = 0;
    while (!text.empty() && is_digit(text.front())) {
        const auto digit = static_cast<std::uint64_t>(text.front() - '0');
        if (value > (max - digit) / 10) return false;
        value = value * 10 + digit;
        text.remove_prefix(1);
    }
    return true;
}

bool take_decimal(std::string_view& text, Decimal& out, std::uint64_t max) noexcept {
    if (!take_digits(text, out.whole, max)) return false;
    if (text.empty() || text.front() != '.') return true;
    text.remove_prefix(1);
    const std::size_t before = text.size();
    // Nine digits keep fraction * factor within 64 bits for every unit but the largest, which multiply_exact checks.
    if (!take_digits(text, out.fraction, 999'999'999)) return false;
    if (before - text.size() > 9) return false;
    for (std::size_t i = text.size(); i < before; ++i) out.scale *= 10;
    return true;
}

// number * factor when it is a whole number of at most `max`.
std::optional<std::uint64_t> multiply_exact(const Decimal& number, std::uint64_t factor, std::uint64_t max) noexcept {
    if (number.whole > max / factor) return std::nullopt;
    if (number.fraction != 0 && factor > std::numeric_limits<std::uint64_t>::max() / number.fraction) {
        return std::nullopt;
    }
    const std::uint64_t part = number.fraction * factor;
    if (part % number.scale != 0) return std::nullopt;
    const std::uint64_t whole = number.whole * factor;
    const std::uint64_t rest = part / number.scale;
    if (rest > max - whole) return std::nullopt;
    return whole + rest;
}

std::string_view take_unit(std::string_view& text) noexcept {
    std::size_t length = 0;
    while (length < text.size() && !is_digit(text[length])) ++length;
    const std::string_view unit = text.substr(0, length);
    text.remove_prefix(length);
    return unit;
}

void append_part(std::string& out, std::uint64_t value, std::string_view unit) {
    if (value == 0) return;
    out += std::to_string(value);
    out += unit;
}

// 1500 to "1.5s", 250 to "250ms".
void append_seconds(std::string& out, std::uint64_t milliseconds) {
    const std::uint64_t seconds = milliseconds / kSecond;
    std::uint64_t rest = milliseconds % kSecond;
    if (seconds == 0 || rest == 0) {
        append_part(out, seconds, "s");
        append_part(out, rest, "ms");
        return;
    }
    std::string digits = std::to_string(kSecond + rest).substr(1); // with its leading zeros
    while (digits.back() == '0') digits.pop_back();
    out += std::to_string(seconds) + "." + digits + "s";
}

} // namespace

std::optional<Milliseconds> parse_duration(std::string_view text) {
    if (text == "0") return Milliseconds(0);
    if (text.empty()) return std::nullopt;
    std::uint64_t total = 0;
    std::size_t next_unit = 0;
    while (!text.empty()) {
        Decimal number;
        if (!take_decimal(text, number, kMaxMilliseconds)) return std::nullopt;
        const std::string_view unit = take_unit(text);
        // A fraction belongs to the last component: "1.5h30m" says nothing that "2h" does not.
        if (number.scale != 1 && !text.empty()) return std::nullopt;
        while (next_unit < kDurationUnits.size() && kDurationUnits[next_unit].name != unit) ++next_unit;
        if (next_unit == kDurationUnits.size()) return std::nullopt;
        const auto part = multiply_exact(number, kDurationUnits[next_unit].factor, kMaxMilliseconds - total);
        if (!part) return std::nullopt;
        total += *part;
        ++next_unit;
    }
    return Milliseconds(static_cast<Milliseconds::rep>(total));
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    Decimal number;
    if (!take_decimal(text, number, kMaxSize)) return std::nullopt;
    for (const Unit& unit : kSizeUnits) {
        if (unit.name == text) return multiply_exact(number, unit.factor, kMaxSize);
    }
    return std::nullopt;
}

std::string format_duration(Milliseconds duration) {
    if (duration.count() == 0) return "0s";
    std::string out;
    auto rest = static_cast<std::uint64_t>(duration.count());
    if (duration.count() < 0) {
        out = "-";
        rest = 0 - rest;
    }
    append_part(out, rest / kDay, "d");
    append_part(out, rest % kDay / kHour, "h");
    append_part(out, rest % kHour / kMinute, "m");
    append_seconds(out, rest % kMinute);
    return out;
}

std::string format_size(std::uint64_t bytes) {
    static constexpr std::array<std::string_view, 5> kNames{"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes != 0 && bytes % kKibi == 0 && unit + 1 < kNames.size()) {
        bytes /= kKibi;
        ++unit;
    }
    return std::to_string(bytes) + std::string(kNames[unit]);
}

std::string duration_pattern() {
    static constexpr const char* kNumber = "[0-9]+";
    static constexpr const char* kFraction = "(\\.[0-9]{1,9})?";
    // One way for each unit that may come last, with the larger ones before it.
    std::string larger;
    std::string out = "^(0";
    for (const Unit& unit : kDurationUnits) {
        const std::string name(unit.name);
        out += "|" + larger + kNumber + kFraction + name;
        larger += "(" + (kNumber + name) + ")?";
    }
    return out + ")$";
}

std::string size_pattern() {
    std::string out = "^[0-9]+(\\.[0-9]{1,9})?(";
    const char* separator = "";
    for (const Unit& unit : kSizeUnits) {
        if (unit.name.empty()) continue;
        out += separator + std::string(unit.name);
        separator = "|";
    }
    return out + ")?$";
}

} // namespace gatehouse::config
