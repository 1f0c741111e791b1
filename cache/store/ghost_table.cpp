#include "cache/store/ghost_table.h"

#include <utility>

namespace gatehouse::cache::store {

std::uint32_t GhostTable::tag_of(std::uint64_t fingerprint) noexcept {
    // The upper half: the lower bits choose the shard's buckets. 32 bits mistake one miss in 2^32 / 8 for a ghost,
    // which costs a place in the wrong queue.
    const auto tag = static_cast<std::uint32_t>(fingerprint >> 32);
    return tag == 0 ? 1 : tag;
}

GhostTable::Ghost* GhostTable::set_of(std::uint32_t tag) noexcept {
    // The set follows from the tag alone, so that a larger table can be filled from a smaller one.
    return ghosts_.get() + ((tag * std::uint64_t{sets_}) >> 32) * kWays;
}

void GhostTable::place(Ghost ghost, std::uint32_t now, std::uint32_t window) noexcept {
    Ghost* const set = set_of(ghost.tag);
    Ghost* best = set;
    std::uint64_t best_score = 0;
    for (Ghost* place = set; place != set + kWays; ++place) {
        if (place->tag == ghost.tag) {
            best = place;
            break;
        }
        const std::uint32_t age = now - place->evicted_at;
        const bool is_free = place->tag == 0 || age > window;
        const std::uint64_t score = is_free ? UINT64_MAX : age;
        if (score > best_score) {
            best = place;
            best_score = score;
        }
    }
    *best = ghost;
}

void GhostTable::put(std::uint64_t fingerprint, std::uint32_t now, std::uint32_t window) noexcept {
    if (sets_ > 0) {
        place(Ghost{tag_of(fingerprint), now}, now, window);
    }
}

bool GhostTable::take(std::uint64_t fingerprint, std::uint32_t now, std::uint32_t window) noexcept {
    if (sets_ == 0) {
        return false;
    }
    const std::uint32_t tag = tag_of(fingerprint);
    Ghost* const set = set_of(tag);
    for (Ghost* place = set; place != set + kWays; ++place) {
        if (place->tag == tag) {
            place->tag = 0;
            return now - place->evicted_at <= window;
        }
    }
    return false;
}

void GhostTable::grow(std::unique_ptr<Ghost[]>& ghosts, std::size_t capacity, std::uint32_t now,
                      std::uint32_t window) noexcept {
    const std::size_t old_capacity = this->capacity();
    std::swap(ghosts_, ghosts);
    sets_ = capacity / kWays;
    for (std::size_t i = 0; i < old_capacity; ++i) {
        const Ghost& ghost = ghosts[i];
        if (ghost.tag != 0 && now - ghost.evicted_at <= window) {
            place(ghost, now, window);
        }
    }
}

} // namespace gatehouse::cache::store
