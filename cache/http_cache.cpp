// The clients' side: look up, decide, collapse. What the origin answers: http_cache_intake.cpp.
#include "cache/http_cache.h"

#include "cache/equal_queries.h"
#include "cache/policy/freshness.h"
#include "cache/policy/identity.h"
#include "cache/policy/range_fill.h"
#include "cache/policy/variant.h"

#include <boost/container/static_vector.hpp>

#include <algorithm>

namespace gatehouse::cache {

using policy::Reason;
using policy::ReuseDecision;
using policy::StoredHead;

namespace {

bool is_variant(std::string_view names, std::string_view values, const RequestContext& context) {
    return policy::variant_matches(names, values, context.request.fields, context.policy.accept_language);
}

// Whether this client asks for an answer of the origin that is newer than its request. What others are fetching
// already may be older.
bool wants_newer(const http::RequestCacheControl& request) noexcept {
    return request.no_cache || (request.max_age.valid() && request.max_age.seconds == 0);
}

void plan_load(std::shared_ptr<store::Load> load, Plan& plan) {
    plan.kind = Plan::Kind::Load;
    plan.load = std::move(load);
    plan.may_store = false;
}

std::uint64_t asker_of(const RequestContext& context) {
    return store::hash_key(policy::identity_of(context.request, context.policy)).low;
}

// Whether the answer of this fetch is too large for memory, and is being stored all the same.
bool is_on_its_way_to_disk(const RequestContext& context, const Fetch& fetch) {
    if (fetch.phase() != Fetch::Phase::Answered || !fetch.answer().stored || fetch.detached_from_store() ||
        !fetch.answer().body || fetch.answer().body->mode() != store::Body::Mode::Window) {
        return false;
    }
    const StoredHead head = policy::view_stored_head(fetch.answer().head);
    return is_variant(head.vary_names, head.vary_values, context);
}

// Whole seconds, rounded down also below zero: a response that is stale by a millisecond has ttl -1.
std::int64_t ttl_seconds(const policy::Freshness& freshness) {
    return std::chrono::floor<std::chrono::seconds>(freshness.ttl()).count();
}

} // namespace

HttpCache::HttpCache(store::Store& store, CorePoster& poster, const Options& options,
                     std::unique_ptr<PurgeFile> purge_file, std::uint64_t begin_behind)
    : store_(store), poster_(poster), options_(options), purges_(std::move(purge_file), begin_behind) {}

std::shared_ptr<Fetch> HttpCache::make_private_fetch(unsigned core) {
    return std::make_shared<Fetch>(poster_, core, true);
}

// `head`: policy::encode_stored_head.
bool HttpCache::killed(std::string_view key, std::string_view head, std::uint64_t sequence,
                       std::uint64_t checked) const {
    return purges_.kills(key, sequence, checked) ||
           purges_.kills_group(key, policy::view_stored_head(head).groups, sequence, checked);
}

bool HttpCache::survives_purges(const store::Entry& entry) const {
    const std::uint64_t newest = purges_.current();
    const std::uint64_t checked = entry.checked_sequence().load(std::memory_order_relaxed);
    if (checked >= newest || entry.sequence() >= newest) {
        return true; // one compare on a hit (DESIGN 4.11)
    }
    if (killed(entry.key(), entry.metadata(), entry.sequence(), checked)) {
        return false;
    }
    entry.checked_sequence().store(newest, std::memory_order_relaxed);
    return true;
}

// What is selected is taken out of `found`.
HttpCache::Match HttpCache::choose(const RequestContext& context, store::Candidates& found) {
    Match match;
    if (found.size() == 1) {
        match.sequence = found[0]->sequence();
        if (!alive(found[0])) {
            match.reason = Reason::Purged;
            return match;
        }
        // OPTIMIZATION: as nearly always, and without copies of heads to choose from.
        match.head = policy::view_stored_head(found[0]->metadata());
        if (!match.head.facts.is_part && is_variant(match.head.vary_names, match.head.vary_values, context)) {
            match.vary_names = match.head.vary_names;
            match.entry = found.take(0);
            match.reason = Reason::None;
            return match;
        }
        match.head = {};
    }
    boost::container::static_vector<StoredHead, store::Candidates::kMax> heads;
    boost::container::static_vector<std::size_t, store::Candidates::kMax> index; // of each head among the found
    for (std::size_t i = 0; i < found.size(); ++i) {
        match.sequence = std::max(match.sequence, found[i]->sequence());
        if (alive(found[i])) {
            heads.push_back(policy::view_stored_head(found[i]->metadata()));
            index.push_back(i);
        } else {
            match.reason = Reason::Purged;
        }
    }
    if (heads.empty()) {
        return match;
    }
    match.vary_names = heads[0].vary_names;
    const auto selected = policy::select_variant(std::span<const StoredHead>(heads.data(), heads.size()),
                                                 context.request.fields, context.policy.accept_language);
    if (selected != 0) { // otherwise `entry` keeps the names alive
        match.newest = found[index[0]];
    }
    if (!selected) {
        match.reason = Reason::VaryMiss;
        choose_part(context, found, match);
        return match;
    }
    match.entry = found.take(index[*selected]);
    match.head = heads[*selected];
    match.reason = Reason::None;
    return match;
}

Plan HttpCache::plan(const RequestContext& context, const policy::RequestDecision& decision) {
    Plan plan;
    plan_into(context, decision, plan);
    return plan;
}

void HttpCache::plan_into(const RequestContext& context, const policy::RequestDecision& decision, Plan& plan) {
    plan.may_store = decision.may_store;
    if (!decision.lookup) {
        plan.result.reason = decision.reason;
        plan.result.forwarded = policy::forwarded_for(decision.reason);
        return;
    }
    Match match = find(context);
    if (match.load) {
        return plan_load(std::move(match.load), plan);
    }
    const auto equal = match.entry ? std::nullopt : equal_key(rules_, context);
    if (!equal) {
        return plan_with(context, decision, match, plan);
    }
    const RequestContext by_rule = under_rule(context, *equal);
    Match found = find(by_rule);
    if (found.load) {
        return plan_load(std::move(found.load), plan);
    }
    // Of parts that are stored for the very query the whole can be made.
    if (!found.entry && (match.length || match.ends || match.manifest)) {
        return plan_with(context, decision, match, plan);
    }
    found.reason = found.reason == Reason::UriMiss ? match.reason : found.reason;
    plan_with(by_rule, decision, found, plan);
}

void HttpCache::plan_with(const RequestContext& context, const policy::RequestDecision& decision, Match& match,
                          Plan& plan) {
    const auto& directives = context.facts.cache_control;
    JoinRules rules;
    rules.seen = match.sequence;
    Reason reason = match.reason;
    const bool is_stored = static_cast<bool>(match.entry);
    // Not to be served, and kept as long as the match is, which has views into it.
    const auto drop_entry = [&] {
        plan.head = {};
        match.entry = std::exchange(plan.entry, {});
    };
    if (is_stored) {
        const ReuseDecision reuse = policy::decide_reuse(context.facts, match.head.facts, context.policy, context.now);
        reason = reuse.reason;
        plan.entry = std::move(match.entry);
        plan.head = match.head;
        plan.result.ttl_seconds = ttl_seconds(reuse.freshness);
        plan.result.reason = reuse.reason;
        switch (reuse.kind) {
        case ReuseDecision::Kind::ServeFresh:
            if (plan.may_store && !match.head.facts.is_part &&
                policy::refreshes_ahead(match.head.facts, reuse.freshness, context.policy, context.dice) &&
                !refreshed_.remembers(context.hash, context.now)) {
                refresh_ahead(context, match.vary_names, rules, plan);
            }
            [[fallthrough]];
        case ReuseDecision::Kind::ServeStale:
            plan.kind = Plan::Kind::Serve;
            store_.touch(*plan.entry);
            return;
        case ReuseDecision::Kind::ServeStaleRevalidate:
            if (match.head.facts.is_part) { // what would be fetched in the background is the whole
                plan.validate = match.head.facts.has_validator;
                break;
            }
            store_.touch(*plan.entry);
            plan.validate = match.head.facts.has_validator;
            // A range is revalidated as a whole; what else may not be stored says nothing about the stored response.
            if (plan.may_store || decision.reason == Reason::RequestRange) {
                rules.background = true;
                join_or_start(context, match.vary_names, rules, plan);
            }
            if (!plan.leader) {
                plan.fetch.reset(); // somebody revalidates already
            }
            plan.result.collapsed = false; // it did not wait
            plan.kind = Plan::Kind::Serve;
            return;
        case ReuseDecision::Kind::GatewayTimeout:
            plan.kind = Plan::Kind::GatewayTimeout;
            drop_entry();
            return;
        case ReuseDecision::Kind::Validate:
        case ReuseDecision::Kind::Forward:
            if (stands_for(context, match.head, plan.entry->sequence(), context.arrived)) {
                // While this request waited for an answer that was asked for too early, others have asked again.
                plan.kind = Plan::Kind::Serve;
                plan.result.forwarded = policy::forwarded_for(reuse.reason);
                plan.result.collapsed = true;
                plan.result.revalidated = true;
                store_.touch(*plan.entry);
                return;
            }
            plan.validate = reuse.kind == ReuseDecision::Kind::Validate;
            // A fresh response was not good enough: what others are fetching already would not be either.
            rules.solo = wants_newer(directives) || reuse.reason == Reason::RequestMaxAge ||
                         reuse.reason == Reason::RequestMinFresh;
            rules.each_time = policy::is_validated_each_time(match.head.facts, context.policy);
            break;
        }
        if (plan.may_store && !rules.solo && match.head.facts.status >= 400 && is_sliced(context)) {
            // An error whose time is over says nothing of the slices there may be, and would hide their manifest.
            store_.erase(plan.entry);
            drop_entry();
            plan_slices(context, match, plan);
            return;
        }
        if (reuse.reason == Reason::PolicyChanged) {
            drop_entry(); // not to be served in trouble either
        }
        plan.as_part = plan.may_store && match.head.facts.is_part;
    } else {
        if (directives.only_if_cached) {
            plan.kind = Plan::Kind::GatewayTimeout;
            plan.result.reason = Reason::OnlyIfCached;
            return;
        }
        rules.solo = wants_newer(directives);
        if (plan.may_store && !rules.solo && is_sliced(context)) {
            plan.result.reason = reason == Reason::UriMiss && context.facts.range ? Reason::RequestRange : reason;
            plan_slices(context, match, plan);
            return;
        }
        if (context.facts.range) {
            // Nothing that covers it is stored. By policy the whole is fetched, or the range is the origin's to answer,
            // and its answer may be stored.
            plan.as_part = plan.may_store && !is_filled(context, match.length);
            reason = reason == Reason::PartialMiss ? reason : Reason::RequestRange;
            rules.if_small = plan.as_part;
        }
    }
    plan.result.reason = reason;
    plan.result.forwarded = policy::forwarded_for(reason);
    plan.result.ttl_seconds.reset();
    if (!plan.may_store) {
        if (decision.reason != Reason::None) {
            plan.result.reason = decision.reason;
        }
        return;
    }
    if (rules.if_small) {
        join_or_start(context, match.vary_names, rules, plan);
        plan.as_part = !plan.fetch;
        plan.kind = plan.fetch ? Plan::Kind::Wait : Plan::Kind::Alone;
        return;
    }
    if (plan.as_part) {
        return; // alone: what another one asks for is another part
    }
    if (uncacheable_.remembers(context.hash, context.now)) {
        if (!is_stored) {
            plan.result.reason = Reason::KnownUncacheable;
            plan.as_part = context.facts.range; // the whole would be fetched to be thrown away
        }
        // A HEAD goes as it is: content fetched for a store that will not take it helps nobody.
        plan.may_store = context.facts.method != http::Method::Head;
        return; // alone, at once
    }
    if (!rules.solo) { // who wants it newer gets nothing of what is stored
        plan.ends = match.ends;
    }
    if (!join_or_start(context, match.vary_names, rules, plan)) {
        plan.may_store = false; // once is enough
        return;                 // alone
    }
    if (!plan.fetch) {
        RequestContext again = context;
        if (!context.exact_key.empty()) {
            again.key = context.exact_key;
            again.hash = store::hash_key(again.key);
            again.exact_key = {};
        }
        plan = this->plan(again, decision);
        return;
    }
    plan.kind = Plan::Kind::Wait;
    if (!plan.leader && !plan.fetch->admit_waiter(options_.waiters_per_fetch)) {
        // As it is: what it would bring is being fetched for the store already.
        plan.kind = Plan::Kind::Alone;
        plan.may_store = false;
        plan.fetch.reset();
        plan.result.collapsed = false;
        plan.result.reason = Reason::TooManyWaiters;
    }
}

bool HttpCache::usable_now(const RequestContext& context, const StoredHead& head) const {
    return policy::decide_reuse(context.facts, head.facts, context.policy, context.now).kind ==
           ReuseDecision::Kind::ServeFresh;
}

bool HttpCache::join_or_start(const RequestContext& context, std::string_view vary_names, JoinRules rules, Plan& plan) {
    bool is_streamed = false;
    plan.arrived = std::min(context.arrived, purges_.latest());
    const std::uint64_t asker = asker_of(context);
    const auto fits = [&](const Fetch& fetch) {
        // A purge is effective for everybody who asks after it, also against a fetch in flight.
        const bool collapses = context.policy.collapse || rules.background;
        if (rules.solo || !collapses || &fetch == context.given_up || purges_.kills(context.key, fetch.sequence, 0)) {
            return false;
        }
        const bool pending = fetch.phase() == Fetch::Phase::Pending;
        if (rules.if_small && (pending || !fetch.answer().length || !is_filled(context, fetch.answer().length))) {
            return false;
        }
        if (pending) {
            // What will vary is known only from what is stored; unknown counts as "the same".
            return is_variant(fetch.vary_names, fetch.vary_values, context) &&
                   (!rules.each_time || fetch.asker == asker);
        }
        const Answer& answer = fetch.answer();
        if (answer.kind != Answer::Kind::Response || !answer.shared || fetch.detached_from_store() ||
            (answer.body && answer.body->mode() != store::Body::Mode::Retain)) {
            return false;
        }
        const StoredHead head = policy::view_stored_head(answer.head);
        return is_for_query(context, fetch) && !purges_.kills_group(context.key, head.groups, fetch.sequence, 0) &&
               is_variant(head.vary_names, head.vary_values, context) &&
               (usable_now(context, head) || stands_for(context, head, fetch.sequence, plan.arrived));
    };
    const auto make = [&](const std::vector<std::shared_ptr<Fetch>>& others) -> std::shared_ptr<Fetch> {
        if (rules.if_small) {
            return nullptr;
        }
        is_streamed = !rules.solo && std::any_of(others.begin(), others.end(), [&](const auto& other) {
            return is_on_its_way_to_disk(context, *other) && !purges_.kills(context.key, other->sequence, 0);
        });
        if (is_streamed) {
            return nullptr;
        }
        // A fetch that was in flight when the store was asked, and has left the table since, has stored its answer.
        if (!rules.solo && stored_since(context, rules.seen)) {
            return nullptr;
        }
        auto fetch = std::make_shared<Fetch>(poster_, context.core, false);
        fetch->key = context.key;
        fetch->hash = context.hash;
        fetch->exact_key = context.exact_key;
        fetch->sequence = purges_.next();
        fetch->vary_names = vary_names;
        for (const auto& other : others) {
            if (other->phase() == Fetch::Phase::Answered && other->answer().kind == Answer::Kind::Response) {
                fetch->vary_names = policy::view_stored_head(other->answer().head).vary_names;
            }
        }
        fetch->vary_values =
            policy::variant_key(fetch->vary_names, context.request.fields, context.policy.accept_language);
        fetch->asker = asker;
        if (plan.validate) {
            fetch->validating = plan.entry;
        }
        fetch->completing = plan.ends;
        return fetch;
    };
    auto [fetch, leader] = table_.join_or_insert(context.key, context.hash, fits, make);
    plan.fetch = std::move(fetch);
    plan.leader = leader;
    plan.result.collapsed = plan.fetch && !leader;
    return !is_streamed;
}

// Whether the whole is fetched for the range of a request (docs/RANGES.md).
bool HttpCache::is_filled(const RequestContext& context, std::optional<std::uint64_t> length) const noexcept {
    return policy::fills_range(context.policy.range, length, store_.max_object_bytes());
}

bool HttpCache::stored_since(const RequestContext& context, std::uint64_t sequence) {
    store::Candidates found;
    store_.lookup(context.hash, context.key, found);
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (found[i]->sequence() > sequence) {
            return true;
        }
    }
    return false;
}

