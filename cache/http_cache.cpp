// Lookup, decide, collapse, store.
#include "cache/http_cache.h"

#include "cache/policy/freshness.h"
#include "cache/policy/storability.h"
#include "cache/policy/validation.h"
#include "cache/policy/variant.h"

#include <array>
#include <cassert>

namespace gatehouse::cache {

using policy::Reason;
using policy::ReuseDecision;
using policy::StoredHead;

namespace {

std::string secondary_key(std::string_view names, std::string_view values) {
    std::string out;
    out.reserve(names.size() + values.size() + 1);
    out.append(names);
    out.push_back('\n'); // no field name or value contains it
    out.append(values);
    return out;
}

// Whole seconds, rounded down also below zero: a response that is stale by a millisecond has ttl -1.
std::int64_t ttl_seconds(const policy::Freshness& freshness) {
    return std::chrono::floor<std::chrono::seconds>(freshness.ttl()).count();
}

} // namespace

HttpCache::HttpCache(store::Store& store, CorePoster& poster, const Options& options)
    : store_(store), poster_(poster), options_(options) {}

std::shared_ptr<Fetch> HttpCache::make_private_fetch(unsigned core) {
    return std::make_shared<Fetch>(poster_, core, true);
}

bool HttpCache::alive(const store::EntryRef& entry) {
    const std::uint64_t newest = purges_.current();
    const std::uint64_t checked = entry->checked_sequence().load(std::memory_order_relaxed);
    if (checked >= newest || entry->sequence() >= newest) {
        return true; // one compare on a hit (DESIGN 4.11)
    }
    if (purges_.kills(entry->key(), entry->sequence(), checked)) {
        store_.erase(entry);
        return false;
    }
    entry->checked_sequence().store(newest, std::memory_order_relaxed);
    return true;
}

HttpCache::Match HttpCache::find(const RequestContext& context) {
    store::Candidates found;
    store_.lookup(context.hash, context.key, found);
    Match match;
    std::array<StoredHead, store::Candidates::kMax> heads;
    std::array<std::size_t, store::Candidates::kMax> index{};
    std::size_t count = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (alive(found[i])) {
            heads[count] = policy::view_stored_head(found[i]->metadata());
            index[count++] = i;
        } else {
            match.reason = Reason::Purged;
        }
    }
    if (count == 0) {
        return match;
    }
    match.newest = found[index[0]];
    match.vary_names = heads[0].vary_names;
    const auto selected = policy::select_variant(std::span(heads).first(count), context.request.fields);
    if (!selected) {
        match.reason = Reason::VaryMiss;
        return match;
    }
    match.entry = found[index[*selected]];
    match.head = heads[*selected];
    match.reason = Reason::None;
    return match;
}

