// What HttpCache does where No-Vary-Search makes queries equal (http_cache_search.cpp has it all).
//
// A request is looked for under its own key first. Only where that finds nothing is asked whether the resource has a
// rule, and then it is looked for, and waits, under the key that all equal requests have. A response goes where its own
// rule says, whatever was thought when it was asked for: a fetch that was joined under another key answers the requests
// that are the same to the letter, and the others plan again.
#pragma once

#include "cache/http_cache.h"
#include "cache/search_rules.h"

#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::cache {

// Slices have keys made of that of the whole, and manifests that are looked for under it: they know no rules.
bool obeys_search_rules(const config::CachePolicy& policy) noexcept;
// The key by the rule that the resource is known to have. Of constant rules it does not count as a use.
std::optional<std::string> equal_key(SearchRules& rules, const RequestContext& context);
std::optional<std::string> equal_key(const SearchRules& rules, const RequestContext& context);
// The same request under such a key, which outlives what is returned.
RequestContext under_rule(const RequestContext& context, std::string_view key);

// What is stored for the query of this request itself, and matches it: it would be found first, as long as it is there.
std::vector<store::EntryRef> stored_for_query(store::Store& store, std::string_view key, const FetchRequest& sent);
void drop_replaced(store::Store& store, const Fetch& fetch, const Intake& intake);
// What taught its rule was asked for before that was known, and has just been found to be alive: no purge from before
// it concerns it any more.
void check_rule(const Fetch& fetch, const store::Entry& entry);

// Whether what a 304 or the answer to a HEAD says would leave the stored response under the key of a rule that is no
// longer its own.
bool changes_place(const store::Entry& entry, const http::Fields& update);
// The rule of what stays under its own key because a 304 confirmed it: the next that is fetched whole is stored by it.
std::optional<policy::SearchRule> rule_of_update(const Fetch& fetch, const FetchRequest& sent,
                                                 const store::Entry& entry, const http::Fields& update);
// Whether a fetch asks for the very query of this request.
bool has_same_query(const RequestContext& context, const Fetch& fetch) noexcept;
// Whether the answer of a fetch that was joined by a rule is one for the query of this request.
bool is_for_query(const RequestContext& context, const Fetch& fetch);
// Whether a walk has to look at the key: what is stored by a rule may have been purged by another query than its own.
bool is_in_reach_of(const PurgeMatcher& matcher, std::string_view key);

} // namespace gatehouse::cache
