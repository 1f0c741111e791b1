// Durations and sizes as people write them, to strong types. Total functions: nullopt for everything malformed.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::config {

// "250ms", "10s", "1.5s", "1h30m", "7d", "0" (zero needs no unit). Units: ms, s, m, h, d, each at most once, in
// falling order. At most 100 years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
// "64KiB", "1MB", "10GiB", "512B", "512". KB/MB/GB/TB are powers of 1000, KiB... of 1024. At most 2^62.
std::optional<std::uint64_t> parse_size(std::string_view text);
// The shortest text that parse_duration reads back: "1h30m", "250ms", "0s".
std::string format_duration(std::chrono::milliseconds duration);
std::string format_size(std::uint64_t bytes); // "64MiB", "1000B"

// Regular expressions of ECMA-262 for what the two parsers take. They do not count: neither how large the number is,
// nor whether a fraction comes out even.
std::string duration_pattern();
std::string size_pattern();

} // namespace gatehouse::config