Plan HttpCache::plan(const RequestContext& context, const policy::RequestDecision& decision) {
    Plan plan;
    plan.may_store = decision.may_store;
    if (!decision.lookup) {
        plan.result.reason = decision.reason;
        plan.result.forwarded = policy::forwarded_for(decision.reason);
        return plan;
    }
    Match match = find(context);
    const auto& directives = context.facts.cache_control;
    bool solo = false;
    Reason reason = match.reason;
    if (match.entry) {
        const ReuseDecision reuse =
            policy::decide_reuse(context.facts, match.head.facts, context.policy, context.now);
        reason = reuse.reason;
        plan.entry = match.entry;
        plan.head = match.head;
        plan.result.ttl_seconds = ttl_seconds(reuse.freshness);
        plan.result.reason = reuse.reason;
        switch (reuse.kind) {
        case ReuseDecision::Kind::ServeFresh:
        case ReuseDecision::Kind::ServeStale:
            plan.kind = Plan::Kind::Serve;
            store_.touch(*plan.entry);
            return plan;
        case ReuseDecision::Kind::ServeStaleRevalidate:
            store_.touch(*plan.entry);
            plan.validate = match.head.facts.has_validator;
            join_or_start(context, match.vary_names, false, plan);
            if (!plan.leader) {
                plan.fetch.reset(); // somebody revalidates already
            }
            plan.kind = Plan::Kind::Serve;
            return plan;
        case ReuseDecision::Kind::GatewayTimeout:
            plan.kind = Plan::Kind::GatewayTimeout;
            plan.entry = {};
            return plan;
        case ReuseDecision::Kind::Validate:
        case ReuseDecision::Kind::Forward:
            plan.validate = reuse.kind == ReuseDecision::Kind::Validate;
            // Asked for by this client: what others are fetching already may be older than its request.
            solo = reuse.reason == Reason::RequestNoCache || reuse.reason == Reason::RequestMaxAge ||
                   reuse.reason == Reason::RequestMinFresh;
            break;
        }
        if (reuse.reason == Reason::PolicyChanged) {
            plan.entry = {}; // not to be served in trouble either
        }
    } else {
        if (directives.only_if_cached) {
            plan.kind = Plan::Kind::GatewayTimeout;
            plan.result.reason = Reason::OnlyIfCached;
            return plan;
        }
        solo = directives.no_cache;
        if (context.facts.range) {
            // Nothing stored and no size known: the range is the origin's to answer.
            plan.may_store = false;
            reason = Reason::RequestRange;
        }
    }
    plan.result.reason = reason;
    plan.result.forwarded = policy::forwarded_for(reason);
    plan.result.ttl_seconds.reset();
    if (!plan.may_store) {
        if (decision.reason != Reason::None) {
            plan.result.reason = decision.reason;
        }
        return plan;
    }
    if (uncacheable_.remembers(context.hash, context.now)) {
        if (!match.entry) {
            plan.result.reason = Reason::KnownUncacheable;
        }
        // A HEAD goes as it is: content fetched for a store that will not take it helps nobody.
        plan.may_store = context.facts.method != http::Method::Head;
        return plan; // alone, at once
    }
    join_or_start(context, match.vary_names, solo, plan);
    plan.kind = Plan::Kind::Wait;
    return plan;
}

bool HttpCache::usable_now(const RequestContext& context, const StoredHead& head) const {
    return policy::decide_reuse(context.facts, head.facts, context.policy, context.now).kind ==
           ReuseDecision::Kind::ServeFresh;
}

void HttpCache::join_or_start(const RequestContext& context, std::string_view vary_names, bool solo, Plan& plan) {
    const auto fits = [&](const Fetch& fetch) {
        // A purge is effective for everybody who asks after it, also against a fetch in flight.
        if (solo || purges_.kills(context.key, fetch.sequence, 0)) {
            return false;
        }
        if (fetch.phase() == Fetch::Phase::Pending) {
            // What will vary is known only from what is stored; unknown counts as "the same".
            return policy::variant_matches(fetch.vary_names, fetch.vary_values, context.request.fields);
        }
        const Answer& answer = fetch.answer();
        if (answer.kind != Answer::Kind::Response || !answer.shared || fetch.detached_from_store() ||
            (answer.body && answer.body->mode() != store::Body::Mode::Retain)) {
            return false;
        }
        const StoredHead head = policy::view_stored_head(answer.head);
        return policy::variant_matches(head.vary_names, head.vary_values, context.request.fields) &&
               usable_now(context, head);
    };
    const auto make = [&](const std::vector<std::shared_ptr<Fetch>>& others) {
        auto fetch = std::make_shared<Fetch>(poster_, context.core, false);
        fetch->key = context.key;
        fetch->hash = context.hash;
        fetch->sequence = purges_.current();
        fetch->vary_names = vary_names;
        for (const auto& other : others) {
            if (other->phase() == Fetch::Phase::Answered && other->answer().kind == Answer::Kind::Response) {
                fetch->vary_names = policy::view_stored_head(other->answer().head).vary_names;
            }
        }
        fetch->vary_values = policy::variant_key(fetch->vary_names, context.request.fields);
        if (plan.validate) {
            fetch->validating = plan.entry;
        }
        return fetch;
    };
    auto [fetch, leader] = table_.join_or_insert(context.key, context.hash, fits, make);
    plan.fetch = std::move(fetch);
    plan.leader = leader;
    plan.result.collapsed = !leader;
}

