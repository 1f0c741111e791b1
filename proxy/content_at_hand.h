// The whole content of a response, if it has arrived together with the head: what an entity tag can be made of before
// the head is sent on.
#pragma once

#include "cache/http_cache.h"
#include "http/framing.h"
#include "proxy/stream.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::proxy {

// LIMIT: a larger content is not waited for; its tag is there from the first hit on.
inline constexpr std::size_t kMostContentAtHand = 64 * 1024;

// Takes what the connection has already, without waiting, behind what is in `input`, and hashes the content if all of
// it is there. nullopt where it is not, where it is larger, or where only the end of the connection will tell.
std::optional<cache::policy::ContentDigest> digest_at_hand(Stream& stream, const http::Framing& framing,
                                                           std::string& input);

// What the rule needs to know of an answer before it is judged. The second is for content that is there.
void apply_etag_rule(config::EtagRule rule, const http::ResponseHead& head, const http::Framing& framing,
                     Stream& stream, std::string& input, cache::FetchRequest& sent);
void apply_etag_rule(config::EtagRule rule, std::string_view content, cache::FetchRequest& sent);

} // namespace gatehouse::proxy
