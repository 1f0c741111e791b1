// What is waited for: what the disk has; and what spares the origin and those who wait for it, fetches before the end of what
// is stored and waits that end before the answer comes.
#include "cache/equal_queries.h"
#include "cache/http_cache.h"
#include "cache/policy/reuse.h"
#include "cache/store/load.h"

#include <algorithm>

namespace gatehouse::cache {

using policy::Reason;

namespace {

constexpr http::Duration kRefreshPause{1'000}; // between two fetches of a response that is still fresh

} // namespace

// With what was loaded for the request.
void HttpCache::look_up(const RequestContext& context, std::string_view key, const store::KeyHash& hash,
                        store::Candidates& found) {
    if (context.near != nullptr) {
        context.near->lookup(hash, key, found);
    } else {
        store_.lookup(hash, key, found);
    }
    if (context.loaded != nullptr) {
        found.add(context.loaded->unlisted(), key);
    }
}

HttpCache::Match HttpCache::find(const RequestContext& context) {
    store::Candidates found;
    look_up(context, context.key, context.hash, found);
    Match match = choose(context, found);
    if (match.entry) {
        return match;
    }
    store::Below below = store_.bring(context.hash, context.key, found, context.loaded == nullptr);
    if (below.kind == store::Below::Kind::Brought) {
        found.clear();
        look_up(context, context.key, context.hash, found);
        found.add(below.unlisted, context.key);
        match = choose(context, found);
    }
    match.load = std::move(below.load);
    return match;
}

// Starts a background fetch of what is served fresh, if nobody has.
void HttpCache::refresh_ahead(const RequestContext& context, std::string_view vary_names, JoinRules rules, Plan& plan) {
    plan.validate = plan.head.facts.has_validator;
    rules.background = true;
    join_or_start(context, vary_names, rules, plan);
    plan.result.collapsed = false; // it did not wait
    if (plan.leader) {
        // One that fails, or brings what may not be stored, is not repeated at once.
        refreshed_.remember(context.hash, context.now + kRefreshPause);
        plan.result.reason = Reason::RefreshAhead;
    } else {
        plan.fetch.reset();
    }
}

Patience HttpCache::patience(const RequestContext& context, const Plan& plan, http::Duration since,
                             bool may_serve_stale) const {
    const config::CachePolicy& rules = context.policy;
    Patience patience;
    if (plan.kind != Plan::Kind::Wait) {
        return patience;
    }
    // Counted from when the request came, however often it is planned again; at least a moment is left.
    const auto left_of = [since](http::Duration limit) { return std::max(limit - since, http::Duration(1)); };
    // Once given up, it waits as if it had asked for itself, together with the others that did.
    if (!plan.leader && context.given_up == nullptr && rules.collapse_max_wait > http::Duration::zero()) {
        patience.wait = left_of(rules.collapse_max_wait);
    }
    const bool serves_stale =
        may_serve_stale && plan.entry &&
        policy::reason_to_serve_while_slow(context.facts, plan.head.facts, rules, context.now) != Reason::None;
    if (serves_stale) {
        const http::Duration slow = left_of(*rules.stale_if_slow);
        if (patience.wait == http::Duration::zero() || slow <= patience.wait) {
            patience = {slow, true};
        }
    }
    return patience;
}

std::optional<Resolution> HttpCache::give_up_waiting(const RequestContext& context, const Plan& plan,
                                                     const Patience& patience) {
    // Others may have had it purged, or fetched, meanwhile.
    Plan now = plan;
    Match match = find(context);
    if (const auto equal = match.entry ? std::nullopt : equal_key(rules_, context)) {
        match = find(under_rule(context, *equal));
    }
    if (match.entry) {
        now.entry = match.entry;
        now.head = match.head;
    } else if (plan.entry && is_dead(*plan.entry)) {
        now.entry = {};
        now.head = {};
    }
    now.result.collapse_failed = now.result.collapsed;
    now.result.collapsed = false;
    if (now.entry && usable_now(context, now.head)) {
        store_.touch(*now.entry);
        return serve_stale(context, now, Reason::None);
    }
    if (!patience.serves_stale) {
        Resolution resolution;
        resolution.kind = Resolution::Kind::Rejoin;
        resolution.result = now.result;
        return resolution;
    }
    const Reason reason =
        now.entry ? policy::reason_to_serve_while_slow(context.facts, now.head.facts, context.policy, context.now)
                  : Reason::None;
    return reason == Reason::None ? std::nullopt : std::optional(serve_stale(context, now, reason));
}

} // namespace gatehouse::cache