std::optional<Resolution> HttpCache::stale_instead(const RequestContext& context, const Plan& plan) const {
    if (!plan.entry ||
        !policy::may_serve_on_error(context.facts, plan.head.facts, context.policy, context.now)) {
        return std::nullopt;
    }
    Resolution resolution;
    resolution.kind = Resolution::Kind::Serve;
    resolution.entry = plan.entry;
    resolution.head = plan.head;
    resolution.result = plan.result;
    resolution.result.reason = Reason::StaleIfError;
    resolution.result.forwarded = policy::Forwarded::Stale;
    resolution.result.ttl_seconds =
        ttl_seconds(policy::freshness(plan.head.facts, context.policy, context.now));
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
        if (auto stale = stale_instead(context, plan)) {
            return *std::move(stale);
        }
        resolution.kind = Resolution::Kind::Failed;
        resolution.result.reason = Reason::OriginError;
        resolution.result.error = true;
        return resolution;
    }
    case Answer::Kind::Freshened: {
        const StoredHead head = policy::view_stored_head(answer.entry->metadata());
        const bool mine = plan.leader;
        if (!mine && !(policy::variant_matches(head.vary_names, head.vary_values, context.request.fields) &&
                       usable_now(context, head))) {
            resolution.kind = Resolution::Kind::Alone;
            resolution.result.reason = Reason::NotShareable;
            return resolution;
        }
        resolution.kind = Resolution::Kind::Serve;
        resolution.entry = answer.entry;
        resolution.head = head;
        resolution.result.revalidated = true;
        resolution.result.stored = true;
        resolution.result.ttl_seconds = ttl_seconds(policy::freshness(head.facts, context.policy, context.now));
        return resolution;
    }
    case Answer::Kind::Response:
        break;
    }
    if (policy::is_stale_if_error_status(answer.status)) {
        if (auto stale = stale_instead(context, plan)) {
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
        if (!policy::variant_matches(head.vary_names, head.vary_values, context.request.fields)) {
            resolution.kind = Resolution::Kind::Rejoin;
            return resolution;
        }
        if (!usable_now(context, head)) {
            resolution.kind = Resolution::Kind::Alone;
            resolution.result.reason = Reason::NotShareable;
            return resolution;
        }
    }
    resolution.kind = Resolution::Kind::Stream;
    resolution.result.stored = answer.shared;
    if (answer.shared) {
        const StoredHead head = policy::view_stored_head(answer.head);
        resolution.result.ttl_seconds = ttl_seconds(policy::freshness(head.facts, context.policy, context.now));
    }
    return resolution;
}