// Whether an answer that may not be reused without validation is one for this request all the same: the origin was
// asked after it had arrived, for a client that is the same to the origin.
bool HttpCache::stands_for(const RequestContext& context, const StoredHead& answer, std::uint64_t sequence,
                           std::uint64_t arrived) const {
    return sequence > arrived && policy::answers_collapsed(context.facts, answer.facts, context.policy) &&
           answer.facts.asker == asker_of(context);
}

// What an answer of the right variant is to a request that waited for it.
Resolution::Kind HttpCache::use_of_answer(const RequestContext& context, const Plan& plan,
                                          const StoredHead& head) const {
    if (usable_now(context, head) || stands_for(context, head, plan.fetch->sequence, plan.arrived)) {
        return Resolution::Kind::Stream;
    }
    // Asked for too early: all that waited for it ask again together. For somebody else: nothing to wait for.
    return stands_for(context, head, plan.arrived + 1, plan.arrived) ? Resolution::Kind::Rejoin
                                                                     : Resolution::Kind::Alone;
}

std::optional<Resolution> HttpCache::stale_instead(const RequestContext& context, const Plan& plan,
                                                   policy::OriginFailure failure) const {
    if (!plan.entry || is_dead(*plan.entry)) {
        return std::nullopt;
    }
    const Reason reason =
        policy::reason_to_serve_on(failure, context.facts, plan.head.facts, context.policy, context.now);
    return reason == Reason::None ? std::nullopt : std::optional(serve_stale(context, plan, reason));
}

