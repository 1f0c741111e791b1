// No-Vary-Search (draft-ietf-httpbis-no-vary-search): which differences of queries mean nothing to a resource.
//
// What says so is stored under a key of its own for each rule and each query in its normal form. Such a key has a mark
// that no key of a request has, and in it the number under which the cache remembers the rule (cache/search_rules.h):
// what was stored by a rule is only ever found by requests that this rule makes equal, whatever the origin says today.
#pragma once

#include "cache/policy/cache_key.h"
#include "http/fields.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::cache::policy {

// The draft's "URL variation config", where it is not the default.
struct SearchRule {
    bool only_named = false;        // `names` are the parameters that matter; otherwise those that do not
    std::vector<std::string> names; // decoded, sorted, each once
    bool any_order = false;         // the order of parameters means nothing, but for those of one name
    bool operator==(const SearchRule&) const = default;
};

// LIMIT: of a field that is obeyed; a longer one counts as malformed.
inline constexpr std::size_t kMaxNoVarySearchBytes = 4096;

// nullopt: there is none, or one that says nothing, or one of which anything is not as it has to be.
std::optional<SearchRule> search_rule(const http::Fields& response);
// One text for all queries that are equal by the rule, and for no others. Normalising it again changes nothing.
std::string normal_query(std::string_view query, const SearchRule& rule);

// The key under which the response to what has this key is stored, by the rule of that number.
std::string key_by_rule(std::string_view key, const SearchRule& rule, std::uint64_t number);
// The number in a key that was made so; nullopt for others.
std::optional<std::uint64_t> rule_number(const KeyParts& key) noexcept;

} // namespace gatehouse::cache::policy
