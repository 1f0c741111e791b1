#include "cache/store/content_hash.h"

#include <xxhash.h>

namespace gatehouse::cache::store {

struct ContentHash::State {
    std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> hash{XXH3_createState(), &XXH3_freeState};
    std::uint64_t size = 0;
};

ContentHash::ContentHash() : state_(std::make_unique<State>()) {
    if (!state_->hash) {
        throw std::bad_alloc();
    }
    XXH3_128bits_reset(state_->hash.get());
}

ContentHash::~ContentHash() = default;
ContentHash::ContentHash(ContentHash&&) noexcept = default;
ContentHash& ContentHash::operator=(ContentHash&&) noexcept = default;

void ContentHash::update(std::span<const char> bytes) noexcept {
    XXH3_128bits_update(state_->hash.get(), bytes.data(), bytes.size());
    state_->size += bytes.size();
}

void ContentHash::update(Body::Cursor from, std::uint64_t bytes) {
    while (bytes > 0) {
        iovec piece{};
        if (from.peek({&piece, 1}, bytes) == 0) {
            return;
        }
        update({static_cast<const char*>(piece.iov_base), piece.iov_len});
        from.advance(piece.iov_len);
        bytes -= piece.iov_len;
    }
}

policy::ContentDigest ContentHash::digest() const noexcept {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_->hash.get());
    return {hash.low64, hash.high64, state_->size};
}

policy::ContentDigest content_digest(std::string_view content) noexcept {
    const XXH128_hash_t hash = XXH3_128bits(content.data(), content.size());
    return {hash.low64, hash.high64, content.size()};
}

} // namespace gatehouse::cache::store
