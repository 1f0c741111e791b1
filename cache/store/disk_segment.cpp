// How the files of segments are called.
#include "cache/store/disk_segment.h"

#include <charconv>
#include <system_error>

namespace gatehouse::cache::store::disk {

namespace {

constexpr std::string_view kPrefix = "segment-";

} // namespace

std::string segment_file_name(std::uint32_t number) { return std::string(kPrefix) + std::to_string(number); }

std::optional<std::uint32_t> segment_number(std::string_view name) noexcept {
    if (!name.starts_with(kPrefix)) {
        return std::nullopt;
    }
    name.remove_prefix(kPrefix.size());
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool is_plain = !name.empty() && (name[0] != '0' || name.size() == 1);
    return error == std::errc() && end == name.data() + name.size() && is_plain && number < Location::kMostSegments
               ? std::optional(number)
               : std::nullopt;
}

} // namespace gatehouse::cache::store::disk