// Or what has become fresh meanwhile.
Resolution HttpCache::serve_stale(const RequestContext& context, const Plan& plan, Reason reason) {
    Resolution resolution;
    resolution.kind = Resolution::Kind::Serve;
    resolution.entry = plan.entry;
    resolution.head = plan.head;
    resolution.result = plan.result;
    resolution.result.reason = reason;
    resolution.result.forwarded = policy::Forwarded::Stale;
    resolution.result.ttl_seconds = ttl_seconds(policy::freshness(plan.head.facts, context.policy, context.now));
    return resolution;
}

Resolution HttpCache::failed(const RequestContext& context, const Plan& plan, const http::Error& error) const {
    const std::optional<int> status = plan.fetch->trace().origin_status;
    if (auto stale = stale_instead(context, plan, policy::failure_of(error.kind))) {
        stale->result.forward_status = status;
        return *std::move(stale);
    }
    Resolution resolution;
    resolution.kind = Resolution::Kind::Failed;
    resolution.error = error;
    resolution.result = plan.result;
    resolution.result.forward_status = status;
    // A request that its client did not complete is nobody else's fault.
    if (http::source_of(error.kind) == http::ErrorSource::Upstream) {
        resolution.result.reason = Reason::OriginError;
    }
    resolution.result.error = true;
    return resolution;
}

