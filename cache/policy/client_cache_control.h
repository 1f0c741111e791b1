// What clients are told about how long they may keep a response (DESIGN section 6), instead of what the origin says.
#pragma once

#include "cache/policy/facts.h"

namespace gatehouse::cache::policy {

// The value that takes the place of the origin's Cache-Control, or null where the origin's fields stay.
//
// A value without a status is for 200, 203, 206, 301 and 308 (and for the 304 and the parts made of them) that may be
// stored; when_status is for whatever it names, stored or not. Over no-store, private, no-cache, Set-Cookie and an
// answer to Authorization that is not for all, a value is put only where the policy's `override` names them, or where
// it forbids no less itself. `status` is that of the stored response, or of what is sent instead of it (416).
const config::ClientCacheControl::Value* client_cache_control(const config::ClientCacheControl& rule, int status,
                                                              const ResponseFacts& response, bool may_be_stored,
                                                              const config::CachePolicy& policy);

// Whether the answer to a request with Authorization is for that client alone. RFC 9111 section 3.5
bool is_for_one_client(const ResponseFacts& response) noexcept;

// Whether the origin's field of this name speaks of its lifetime and goes when that is replaced: Cache-Control and the
// targeted fields (RFC 9213 section 2.4), Expires, Pragma, Surrogate-Control; and Age and Date, because the response
// counts as made now.
bool tells_lifetime(std::string_view name) noexcept;

} // namespace gatehouse::cache::policy
