// How much memory this process may use: what the default size of the memory cache is a quarter of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gatehouse::config {

// Where the kernel says it. Tests point these at files of their own.
struct MemorySources {
    std::string self_cgroup = "/proc/self/cgroup";
    std::string cgroup_root = "/sys/fs/cgroup";
    std::string meminfo = "/proc/meminfo";
};

// The smallest of the machine's memory and the limits of this process's cgroup and of those above it, version 2
// (memory.max) or version 1 (memory.limit_in_bytes). nullopt when no source can be read.
std::optional<std::uint64_t> available_memory(const MemorySources& sources);

} // namespace gatehouse::config
