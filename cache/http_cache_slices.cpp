// Slices (docs/RANGES.md): parts of fixed places under keys of their own, and a manifest under the key of the whole
// that says which representation they are of, how long it is, and for how long that may be believed.
#include "cache/http_cache.h"

#include "cache/policy/identity.h"
#include "cache/policy/storability.h"
#include "cache/policy/variant.h"

#include <algorithm>

namespace gatehouse::cache {

using policy::Reason;
using policy::StoredHead;

namespace {

// Where it is remembered that the answers for a key are no slices.
store::KeyHash memory_of_slices(const store::KeyHash& hash) noexcept {
    constexpr std::uint64_t kOther = 0x9e3779b97f4a7c15ULL;
    return {hash.low ^ kOther, hash.high ^ kOther};
}

bool is_variant(const StoredHead& head, const RequestContext& context) {
    return policy::variant_matches(head.vary_names, head.vary_values, context.request.fields,
                                   context.policy.accept_language);
}

// A manifest is a part without content: it answers no range and completes nothing, so that whoever knows no slices
// passes it over.
bool is_manifest(const store::Entry& entry) {
    return entry.body_size() == 0 && policy::view_stored_head(entry.metadata()).facts.is_part;
}

} // namespace

bool HttpCache::is_sliced(const RequestContext& context) const noexcept {
    // That the whole cannot be stored says nothing of its slices.
    return context.policy.range == config::RangeHandling::Slice && !context.unsliced &&
           !context.facts.method_is_cached && !uncacheable_.remembers(memory_of_slices(context.hash), context.now);
}

void HttpCache::plan_slices(const RequestContext& context, const Match& match, Plan& plan) const {
    plan.kind = Plan::Kind::Slices;
    plan.manifest = match.manifest;
    if (plan.manifest) {
        const StoredHead head = policy::view_stored_head(plan.manifest->metadata());
        const auto reuse = policy::decide_reuse(context.facts, head.facts, context.policy, context.now);
        plan.manifest_current = reuse.kind == policy::ReuseDecision::Kind::ServeFresh;
        plan.result.reason = plan.manifest_current ? plan.result.reason : reuse.reason;
        plan.result.ttl_seconds = std::chrono::floor<std::chrono::seconds>(reuse.freshness.ttl()).count();
    }
    plan.result.forwarded = policy::forwarded_for(plan.result.reason);
}

Plan HttpCache::plan_slice(const RequestContext& context, const SliceNeed& need) {
    Plan plan;
    plan.may_store = true;
    plan.as_part = true;
    plan.result = need.result;
    store::HeldEntry stored;
    if (!need.validator.empty()) {
        stored = find_slice(context, need.slice, need.validator, plan.load);
        if (plan.load) {
            plan.kind = Plan::Kind::Load;
            return plan;
        }
    }
    if (stored && need.current) {
        plan.kind = Plan::Kind::Serve;
        plan.entry = stored;
        if (!plan.result.revalidated) {
            plan.result.reason = Reason::None;
            plan.result.forwarded = policy::Forwarded::No;
        }
        store_.touch(*stored);
        if (need.manifest) {
            store_.touch(*need.manifest);
        }
        return plan;
    }
    plan.kind = Plan::Kind::Wait;
    if (need.manifest) {
        plan.head = policy::view_stored_head(need.manifest->metadata());
    }
    // What is stored of it is asked about; what is not stored is asked for, by its validator where that may be
    // believed.
    plan.validate = stored && need.manifest && plan.head.facts.has_validator;
    const std::string_view if_range = need.current ? std::string_view(need.validator) : std::string_view();
    const std::string join_key = policy::slice_key(context.key, need.slice, if_range);
    const auto fits = [&](const Fetch& fetch) {
        if (purges_.kills(context.key, fetch.sequence, 0)) {
            return false;
        }
        if (fetch.phase() == Fetch::Phase::Pending) {
            return policy::variant_matches(fetch.vary_names, fetch.vary_values, context.request.fields,
                                           context.policy.accept_language);
        }
        return takes_slice(context, need, fetch);
    };
    const auto make = [&](const std::vector<std::shared_ptr<Fetch>>&) {
        auto fetch = std::make_shared<Fetch>(poster_, context.core, false);
        fetch->key = context.key;
        fetch->hash = context.hash;
        fetch->join_key = join_key;
        fetch->join_hash = store::hash_key(join_key);
        fetch->sequence = purges_.next();
        fetch->vary_names = plan.head.vary_names;
        fetch->vary_values =
            policy::variant_key(fetch->vary_names, context.request.fields, context.policy.accept_language);
        fetch->asker = store::hash_key(policy::identity_of(context.request, context.policy)).low;
        fetch->slice = need.slice;
        fetch->slice_validator = if_range;
        if (plan.validate) {
            fetch->validating = need.manifest;
        }
        return fetch;
    };
    if (need.solo) {
        plan.fetch = make({});
        plan.leader = true;
        return plan;
    }
    auto [fetch, leader] = table_.join_or_insert(join_key, store::hash_key(join_key), fits, make);
    plan.fetch = std::move(fetch);
    plan.leader = leader;
    plan.result.collapsed = !leader;
    if (!leader && !plan.fetch->admit_waiter(options_.waiters_per_fetch)) {
        plan.fetch = make({}); // beside it
        plan.leader = true;
        plan.result.collapsed = false;
    }
    return plan;
}

store::HeldEntry HttpCache::find_slice(const RequestContext& context, const policy::SliceOf& slice,
                                       std::string_view validator, std::shared_ptr<store::Load>& load) {
    const std::string key = policy::slice_key(context.key, slice, validator);
    const store::KeyHash hash = store::hash_key(key);
    store::Candidates found;
    const auto choose = [&]() -> store::HeldEntry {
        for (std::size_t i = 0; i < found.size(); ++i) {
            const StoredHead head = policy::view_stored_head(found[i]->metadata());
            const auto part = policy::part_of(head);
            if (part && part->span.size() == found[i]->body_size() && is_variant(head, context) && alive(found[i])) {
                return found[i];
            }
        }
        return {};
    };
    look_up(context, key, hash, found);
    store::HeldEntry slice_at_hand = choose();
    if (slice_at_hand) {
        return slice_at_hand;
    }
    store::Below below = store_.bring(hash, key, found, context.loaded == nullptr);
    load = std::move(below.load);
    if (below.kind != store::Below::Kind::Brought) {
        return {};
    }
    found.clear();
    look_up(context, key, hash, found);
    found.add(below.unlisted, key);
    return choose();
}

bool HttpCache::is_current(const RequestContext& context, const store::Entry& manifest, bool asked) const {
    const StoredHead head = policy::view_stored_head(manifest.metadata());
    return is_variant(head, context) && (asked || usable_now(context, head));
}

// Whoever waited for a slice uses it if it is of the right variant, and fresh, or one more of what is known to be
// current; whoever caused it does in any case.
bool HttpCache::takes_slice(const RequestContext& context, const SliceNeed& need, const Fetch& fetch) const {
    const Answer& answer = fetch.answer();
    if (answer.kind != Answer::Kind::Response || !answer.slice || !answer.shared || fetch.detached_from_store()) {
        return false;
    }
    const StoredHead head = policy::view_stored_head(answer.head);
    const bool is_one_more = need.current && policy::strong_validator(head) == need.validator;
    return is_variant(head, context) && (is_one_more || usable_now(context, head)) &&
           !purges_.kills_group(context.key, head.groups, fetch.sequence, 0);
}

bool HttpCache::has_manifest_of(const Fetch& fetch, std::string_view unsatisfied) const {
    store::Candidates found;
    look_everywhere_at_hand(fetch.key, fetch.hash, found);
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (is_manifest(*found[i])) {
            const auto part = policy::part_of(policy::view_stored_head(found[i]->metadata()));
            return part && unsatisfied == http::content_range_unsatisfied(part->complete_length);
        }
    }
    return false;
}

