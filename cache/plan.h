// What passes between an exchange and the coordinator: a request as the cache sees it, what to do with it, how long to
// wait, and what the end of a wait means. Plain values.
#pragma once

#include "cache/fetch.h"
#include "cache/policy/cache_status.h"
#include "cache/policy/facts.h"
#include "cache/policy/stored_head.h"
#include "cache/store/core_table.h"
#include "http/message.h"
#include "http/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace gatehouse::cache {

// One request as the cache sees it. Everything referred to outlives the call.
struct RequestContext {
    const http::RequestHead& request;
    const policy::RequestFacts& facts;
    const config::CachePolicy& policy;
    std::string_view key;
    store::KeyHash hash;
    unsigned core = 0;
    http::WallTime now;
    // For a request that is planned again: Plan::arrived of the first time.
    std::uint64_t arrived = ~std::uint64_t{0};
    bool unsliced = false;           // planned again, because the answer was not for slices
    std::uint64_t dice = 0;          // a random number, where the policy refreshes ahead
    const Fetch* given_up = nullptr; // planned again, because this one was waited for too long
    // Within HttpCache, where `key` is one by a rule of No-Vary-Search: that of the query itself.
    std::string_view exact_key = {};
    // Planned again after this: what the disk has is not waited for once more.
    const store::Load* loaded = nullptr;
    // What the core that asks keeps for itself; the plan stays on that core then. Null: it keeps nothing.
    store::CoreTable* near = nullptr;
};

struct Plan {
    enum class Kind : std::uint8_t {
        Serve,         // from `entry`, now
        Wait,          // for `fetch`
        Alone,         // a private fetch; nothing to share (`may_store`: its answer may be stored all the same)
        Load,          // nothing yet: plan again when `load` has brought what the disk has
        Slices,        // put together from slices, one plan_slice after the other
        GatewayTimeout // only-if-cached
    };
    Kind kind = Kind::Alone;
    // Serve: what is served. Wait and Alone: the stored response that matches but may not be served now, if any: it is
    // validated, and may be served if the origin fails.
    store::HeldEntry entry;
    policy::StoredHead head;
    bool validate = false;        // `entry` has a validator and the fetch is to use it
    StoredEnds ends;              // Wait: stored parts; the fetch asks for the rest
    std::shared_ptr<Fetch> fetch; // Wait; Serve: a background revalidation that the caller has to start
    bool leader = false;          // the caller has to start the fetch
    // Wait: what was sent to an origin with a larger number than this (cache/purge_log.h) was sent after the request
    // had come.
    std::uint64_t arrived = 0;
    bool may_store = false;
    bool as_part = false;     // Alone: the request keeps its Range, and a 206 is stored as a part
    store::HeldEntry manifest; // Slices: what is known of them; null: nothing
    bool manifest_current = false;
    std::shared_ptr<store::Load> load;
    policy::CacheResult result;
};

// How long a request waits for the answer that it was planned to wait for.
struct Patience {
    http::Duration wait{0};    // zero: as long as it takes
    bool serves_stale = false; // after that: the stored response; otherwise it asks again
};

// A slice that a request needs.
struct SliceNeed {
    policy::SliceOf slice;
    std::string validator;    // of the representation; empty: not known
    bool current = false;     // that may be believed; otherwise what is stored of it is asked about
    store::HeldEntry manifest; // null: none
    policy::CacheResult result;
    bool solo = false; // what others ask for was not for this request: it asks for itself
};

struct Resolution {
    enum class Kind : std::uint8_t {
        Stream, // the fetch's answer
        Serve,  // `entry` (freshened, or stale because the origin failed)
        Alone,  // a private fetch: the answer is not for this request
        Pass,   // a private fetch of the range: it would be long in coming, or in an order in which it cannot be had
        Rejoin, // plan again: another variant, or it was asked for too early
        Failed  // `error`
    };
    Kind kind = Kind::Failed;
    store::HeldEntry entry;
    policy::StoredHead head; // of `entry`, or of the fetch: valid as long as both are held
    http::Error error;
    bool kept = false; // Pass: what the fetch brings is being stored; of the range nothing need be
    policy::CacheResult result;
};

} // namespace gatehouse::cache
