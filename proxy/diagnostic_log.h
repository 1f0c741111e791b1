// The diagnostic log: what the program has to say about itself, through spdlog to standard error. Requests go to the
// access log instead.
//
// One pattern for every line: `2026-11-23T23:00:00.123Z warning origin refused origin=api address=192.0.2.1:443`.
// Values from outside go through log_value, so that nobody can forge a line.
#pragma once

#include "http/time.h"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace gatehouse::proxy {

// Makes the default logger of spdlog. `level`: the value of GATEHOUSE_LOG, null when it is not set; one of trace,
// debug, info, warning (or warn), error, off. Another value means info, and a warning says so. Call once, before the
// first thread.
void start_diagnostic_log(const char* level);
// The same with the level of the environment variable GATEHOUSE_LOG.
void start_diagnostic_log();

// `text` as a value of key=value: as it stands when it is plain, else between quotes and escaped as JSON does.
std::string log_value(std::string_view text);

// Lets a warning through once in an interval for each key and counts what it held back. Any thread.
class WarningLimiter {
public:
    // LIMIT: keys remembered at once. Past it the one that was let through longest ago is forgotten: at worst its
    // warning comes again too early.
    static constexpr std::size_t kMaxKeys = 256;

    explicit WarningLimiter(http::Duration interval) noexcept : interval_(interval) {}

    // A value: log it now; how many warnings of this key were held back since the last one. nullopt: not now.
    std::optional<std::uint64_t> allow(std::string_view key, http::SteadyTime now);
    std::size_t size() const;

private:
    struct Entry {
        http::SteadyTime last{};
        std::uint64_t held_back = 0;
    };
    void forget_oldest();

    http::Duration interval_;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, Entry> entries_;
};

} // namespace gatehouse::proxy