Resolution HttpCache::resolve(const RequestContext& context, const Plan& plan) {
    const Fetch& fetch = *plan.fetch;
    const Answer& answer = fetch.answer();
    Resolution resolution;
    resolution.result = plan.result;
    resolution.result.forward_status = fetch.trace().origin_status;

    switch (answer.kind) {
    case Answer::Kind::Failed: {
        Resolution outcome = failed(context, plan, answer.error);
        // What one query does to an origin says nothing of another one, however equal their answers would be.
        if (outcome.kind == Resolution::Kind::Failed && !plan.leader && !has_same_query(context, fetch)) {
            outcome.kind = Resolution::Kind::Alone;
            outcome.result.reason = Reason::NotShareable;
            outcome.result.error = false;
        }
        return outcome;
    }
    case Answer::Kind::Freshened: {
        // The store took the freshened head, or this answer holds it.
        const bool stored = answer.head.empty();
        const StoredHead head =
            policy::view_stored_head(stored ? answer.entry->metadata() : std::string_view(answer.head));
        const bool mine = plan.leader;
        if (!mine) {
            const bool matches = is_variant(head.vary_names, head.vary_values, context);
            resolution.kind = matches ? use_of_answer(context, plan, head) : Resolution::Kind::Alone;
            if (resolution.kind != Resolution::Kind::Stream) {
                resolution.result.reason = Reason::NotShareable;
                return resolution;
            }
        }
        resolution.kind = Resolution::Kind::Serve;
        resolution.entry = answer.entry;
        resolution.head = mine && !answer.first_head.empty() ? policy::view_stored_head(answer.first_head) : head;
        resolution.result.revalidated = true;
        resolution.result.stored = stored;
        resolution.result.ttl_seconds = ttl_seconds(policy::freshness(head.facts, context.policy, context.now));
        return resolution;
    }
    case Answer::Kind::Response: break;
    }
    if (policy::is_stale_if_error_status(answer.status, context.policy)) {
        if (auto stale = stale_instead(context, plan, policy::OriginFailure::Error)) {
            stale->result.forward_status = answer.status;
            return *std::move(stale);
        }
    }
    if (!plan.leader) {
        const StoredHead head = policy::view_stored_head(answer.head);
        if (!answer.shared || fetch.detached_from_store()) {
            resolution.kind = Resolution::Kind::Alone;
            resolution.result.reason = Reason::NotShareable;
            return resolution;
        }
        if (!is_for_query(context, fetch)) {
            // Its rule is what the cache goes by now; errors and redirects have none, and change none.
            resolution.kind = answer.status < 300 ? Resolution::Kind::Rejoin : Resolution::Kind::Alone;
            resolution.result.reason = Reason::NotShareable;
            return resolution;
        }
        if (!is_variant(head.vary_names, head.vary_values, context)) {
            resolution.kind = Resolution::Kind::Rejoin;
            return resolution;
        }
        resolution.kind = use_of_answer(context, plan, head);
        if (resolution.kind != Resolution::Kind::Stream) {
            resolution.result.reason = Reason::NotShareable;
            return resolution;
        }
    }
    if (answer.body && answer.body->state() == store::Body::State::Failed) {
        return failed(context, plan, fetch.failure()); // better an error that can be told than a response that is cut
    }
    resolution.head = policy::view_stored_head(answer.head);
    if (context.facts.range && plan.may_store && !plan.as_part && !is_in_reach(context, fetch, resolution.head)) {
        resolution.kind = Resolution::Kind::Pass;
        resolution.kept = answer.shared && !fetch.detached_from_store();
        resolution.result.reason = Reason::RequestRange;
        resolution.result.collapsed = false;
        return resolution;
    }
    const bool has_own_head = plan.leader && !answer.first_head.empty();
    resolution.kind = Resolution::Kind::Stream;
    resolution.head = policy::view_stored_head(has_own_head ? answer.first_head : answer.head);
    resolution.result.stored = answer.stored && !fetch.detached_from_store();
    if (answer.stored) {
        resolution.result.ttl_seconds =
            ttl_seconds(policy::freshness(resolution.head.facts, context.policy, context.now));
    }
    return resolution;
}

// Whether the range of a request is answered out of what a fetch brings, or sooner by asking for it alone.
bool HttpCache::is_in_reach(const RequestContext& context, const Fetch& fetch, const StoredHead& head) {
    const Answer& answer = fetch.answer();
    if (!answer.body) {
        return true;
    }
    const bool is_kept = answer.stored && !fetch.detached_from_store();
    const policy::ArrivingContent content{answer.length, answer.body->published(), is_kept};
    return policy::is_within_reach(context.request, head, content, context.now, context.policy.immutable);
}

std::size_t HttpCache::sweep(const PurgeMatcher& matcher) {
    std::size_t removed = 0;
    store_.for_each([&](const store::EntryRef& entry) {
        if (is_in_reach_of(matcher, entry->key()) && !alive(entry)) {
            ++removed;
        }
    });
    return removed;
}

std::size_t HttpCache::sweep() {
    std::size_t removed = 0;
    store_.for_each([&](const store::EntryRef& entry) { removed += alive(entry) ? 0 : 1; });
    return removed;
}

} // namespace gatehouse::cache
