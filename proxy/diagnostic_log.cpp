// The one set-up of spdlog, and the helpers that keep its lines honest and few.
#include "proxy/diagnostic_log.h"

#include "proxy/json_text.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

namespace gatehouse::proxy {

namespace {

constexpr std::pair<std::string_view, spdlog::level::level_enum> kLevels[] = {
    {"trace", spdlog::level::trace},  {"debug", spdlog::level::debug}, {"info", spdlog::level::info},
    {"warning", spdlog::level::warn}, {"warn", spdlog::level::warn},   {"error", spdlog::level::err},
    {"off", spdlog::level::off},
};

std::optional<spdlog::level::level_enum> parse_level(std::string_view text) {
    for (const auto& [name, level] : kLevels) {
        if (name == text) {
            return level;
        }
    }
    return std::nullopt;
}

bool is_plain_value(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c < '\x7F' && c != '"' && c != '=' && c != '\\';
    });
}

} // namespace

void start_diagnostic_log(const char* level) {
    auto logger = std::make_shared<spdlog::logger>("gatehouse", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_formatter(
        std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc));
    const std::optional<spdlog::level::level_enum> wanted =
        level == nullptr || *level == '\0' ? spdlog::level::info : parse_level(level);
    logger->set_level(wanted.value_or(spdlog::level::info));
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
    if (!wanted) {
        spdlog::warn("GATEHOUSE_LOG is not a level, info is used found={} accepted=trace,debug,info,warning,error,off",
                     log_value(level));
    }
}

void start_diagnostic_log() { start_diagnostic_log(std::getenv("GATEHOUSE_LOG")); }

std::string log_value(std::string_view text) {
    if (is_plain_value(text)) {
        return std::string(text);
    }
    std::string out;
    append_json_string(out, text);
    return out;
}

std::optional<std::uint64_t> WarningLimiter::allow(std::string_view key, http::SteadyTime now) {
    const std::scoped_lock lock(mutex_);
    const auto [found, is_new] = entries_.try_emplace(std::string(key));
    Entry& entry = found->second;
    if (!is_new && now - entry.last < interval_) {
        ++entry.held_back;
        return std::nullopt;
    }
    const std::uint64_t held_back = std::exchange(entry.held_back, 0);
    entry.last = now;
    if (entries_.size() > kMaxKeys) {
        forget_oldest();
    }
    return held_back;
}

std::size_t WarningLimiter::size() const {
    const std::scoped_lock lock(mutex_);
    return entries_.size();
}

void WarningLimiter::forget_oldest() {
    const auto oldest = std::min_element(entries_.begin(), entries_.end(),
                                         [](const auto& a, const auto& b) { return a.second.last < b.second.last; });
    entries_.erase(oldest);
}

} // namespace gatehouse::proxy
