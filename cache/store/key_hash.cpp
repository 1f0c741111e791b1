// The keyed hash of cache keys: XXH3 with a secret of this process, or with one that is kept.
#include "cache/store/secret_hash.h"

#include <cerrno>
#include <system_error>

#include <sys/random.h>
#include <xxhash.h>

namespace gatehouse::cache::store {

static_assert(std::tuple_size_v<HashSecret> >= XXH3_SECRET_SIZE_MIN);

HashSecret draw_secret() {
    HashSecret secret{};
    std::size_t filled = 0;
    while (filled < secret.size()) {
        const ssize_t got = getrandom(secret.data() + filled, secret.size() - filled, 0);
        if (got > 0) {
            filled += static_cast<std::size_t>(got);
        } else if (errno != EINTR) {
            throw std::system_error(errno, std::system_category(), "getrandom");
        }
    }
    return secret;
}

KeyHash hash_with(const HashSecret& secret, std::string_view key) noexcept {
    const XXH128_hash_t hash = XXH3_128bits_withSecret(key.data(), key.size(), secret.data(), secret.size());
    return KeyHash{hash.low64, hash.high64};
}

KeyHash hash_key(std::string_view key) noexcept {
    // A process that cannot draw one does not start.
    static const HashSecret secret = draw_secret();
    return hash_with(secret, key);
}

} // namespace gatehouse::cache::store
