// Looking at a key without touching it: what an operator asks a running proxy.
#include "cache/http_cache.h"

#include "cache/equal_queries.h"
#include "cache/inspection.h"
#include "cache/policy/no_vary_search.h"
#include "cache/policy/partial.h"
#include "cache/policy/variant.h"

#include <algorithm>
#include <utility>

namespace gatehouse::cache {

// The same choice as find() makes, but nothing is erased.
void HttpCache::add_candidates(const RequestContext& context, Inspection& inspection) const {
    store::Candidates found;
    store_.lookup(context.hash, context.key, found);
    std::vector<policy::StoredHead> heads;
    std::vector<std::size_t> index; // of each head among the candidates
    std::optional<std::size_t> part;
    for (std::size_t i = 0; i < found.size(); ++i) {
        StoredCandidate one;
        one.entry = found[i];
        one.head = policy::view_stored_head(found[i]->metadata());
        one.dead = is_dead(*found[i]);
        one.matches = policy::variant_matches(one.head.vary_names, one.head.vary_values, context.request.fields,
                                              context.policy.accept_language);
        const std::size_t at = inspection.candidates.size();
        if (!one.dead) {
            heads.push_back(one.head);
            index.push_back(at);
        }
        const bool answers_range =
            one.matches && !one.dead && one.head.facts.is_part && context.facts.range &&
            policy::assemble_part(context.request, one.head, found[i]->body_size(), context.now, 0).has_value();
        if (answers_range && (!part || one.head.facts.date > inspection.candidates[*part].head.facts.date)) {
            part = at;
        }
        inspection.candidates.push_back(std::move(one));
    }
    const auto selected = policy::select_variant(heads, context.request.fields, context.policy.accept_language);
    if (!inspection.chosen) {
        inspection.chosen = selected ? std::optional(index[*selected]) : part;
    }
}

namespace {

// Of such parts the whole can be made for the very query: a rule that makes others equal is of no use then.
bool is_usable_part(const StoredCandidate& one) {
    return one.matches && !one.dead && one.head.facts.is_part &&
           (policy::part_of(one.head) || one.entry->body_size() == 0);
}

} // namespace

// The same choice of a key as plan() makes.
Inspection HttpCache::inspect(const RequestContext& context) const {
    Inspection inspection;
    inspection.key = context.key;
    add_candidates(context, inspection);
    store::KeyHash hash = context.hash;
    const auto equal = inspection.chosen ? std::nullopt : equal_key(rules_, context);
    if (equal) {
        const auto& own = inspection.candidates;
        const bool has_parts = std::any_of(own.begin(), own.end(), is_usable_part);
        Inspection with_equal = inspection;
        RequestContext by_rule = context;
        by_rule.key = *equal;
        by_rule.hash = store::hash_key(*equal);
        add_candidates(by_rule, with_equal);
        if (with_equal.chosen || !has_parts) {
            inspection = std::move(with_equal);
            inspection.key = *equal;
            inspection.by_rule = true;
            hash = by_rule.hash;
        }
    }
    inspection.fetches = table_.count(inspection.key, hash);
    inspection.uncacheable = uncacheable_.until(hash, context.now);
    return inspection;
}

} // namespace gatehouse::cache
