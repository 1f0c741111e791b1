// The keyed hash of cache keys: XXH3 with a secret of this process.
#include "cache/store/store.h"

#include <cerrno>
#include <system_error>

#include <sys/random.h>
#include <xxhash.h>

namespace gatehouse::cache::store {

namespace {

// As long as XXH3's own secret: with fewer bytes the same ones would be used at several places of a long key.
constexpr std::size_t kSecretBytes = 192;
static_assert(kSecretBytes >= XXH3_SECRET_SIZE_MIN);

struct Secret {
    Secret() {
        std::size_t filled = 0;
        while (filled < bytes.size()) {
            const ssize_t got = getrandom(bytes.data() + filled, bytes.size() - filled, 0);
            if (got > 0) {
                filled += static_cast<std::size_t>(got);
            } else if (errno != EINTR) {
                // Without a secret anybody could prepare colliding keys, so it is better not to start.
                throw std::system_error(errno, std::system_category(), "getrandom");
            }
        }
    }
    std::array<unsigned char, kSecretBytes> bytes{};
};

} // namespace

KeyHash hash_key(std::string_view key) noexcept {
    static const Secret secret;
    const XXH128_hash_t hash =
        XXH3_128bits_withSecret(key.data(), key.size(), secret.bytes.data(), secret.bytes.size());
    return KeyHash{hash.low64, hash.high64};
}

} // namespace gatehouse::cache::store