// An answer that is no slice, although one was asked for, and no error that may be over soon.
void HttpCache::take_no_slice(const Fetch& fetch, const http::ResponseHead& response, http::WallTime now) {
    // A range behind the end changes nothing, as long as it is the end that is known.
    const std::string_view end = response.fields.first("Content-Range").value_or(std::string_view());
    if (response.status == 416 && has_manifest_of(fetch, end)) {
        return;
    }
    // It has changed, or is no more: nobody is to ask for slices of what was.
    forget_slices(fetch.key, fetch.hash, {});
    if (response.status == 200 || response.status == 206) {
        uncacheable_.remember(memory_of_slices(fetch.hash), now + options_.uncacheable_memory);
    }
}

void HttpCache::commit_manifest(const Fetch& fetch, std::string_view slice_head) {
    const StoredHead head = policy::view_stored_head(slice_head);
    const auto part = policy::part_of(head);
    const policy::ContentPart first{{0, 0}, part->complete_length};
    http::Fields lines = head.fields();
    lines.set("Content-Range", http::content_range(first.span, first.complete_length));
    const std::string secondary = secondary_key(head.vary_names, head.vary_values, first);
    const auto writer = store_.open_writer({fetch.key, fetch.hash, secondary, fetch.sequence}, 0);
    if (writer) {
        writer->body()->complete();
        writer->commit(policy::encode_stored_head(head.facts, lines, head.vary_names, head.vary_values));
    }
}

void HttpCache::forget_slices(std::string_view key, const store::KeyHash& hash, std::string_view validator) {
    store::Candidates found;
    look_everywhere_at_hand(key, hash, found);
    for (std::size_t i = 0; i < found.size(); ++i) {
        const StoredHead head = policy::view_stored_head(found[i]->metadata());
        if (is_manifest(*found[i]) && (validator.empty() || policy::strong_validator(head) == validator)) {
            store_.erase(found[i]);
        }
    }
}

} // namespace gatehouse::cache
