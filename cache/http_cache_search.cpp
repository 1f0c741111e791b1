// No-Vary-Search: what cache/equal_queries.h promises, and the two members of HttpCache that belong to it.
#include "cache/equal_queries.h"

#include "cache/policy/no_vary_search.h"
#include "cache/policy/variant.h"

#include <set>
#include <utility>

namespace gatehouse::cache {

namespace {


bool is_by_rule(std::string_view key) noexcept { return policy::rule_number(policy::split_cache_key(key)).has_value(); }

std::optional<std::string> by_rule(const RequestContext& context, const std::optional<SearchRules::Known>& known) {
    return known ? std::optional(policy::key_by_rule(context.key, *known->rule, known->number)) : std::nullopt;
}

} // namespace

bool obeys_search_rules(const config::CachePolicy& policy) noexcept {
    return policy.no_vary_search && policy.range != config::RangeHandling::Slice;
}

std::optional<std::string> equal_key(SearchRules& rules, const RequestContext& context) {
    const bool may_have_one = !rules.empty() && obeys_search_rules(context.policy);
    return may_have_one ? by_rule(context, rules.find(context.key)) : std::nullopt;
}

std::optional<std::string> equal_key(const SearchRules& rules, const RequestContext& context) {
    return obeys_search_rules(context.policy) ? by_rule(context, rules.peek(context.key)) : std::nullopt;
}

RequestContext under_rule(const RequestContext& context, std::string_view key) {
    RequestContext by_rule = context;
    by_rule.exact_key = context.key;
    by_rule.key = key;
    by_rule.hash = store::hash_key(key);
    return by_rule;
}

std::vector<store::EntryRef> stored_for_query(store::Store& store, std::string_view key, const FetchRequest& sent) {
    store::Candidates found;
    store.lookup(store::hash_key(key), key, found);
    std::vector<store::EntryRef> matching;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const auto head = policy::view_stored_head(found[i]->metadata());
        if (policy::variant_matches(head.vary_names, head.vary_values, sent.request.fields,
                                    sent.policy.accept_language)) {
            matching.push_back(found[i]);
        }
    }
    return matching;
}

void drop_replaced(store::Store& store, const Fetch& fetch, const Intake& intake) {
    for (const store::EntryRef& entry : intake.replaced) {
        if (entry->sequence() < fetch.sequence) {
            store.erase(entry);
        }
    }
}

void check_rule(const Fetch& fetch, const store::Entry& entry) {
    const auto number = policy::rule_number(policy::split_cache_key(fetch.key));
    if (number && *number > fetch.sequence) {
        entry.checked_sequence().store(*number, std::memory_order_relaxed);
    }
}

bool changes_place(const store::Entry& entry, const http::Fields& update) {
    if (!update.contains("No-Vary-Search") || !is_by_rule(entry.key())) {
        return false;
    }
    return policy::search_rule(update) != policy::search_rule(policy::view_stored_head(entry.metadata()).fields());
}

std::optional<policy::SearchRule> rule_of_update(const Fetch& fetch, const FetchRequest& sent,
                                                 const store::Entry& entry, const http::Fields& update) {
    const bool may_teach = obeys_search_rules(sent.policy) && !fetch.slice && !is_by_rule(entry.key());
    return may_teach ? policy::search_rule(update) : std::nullopt;
}

bool has_same_query(const RequestContext& context, const Fetch& fetch) noexcept {
    const std::string_view own = context.exact_key.empty() ? context.key : context.exact_key;
    return own == fetch.own_key();
}

bool is_for_query(const RequestContext& context, const Fetch& fetch) {
    return !fetch.answer().other_place || has_same_query(context, fetch);
}

bool is_in_reach_of(const PurgeMatcher& matcher, std::string_view key) {
    if (matcher.matches(key)) {
        return true;
    }
    PurgeMatcher any = matcher;
    any.any_query = true;
    return !matcher.prefix && is_by_rule(key) && any.matches(key);
}

void HttpCache::place_by_rule(Fetch& fetch, const FetchRequest& sent, const http::Fields& kept, Answer& answer,
                              Intake& intake) {
    if (!obeys_search_rules(sent.policy)) {
        return;
    }
    const std::string exact(fetch.own_key());
    std::string place = exact;
    if (auto rule = policy::search_rule(kept)) {
        const std::uint64_t number = rules_.learn(exact, *rule, purges_);
        place = policy::key_by_rule(exact, *rule, number);
        intake.replaced = stored_for_query(store_, exact, sent);
    }
    if (place != fetch.key) {
        answer.other_place = !fetch.exact_key.empty();
        table_.move(fetch, std::move(place));
        fetch.exact_key = exact;
    }
}

// Recorded under the query itself first: a rule that is learnt after that has a larger number, and what was asked for
// before that number is looked for under the path (PurgeLog::kills).
std::uint64_t HttpCache::purge(PurgeMatcher matcher) {
    const std::uint64_t number = purges_.record(matcher);
    if (matcher.prefix || matcher.any_query) {
        return number;
    }
    const auto rules = rules_.of_path(matcher.path);
    if (!rules) { // so many are not gone through for one request
        matcher.any_query = true;
        return purges_.record(std::move(matcher));
    }
    const std::string query = std::exchange(matcher.query, std::string());
    std::set<std::string> equal{query};
    std::uint64_t newest = number;
    for (const auto& rule : *rules) {
        if (const auto [at, is_new] = equal.insert(policy::normal_query(query, *rule)); is_new) {
            matcher.query = *at;
            newest = purges_.record(matcher);
        }
    }
    return newest;
}

} // namespace gatehouse::cache
