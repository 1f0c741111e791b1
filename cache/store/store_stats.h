// What a store says of itself.
#pragma once

#include <cstdint>

namespace gatehouse::cache::store {

struct StoreStats {
    std::uint64_t objects = 0;
    std::uint64_t bytes_used = 0; // charged now: heads, bodies, index, ghosts, in flight, pinned
    std::uint64_t bytes_index = 0; // of these: index, ghosts and the store itself
    std::uint64_t bytes_limit = 0;
    std::uint64_t evictions = 0;
    std::uint64_t insertions = 0;
    std::uint64_t ghost_hits = 0;
};

} // namespace gatehouse::cache::store
