// The fetch task: sends one request to an origin and hands what comes back to the cache. It is owned by its core; the
// client that caused it is only a reader of the result.
#pragma once

#include "cache/fetch.h"
#include "cache/http_cache.h"
#include "cache/policy/facts.h"
#include "http/conditional.h"
#include "proxy/invalidate.h"
#include "proxy/origin_request.h"
#include "proxy/request_body.h"
#include "proxy/worker.h"

#include <memory>
#include <optional>
#include <string>

namespace gatehouse::proxy {

// Where a 101 leaves the origin's connection for the session that asked for it (same core).
struct TunnelSlot {
    Lease lease;
    http::ResponseHead head;
    std::string early; // bytes the origin sent right behind its head
};

struct FetchOrder {
    std::shared_ptr<cache::Fetch> fetch;
    std::shared_ptr<const config::Config> config; // keeps behavior alive
    const config::Behavior* behavior = nullptr;
    OriginRequest request;
    http::RequestHead client_request; // unchanged, for Vary
    cache::policy::RequestFacts facts;
    http::Framing framing;             // of the request's content
    std::shared_ptr<RequestBody> body; // null without content
    std::shared_ptr<TunnelSlot> tunnel; // null: no protocol switch is wanted
    std::optional<UnsafeTarget> unsafe;
    bool may_store = false;
    bool as_part = false; // the request keeps the client's Range

    // Of an answer that no client may ask about by its tag, none is made.
    config::EtagRule etag_rule() const noexcept {
        return facts.method_is_cached ? config::EtagRule::Keep : behavior->etag;
    }

    // What the cache is told of the request that is sent. It refers to the order.
    cache::FetchRequest sent() const {
        cache::FetchRequest out{client_request, facts, *behavior->policy_ref};
        out.cookie_unkeyed = request.cookie_unkeyed;
        out.may_store = may_store;
        out.as_part = as_part;
        out.conditional = http::has_cache_precondition(request.head.fields);
        out.sent_method = request.method;
        return out;
    }
};

// Runs it on the worker's core until it has ended. fetch->home is that core.
void start_fetch(Worker& worker, FetchOrder&& order);

} // namespace gatehouse::proxy
