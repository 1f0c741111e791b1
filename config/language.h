// The whole YAML language as one table: every field's name, type, default, one sentence and what is accepted. Loading,
// the unknown-field messages, field_descriptions() and docs/CONFIGURATION.md all come from here; a new field is one
// entry in one of the language_*.cpp files.
#pragma once

#include "config/fields.h"

namespace gatehouse::config {

const Record<Config>& language();

// The parts, by the file they stand in. language_origins.cpp:
const Record<Origin>& origin_fields();
// language_policies.cpp:
const Record<CachePolicy>& cache_policy_fields();
bool is_error_status(std::string_view text); // 404, 4xx
const Record<Behavior>& behavior_fields();
// language_shielding.cpp:
Field<CachePolicy> collapse_field();
Field<CachePolicy> jitter_field();
Field<CachePolicy> authorized_requests_field();
// language_conditions.cpp:
const Record<RequestConditions>& condition_fields();
// language_vary.cpp:
Field<CachePolicy> vary_field();
Field<CachePolicy> no_vary_search_field();
// language_headers.cpp:
Field<CachePolicy> override_field();
// language_origin_request.cpp:
const Record<OriginRequestRules>& origin_request_fields();
const Record<ForwardOnly>& forward_only_fields();
const Record<OriginRequestPolicy>& origin_request_policy_fields();
Field<Behavior> behavior_client_cache_control();
Field<Behavior> etag_field();
Field<Behavior> response_headers_policy_field();
const Record<ResponseHeadersPolicy>& response_headers_policy_fields();
// language_error_pages.cpp:
Field<Behavior> error_pages_field();
// language_tests.cpp:
const Record<RuleTest>& test_fields();
// language_server.cpp:
const Record<Listener>& listener_fields();
const Record<Admin>& admin_fields();
const Record<Cache>& cache_fields();
const Record<Dns>& dns_fields();
const Record<Limits>& limit_fields();
const Record<Timeouts>& timeout_fields();
const Record<AccessLog>& access_log_fields();

// Ranges that several parts share.
inline constexpr Milliseconds kOneHundredYears{3'153'600'000'000}; // what CloudFront accepts as a TTL
inline constexpr Milliseconds kOneDay{86'400'000};
inline constexpr DurationRange kLifetime{Milliseconds(0), kOneHundredYears};
inline constexpr DurationRange kWait{Milliseconds(1), kOneDay};         // a wait that must end
inline constexpr DurationRange kOptionalWait{Milliseconds(0), kOneDay}; // 0 has a meaning of its own
// Networks, as parse_cidr() writes them.
bool is_network(std::string_view text);
std::string plain_network(const std::string& text);
template <class T, class Get>
Field<T> networks(Name name, Get get) {
    static constexpr TextRule kNetwork{"a network such as 10.0.0.0/8, 2001:db8::/32 or 127.0.0.1", is_network,
                                       "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$"};
    Field<T> field = texts<T>(std::move(name), get, kNetwork);
    const auto read_as_written = field.read;
    field.read = [get, read_as_written](const Spot& spot, Findings& findings, T& out) {
        read_as_written(spot, findings, out);
        for (std::string& network : std::invoke(get, out)) network = plain_network(network);
    };
    return field;
}
inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

} // namespace gatehouse::config
