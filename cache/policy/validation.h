// Validation (RFC 9111 section 4.3): the conditional request and what its answer means.
#pragma once

#include "cache/policy/facts.h"
#include "cache/policy/stored_head.h"
#include "http/fields.h"

namespace gatehouse::cache::policy {

// Removes the client's own preconditions and Range (the answer is to be stored whole) from the fields of a request
// that goes to the origin on behalf of the cache. `keep_range`: Range and If-Range stay (a part of it is to be stored).
void remove_client_conditions(http::Fields& request, bool keep_range = false);

// Adds If-None-Match (a well-formed stored ETag, also a weak one) and If-Modified-Since (stored Last-Modified)
// (RFC 9111 section 4.3.1). Returns false, adding nothing, when the stored response has no validator.
bool add_validators(http::Fields& request, const StoredHead& stored);

// Whether a 304 speaks of this stored response (RFC 9111 section 4.3.4): its strong ETag equals the stored one; or its
// weak validators match; or it carries no validator at all (the request named only this one).
bool freshens(const http::ResponseHead& not_modified, const StoredHead& stored);

// Whether the 200 to a HEAD says the same of a stored response (RFC 9111 section 4.3.5): each validator that it has is
// the stored one, and so is its Content-Length, if it has one. What it does not say the same of is out of date.
bool confirms(const http::ResponseHead& head_response, const StoredHead& stored, std::uint64_t complete_length);

// The stored fields updated by a 304 (RFC 9111 section 3.2): every field of the 304 replaces the stored lines of that
// name, except Content-Length, Content-Encoding, Content-Range and digests (they describe the content, which stays), Age,
// and hop-by-hop fields, which are never taken over. Without a Date in the 304 the result has none. `left_out` gets the
// lines that no-cache="..." and private="..." keep out of the store.
http::Fields freshened_fields(const StoredHead& stored, const http::ResponseHead& not_modified,
                              http::Fields* left_out = nullptr);

// What replaces a stored head after a 304 that freshens it: the updated lines, and facts made from them, from the age
// of the 304 and from the times of the validation. `request` is the one that was validated for. Whether the result
// may still be stored is for decide_storability: the 304 may have brought no-store or Set-Cookie, or the request
// no-store or Authorization; then the stored head stays as it is, and only this client is answered with the new one.
struct FreshenedHead {
    ResponseFacts facts;
    http::Fields lines;
    http::Fields left_out; // see fields_to_store
};
FreshenedHead freshen(const StoredHead& stored, const http::ResponseHead& not_modified, const RequestFacts& request,
                      bool cookie_forwarded_unkeyed, WallTime request_time, WallTime response_time,
                      const std::vector<std::string>& targeted_names);

} // namespace gatehouse::cache::policy
