// A hash of content that arrives piece by piece: 128 bits of XXH3, the same in every process.
//
// Not keyed: instances behind one load balancer have to make the same entity tags. It tells contents of one origin
// apart; it is no signature.
#pragma once

#include "cache/policy/etag_rule.h"
#include "cache/store/body.h"

#include <memory>
#include <span>

namespace gatehouse::cache::store {

class ContentHash {
public:
    ContentHash();
    ~ContentHash();
    ContentHash(ContentHash&&) noexcept;
    ContentHash& operator=(ContentHash&&) noexcept;
    void update(std::span<const char> bytes) noexcept;
    void update(Body::Cursor from, std::uint64_t bytes); // of a body, from there on
    policy::ContentDigest digest() const noexcept;       // of everything so far

private:
    struct State;
    std::unique_ptr<State> state_;
};

policy::ContentDigest content_digest(std::string_view content) noexcept;

} // namespace gatehouse::cache::store
