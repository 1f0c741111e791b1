// The kernel's files about memory limits.
#include "config/machine_memory.h"

#include <charconv>
#include <fstream>
#include <string_view>

namespace gatehouse::config {
namespace {

// Version 1 writes "no limit" as the largest number of whole pages; nothing near it is a real limit.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;

void keep_smaller(std::optional<std::uint64_t>& smallest, std::optional<std::uint64_t> value) {
    if (!value || *value == 0 || *value >= kNoLimit) return;
    if (!smallest || *value < *smallest) smallest = value;
}

std::optional<std::uint64_t> leading_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end == text.data()) return std::nullopt;
    return value;
}

// A limit file holds one number, or "max", which is no number and so no limit.
std::optional<std::uint64_t> read_limit(const std::string& path) {
    std::ifstream in(path);
    std::string line;
    if (!std::getline(in, line)) return std::nullopt;
    return leading_number(line);
}

std::optional<std::uint64_t> read_meminfo(const std::string& path) {
    static constexpr std::string_view kName = "MemTotal:";
    std::ifstream in(path);
    std::string line;
    while (std::getline(in, line)) {
        if (line.compare(0, kName.size(), kName) != 0) continue;
        const std::size_t digits = line.find_first_of("0123456789");
        if (digits == std::string::npos) return std::nullopt;
        const auto kibibytes = leading_number(std::string_view(line).substr(digits));
        if (!kibibytes) return std::nullopt;
        return *kibibytes * 1024;
    }
    return std::nullopt;
}

// `group` and every group above it: a child's own limit may be larger than its parent's.
void keep_smallest_upwards(std::optional<std::uint64_t>& smallest, const std::string& root, std::string group,
                           const std::string& file) {
    while (true) {
        while (!group.empty() && group.back() == '/') group.pop_back();
        std::string path = root;
        path.append(group).append("/").append(file);
        keep_smaller(smallest, read_limit(path));
        const std::size_t slash = group.rfind('/');
        if (slash == std::string::npos) return;
        group.resize(slash);
    }
}

bool names_memory_controller(std::string_view controllers) {
    while (!controllers.empty()) {
        const std::size_t comma = controllers.find(',');
        if (controllers.substr(0, comma) == "memory") return true;
        if (comma == std::string_view::npos) return false;
        controllers.remove_prefix(comma + 1);
    }
    return false;
}

// A line of /proc/self/cgroup: "0::/user.slice" (version 2) or "4:memory:/docker/abc" (version 1).
void read_cgroup_line(std::optional<std::uint64_t>& smallest, const MemorySources& sources, std::string_view line) {
    const std::size_t first = line.find(':');
    if (first == std::string_view::npos) return;
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) return;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string group(line.substr(second + 1));
    if (controllers.empty()) {
        keep_smallest_upwards(smallest, sources.cgroup_root, group, "memory.max");
    } else if (names_memory_controller(controllers)) {
        keep_smallest_upwards(smallest, sources.cgroup_root + "/memory", group, "memory.limit_in_bytes");
    }
}

} // namespace

std::optional<std::uint64_t> available_memory(const MemorySources& sources) {
    std::optional<std::uint64_t> smallest;
    keep_smaller(smallest, read_meminfo(sources.meminfo));
    std::ifstream in(sources.self_cgroup);
    std::string line;
    while (std::getline(in, line)) read_cgroup_line(smallest, sources, line);
    return smallest;
}

} // namespace gatehouse::config
