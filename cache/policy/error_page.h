// A page in the place of an error (config::ErrorPages): what of the error stays, when the content is another
// resource's.
#pragma once

#include "cache/policy/cache_status.h"
#include "cache/policy/facts.h"
#include "config/config.h"
#include "http/target.h"

#include <string>
#include <string_view>

namespace gatehouse::cache::policy {

// The page that a request gets instead of an answer with this status; null: it gets the answer. There is none for what
// answers the condition or the range of this client (412, 416), for methods other than GET and HEAD, for requests that
// want nothing fetched or another protocol, nor where the page is what was asked for.
const config::ErrorPage* page_for(const config::Behavior& behavior, const RequestFacts& request,
                                  const http::Target& target, int status) noexcept;

// Whether a field of this name belongs to the answer with the error's status and not to the page. It is about the
// lifetime (the failed URL may be right again long before the page changes), a validator (it is the page's, and a
// client would ask about the failed URL with it), or what a status cannot do without: Allow of a 405 (RFC 9110
// section 15.5.6), WWW-Authenticate of a 401, Retry-After, Proxy-Status.
bool belongs_to_error(std::string_view name) noexcept;

// Of the lines that a client would have got with the error, those that it gets with a page that keeps an error's
// status: the lifetime; and all that belong to the error, where the page has the very status of it.
std::string lines_of_error(std::string_view lines, bool same_status);

// Whether these lines keep caches from answering others, or later requests, with what they are sent with: no-store,
// private or no-cache without names, in Cache-Control or a targeted field.
bool forbids_reuse(std::string_view lines);

// The Vary lines among them.
std::string vary_of_error(std::string_view lines);

// What Cache-Status and the log say of a page that was sent for an error with this status. It is the page's. But a
// request that went to the origin for the error is no hit, although the page was stored (RFC 9211 section 2.1): then
// all is said of the error, which is what was asked for and what the URL has.
CacheResult result_of_page(const CacheResult& error, CacheResult page, int status);

} // namespace gatehouse::cache::policy
