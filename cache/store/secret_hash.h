// The keyed hash under a secret that is kept: for what outlives the process, as purges do. store::hash_key has one that
// does not.
#pragma once

#include "cache/store/store.h"

#include <array>
#include <string_view>

namespace gatehouse::cache::store {

// As long as XXH3's own secret: with fewer bytes the same ones would be used at several places of a long key.
using HashSecret = std::array<unsigned char, 192>;

// Throws std::system_error: without a secret anybody could prepare keys that collide.
HashSecret draw_secret();
KeyHash hash_with(const HashSecret& secret, std::string_view key) noexcept;

} // namespace gatehouse::cache::store
