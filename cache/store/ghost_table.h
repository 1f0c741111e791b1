// The ghosts of one shard: fingerprints of what was evicted from the small queue without having been reused.
//
// A set-associative table: a fingerprint has eight places, and takes the one that is free, expired or oldest. Time is
// the number of bytes evicted into ghosts so far, so a ghost's age says how many bytes it is behind; beyond the window
// it counts as absent. That bounds the ghosts by bytes; the size of the table bounds them by count. 8 bytes a ghost.
//
// Not thread-safe: the shard locks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace gatehouse::cache::store {

class GhostTable {
public:
    // Time in units that the caller chooses; it may wrap around.
    struct Ghost {
        std::uint32_t tag = 0; // 0: free
        std::uint32_t evicted_at = 0;
    };
    static constexpr std::size_t kWays = 8;

    std::size_t capacity() const noexcept { return sets_ * kWays; }
    static std::uint64_t charge_for(std::size_t capacity) noexcept { return capacity * sizeof(Ghost) + 16; }

    void put(std::uint64_t fingerprint, std::uint32_t now, std::uint32_t window) noexcept;
    // Whether this was evicted less than `window` ago. Forgets it.
    bool take(std::uint64_t fingerprint, std::uint32_t now, std::uint32_t window) noexcept;
    // Puts a larger, zeroed table in place of the present one, which is left in `ghosts`.
    // Requires: `capacity` is a multiple of kWays.
    void grow(std::unique_ptr<Ghost[]>& ghosts, std::size_t capacity, std::uint32_t now, std::uint32_t window) noexcept;

private:
    static std::uint32_t tag_of(std::uint64_t fingerprint) noexcept;
    Ghost* set_of(std::uint32_t tag) noexcept;
    void place(Ghost ghost, std::uint32_t now, std::uint32_t window) noexcept;

    std::unique_ptr<Ghost[]> ghosts_;
    std::size_t sets_ = 0;
};

} // namespace gatehouse::cache::store
