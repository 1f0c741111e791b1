#include "http/date.h"

#include "http/ascii.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <tuple>

namespace gatehouse::http {

namespace {

using std::chrono::day;
using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::month;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::year;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, 7> kWeekdays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
// A date in another zone counts as invalid. RFC 9111 section 4.2
constexpr std::string_view kZone = " GMT";
constexpr std::size_t kImfFixdateSize = 29;
constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";

// The numbers of a date as written; each is negative while it is no number.
struct Parts {
    int year = -1;
    unsigned month = 0; // 1 to 12; 0 is no month
    int day = -1;
    int hour = -1;
    int minute = -1;
    int second = -1;
};

constexpr int digit(char c) noexcept { return (c >= '0' && c <= '9') ? c - '0' : -1; }

constexpr int two_digits(std::string_view text) noexcept {
    const int tens = digit(text[0]);
    const int ones = digit(text[1]);
    return (tens < 0 || ones < 0) ? -1 : tens * 10 + ones;
}

constexpr int four_digits(std::string_view text) noexcept {
    const int high = two_digits(text);
    const int low = two_digits(text.substr(2));
    return (high < 0 || low < 0) ? -1 : high * 100 + low;
}

// A cache compares the names in a date without case, although those who send dates may not vary it.
// RFC 9111 section 4.2
// Three letters as one number, the same for both cases. Setting bit 5 makes of nothing but a letter that letter.
constexpr std::uint32_t three_letters(std::string_view text) noexcept {
    const auto letter = [&](std::size_t at) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at]) | 0x20U);
    };
    return letter(0) << 16 | letter(1) << 8 | letter(2);
}

constexpr auto kMonthLetters = [] {
    std::array<std::uint32_t, 12> letters{};
    for (std::size_t month = 0; month < letters.size(); ++month) {
        letters[month] = three_letters(kMonths.substr(month * 3, 3));
    }
    return letters;
}();

constexpr auto kWeekdayLetters = [] {
    std::array<std::uint32_t, 7> letters{};
    for (std::size_t weekday = 0; weekday < letters.size(); ++weekday) {
        letters[weekday] = three_letters(kWeekdays[weekday]);
    }
    return letters;
}();

unsigned month_number(std::string_view name) noexcept {
    const auto found = std::find(kMonthLetters.begin(), kMonthLetters.end(), three_letters(name));
    return found == kMonthLetters.end() ? 0 : static_cast<unsigned>(found - kMonthLetters.begin()) + 1;
}

bool is_short_weekday(std::string_view name) noexcept {
    return std::find(kWeekdayLetters.begin(), kWeekdayLetters.end(), three_letters(name)) != kWeekdayLetters.end();
}

// "08:49:37"
bool read_time_of_day(std::string_view text, Parts& parts) noexcept {
    parts.hour = two_digits(text);
    parts.minute = two_digits(text.substr(3));
    parts.second = two_digits(text.substr(6));
    return text[2] == ':' && text[5] == ':';
}

// "Sun, 06 Nov 1994 08:49:37 GMT"
bool read_imf_fixdate(std::string_view text, Parts& parts) noexcept {
    if (text.size() != kImfFixdateSize || !is_short_weekday(text.substr(0, 3)) || text.substr(3, 2) != ", " ||
        text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || !iequals(text.substr(25), kZone)) {
        return false;
    }
    parts.day = two_digits(text.substr(5));
    parts.month = month_number(text.substr(8, 3));
    parts.year = four_digits(text.substr(12));
    return read_time_of_day(text.substr(17, 8), parts);
}

// "Sunday, 06-Nov-94 08:49:37 GMT"; gives the year's two digits only.
bool read_rfc850_date(std::string_view text, Parts& parts) noexcept {
    for (const std::string_view weekday : kWeekdays) {
        if (!iequals(text.substr(0, weekday.size()), weekday)) {
            continue;
        }
        text.remove_prefix(weekday.size());
        if (text.size() != 24 || text.substr(0, 2) != ", " || text[4] != '-' || text[8] != '-' || text[11] != ' ' ||
            !iequals(text.substr(20), kZone)) {
            return false;
        }
        parts.day = two_digits(text.substr(2));
        parts.month = month_number(text.substr(5, 3));
        parts.year = two_digits(text.substr(9));
        return read_time_of_day(text.substr(12, 8), parts);
    }
    return false;
}

// "Sun Nov  6 08:49:37 1994"
bool read_asctime_date(std::string_view text, Parts& parts) noexcept {
    if (text.size() != 24 || !is_short_weekday(text.substr(0, 3)) || text[3] != ' ' || text[7] != ' ' ||
        text[10] != ' ' || text[19] != ' ') {
        return false;
    }
    parts.month = month_number(text.substr(4, 3));
    parts.day = text[8] == ' ' ? digit(text[9]) : two_digits(text.substr(8));
    parts.year = four_digits(text.substr(20));
    return read_time_of_day(text.substr(11, 8), parts);
}