HttpCache::BeginResult HttpCache::begin(Fetch& fetch, const FetchRequest& sent, const http::ResponseHead& response,
                                        const http::Framing& framing, http::WallTime request_time,
                                        http::WallTime response_time, Intake& intake) {
    const auto facts = policy::response_facts(sent.request, sent.facts, sent.cookie_unkeyed, response, request_time,
                                              response_time, sent.policy.targeted_cache_control);
    Answer answer;
    if (response.status == 304 && fetch.validating) {
        const StoredHead stored = policy::view_stored_head(fetch.validating->metadata());
        if (!policy::freshens(response, stored)) {
            return BeginResult::RetryUnconditional;
        }
        // RFC 9111 section 4.3.4: the stored response is updated with the fields of the 304 and judged anew.
        http::ResponseHead updated;
        updated.status = stored.facts.status;
        updated.fields = policy::freshened_fields(stored, response);
        const auto fresh_facts = policy::response_facts(sent.request, sent.facts, sent.cookie_unkeyed, updated,
                                                        request_time, response_time,
                                                        sent.policy.targeted_cache_control);
        const std::string names = policy::nominated_names(updated.fields);
        const std::string values =
            names == "*" ? std::string() : policy::variant_key(names, sent.request.fields);
        const std::string metadata =
            policy::encode_stored_head(fresh_facts, policy::fields_to_store(updated, response_time), names, values);
        answer.kind = Answer::Kind::Freshened;
        const bool storable = policy::decide_storability(fresh_facts, sent.policy).store &&
                              !purges_.kills(fetch.key, fetch.sequence, 0);
        store::EntryRef replaced;
        if (storable) {
            replaced = store_.replace_metadata(fetch.validating, secondary_key(names, values), metadata,
                                               fetch.sequence);
        }
        if (!replaced) {
            // Evicted, replaced or purged meanwhile, or no longer storable: it still answers this request, from the
            // old entry, which was just confirmed by the origin.
            if (!storable) {
                store_.erase(fetch.validating);
            }
            replaced = fetch.validating;
        }
        answer.entry = std::move(replaced);
        table_.remove(fetch);
        fetch.publish(std::move(answer));
        return BeginResult::Answered;
    }

    answer.kind = Answer::Kind::Response;
    answer.status = response.status;
    const std::string names = policy::nominated_names(response.fields);
    const std::string values = names == "*" ? std::string() : policy::variant_key(names, sent.request.fields);
    answer.head = policy::encode_stored_head(facts, policy::fields_to_store(response, response_time), names, values);
    if (framing.kind == http::Framing::Kind::Length) {
        answer.length = framing.length;
    }

    const bool has_content = framing.kind != http::Framing::Kind::None;
    policy::StoreDecision decision;
    if (sent.may_store) {
        decision = policy::decide_storability(facts, sent.policy);
    }
    answer.not_stored = decision.store ? Reason::None : decision.reason;
    if (decision.store) {
        if (purges_.kills(fetch.key, fetch.sequence, 0)) {
            answer.not_stored = Reason::PurgedMeanwhile;
        } else if (!fetch.key.empty()) {
            const std::string secondary = secondary_key(names, values);
            store::PutFacts put;
            put.key = fetch.key;
            put.hash = fetch.hash;
            put.secondary_key = secondary;
            put.sequence = fetch.sequence;
            intake.writer = store_.open_writer(put, has_content ? answer.length : std::uint64_t{0});
            if (!intake.writer) {
                answer.not_stored = Reason::ResponseTooLarge;
            }
        }
    }
    if (intake.writer) {
        answer.shared = !fetch.is_private;
        intake.body = intake.writer->body();
        intake.metadata = answer.head;
        uncacheable_.forget(fetch.hash);
    } else {
        if (has_content) {
            intake.body = store_.open_relay(answer.length);
        }
        if (!fetch.is_private) {
            uncacheable_.remember(fetch.hash, response_time + options_.uncacheable_memory);
        }
        table_.remove(fetch);
    }
    answer.body = has_content ? intake.body : nullptr;
    fetch.publish(std::move(answer));
    return BeginResult::Answered;
}

void HttpCache::detach(Fetch& fetch, Intake& intake, Reason reason, http::WallTime now) {
    table_.remove(fetch);
    fetch.detach(reason);
    intake.body->switch_to_window();
    intake.writer.reset();
    if (!fetch.is_private && reason == Reason::ResponseTooLarge) {
        uncacheable_.remember(fetch.hash, now + options_.uncacheable_memory);
    }
}

Reason HttpCache::finish(Fetch& fetch, Intake& intake) {
    Reason reason = fetch.answer().not_stored;
    if (intake.body) {
        intake.body->complete();
    }
    if (intake.writer) {
        if (purges_.kills(fetch.key, fetch.sequence, 0)) {
            reason = Reason::PurgedMeanwhile;
        } else if (!intake.writer->commit(intake.metadata)) {
            reason = Reason::MemoryBudget;
        }
        intake.writer.reset();
    } else if (fetch.detached_from_store()) {
        reason = fetch.detach_reason();
    }
    // Stored first, then removed: there is no instant at which a new request finds neither.
    if (!fetch.key.empty()) {
        table_.remove(fetch);
    }
    return reason;
}

void HttpCache::abort(Fetch& fetch, Intake& intake) {
    if (!fetch.key.empty()) {
        table_.remove(fetch);
    }
    intake.writer.reset();
    if (intake.body) {
        intake.body->fail();
    }
}

void HttpCache::fail(Fetch& fetch, http::Error error) {
    if (!fetch.key.empty()) {
        table_.remove(fetch);
    }
    Answer answer;
    answer.kind = Answer::Kind::Failed;
    answer.error = std::move(error);
    fetch.publish(std::move(answer));
}

std::size_t HttpCache::sweep(const PurgeMatcher& matcher) {
    std::size_t removed = 0;
    store_.for_each([&](const store::EntryRef& entry) {
        if (matcher.matches(entry->key()) && !alive(entry)) {
            ++removed;
        }
    });
    return removed;
}

} // namespace gatehouse::cache