// A two-digit year that would lie more than 50 years in the future is the latest past year with these digits.
// RFC 9110 section 5.6.7
int full_year(const Parts& parts, WallTime now) noexcept {
    const auto today = floor<days>(now);
    const year_month_day date(today);
    const int this_year = static_cast<int>(date.year());
    const auto limit = std::tuple(this_year + 50, static_cast<unsigned>(date.month()),
                                  static_cast<int>(static_cast<unsigned>(date.day())), floor<seconds>(now - today));
    const auto time_of_day = hours(parts.hour) + minutes(parts.minute) + seconds(parts.second);
    int candidate = (this_year / 100 + 1) * 100 + parts.year;
    while (std::tuple(candidate, parts.month, parts.day, time_of_day) > limit) {
        candidate -= 100;
    }
    return candidate;
}

std::optional<WallTime> to_time(const Parts& parts) noexcept {
    // Second 60 is written for a leap second. RFC 9110 section 5.6.7
    // Wall-clock time has none, so it becomes the second after :59.
    if (parts.year < 0 || parts.month == 0 || parts.day < 0 || parts.hour < 0 || parts.hour > 23 || parts.minute < 0 ||
        parts.minute > 59 || parts.second < 0 || parts.second > 60) {
        return std::nullopt;
    }
    const year_month_day date(year(parts.year), month(parts.month), day(static_cast<unsigned>(parts.day)));
    if (!date.ok()) {
        return std::nullopt;
    }
    return WallTime(sys_days(date) + hours(parts.hour) + minutes(parts.minute) + seconds(parts.second));
}

void write_two(char* at, unsigned number) noexcept {
    at[0] = static_cast<char>('0' + number / 10 % 10);
    at[1] = static_cast<char>('0' + number % 10);
}

} // namespace

// A recipient accepts the preferred form and the two obsolete ones. RFC 9110 section 5.6.7
// The weekday must be a name but is not compared with the date: it carries no information, and a wrong one is common
// in dates that were written by hand.
std::optional<WallTime> parse_http_date(std::string_view text, WallTime now) {
    // OPTIMIZATION: what an origin says within one second is the same in all of its responses, and is read twice of
    // each. To know it again takes a tenth of the instructions.
    struct LastDate {
        std::array<char, kImfFixdateSize> text{};
        std::optional<WallTime> time;
    };
    static thread_local LastDate last;
    if (text.size() == kImfFixdateSize && std::memcmp(text.data(), last.text.data(), kImfFixdateSize) == 0) {
        return last.time;
    }
    Parts parts;
    if (read_imf_fixdate(text, parts)) {
        text.copy(last.text.data(), kImfFixdateSize);
        last.time = to_time(parts);
        return last.time;
    }
    if (read_asctime_date(text, parts)) {
        return to_time(parts);
    }
    if (read_rfc850_date(text, parts) && parts.year >= 0) {
        parts.year = full_year(parts, now);
        return to_time(parts);
    }
    return std::nullopt;
}

void append_http_date(std::string& out, WallTime time) {
    // Four digits hold no other year; a time outside is a mistake that must not change the format.
    constexpr WallTime kFirst = sys_days(year_month_day(year(0), month(1), day(1)));
    constexpr WallTime kLast = sys_days(year_month_day(year(9999), month(12), day(31))) + days(1) - seconds(1);
    time = time < kFirst ? kFirst : time > kLast ? kLast : time;
    const sys_days date_days = floor<days>(time);
    const year_month_day date(date_days);
    const std::chrono::hh_mm_ss clock(floor<seconds>(time - date_days));
    const auto month_index = static_cast<unsigned>(date.month()) - 1;
    const auto year_number = static_cast<unsigned>(static_cast<int>(date.year()));

    out.append("Sun, 00 Jan 0000 00:00:00 GMT");
    char* const text = out.data() + out.size() - kImfFixdateSize;
    kWeekdays[std::chrono::weekday(date_days).c_encoding()].copy(text, 3);
    write_two(text + 5, static_cast<unsigned>(date.day()));
    kMonths.copy(text + 8, 3, month_index * 3);
    write_two(text + 12, year_number / 100);
    write_two(text + 14, year_number % 100);
    write_two(text + 17, static_cast<unsigned>(clock.hours().count()));
    write_two(text + 20, static_cast<unsigned>(clock.minutes().count()));
    write_two(text + 23, static_cast<unsigned>(clock.seconds().count()));
}

std::string format_http_date(WallTime time) {
    std::string text;
    append_http_date(text, time);
    return text;
}

} // namespace gatehouse::http
