#include "config/cloudfront.h"

#include <algorithm>
#include <utility>

namespace gatehouse::config {
namespace {

using namespace std::chrono_literals;
using Mode = NameSelection::Mode;

constexpr Milliseconds kYear = 31'536'000s;

// Names and ids as AWS publishes them, under "Use managed cache policies".
constexpr std::pair<std::string_view, std::string_view> kIds[] = {
    {"658327ea-f89d-4fab-a63d-7e88639e58f6", "CachingOptimized"},
    {"b2884449-e4de-46a7-ac36-70bc7f1ddd6d", "CachingOptimizedForUncompressedObjects"},
    {"4135ea2d-6df8-44a3-9df3-4b5a84be39ad", kCachingDisabledPolicyName},
    {"83da9c7e-98b4-4e11-a168-04f0df8e2c65", "UseOriginCacheControlHeaders"},
    {"4cc15a8a-d715-48a4-82b8-cc0b614638fe", "UseOriginCacheControlHeaders-QueryStrings"},
    {"2e54312d-136d-493c-8eb9-b001f22f67d2", "Amplify"},
    {"08627262-05a9-4f76-9ded-b50ca2e3a84f", "Elemental-MediaPackage"},
};

struct Ttls {
    Milliseconds min, standard, max;
};

CachePolicy managed(std::string_view name, Ttls ttls, std::vector<std::string> encodings) {
    CachePolicy policy;
    policy.name = name;
    policy.cloudfront = true;
    policy.min_ttl = ttls.min;
    policy.default_ttl = ttls.standard;
    policy.max_ttl = ttls.max;
    policy.heuristic = false;
    policy.key.query_strings = {Mode::None, {}};
    policy.request_cache_control = RequestCacheControl::Ignore;
    policy.targeted_cache_control.clear();
    policy.no_vary_search = false;
    // What CloudFront always keeps, for its error caching minimum TTL.
    for (const int status : {404, 414, 500, 501, 502, 503, 504}) policy.error_ttl.by_status[status] = 10s;
    // It serves what it has, however old, while the origin answers 5xx or cannot be reached.
    policy.stale_if_error_statuses = {{}, {5}};
    policy.stale_if_error = kYear;
    if (!encodings.empty()) policy.key.headers = {Mode::Allow, {"Accept-Encoding"}};
    policy.normalize.accept_encoding = std::move(encodings);
    return policy;
}

void key_headers(CachePolicy& policy, std::vector<std::string> names) {
    policy.key.headers.mode = Mode::Allow;
    for (std::string& name : names) policy.key.headers.names.push_back(std::move(name));
}

CachePolicy origin_headers(std::string_view name, NameSelection query_strings) {
    CachePolicy policy = managed(name, {0s, 0s, kYear}, {"br", "gzip"});
    policy.key.query_strings = std::move(query_strings);
    policy.key.cookies = {Mode::All, {}};
    key_headers(policy, {"Origin", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"});
    return policy;
}

CachePolicy amplify() {
    CachePolicy policy = managed("Amplify", {2s, 2s, 600s}, {"br", "gzip"});
    policy.key.query_strings = {Mode::All, {}};
    policy.key.cookies = {Mode::All, {}};
    key_headers(policy, {"Authorization", "CloudFront-Viewer-Country"});
    policy.overrides.authorization = true; // each has its own stored responses
    return policy;
}

CachePolicy media_package() {
    CachePolicy policy = managed("Elemental-MediaPackage", {0s, 86'400s, kYear}, {"gzip"});
    policy.key.query_strings = {Mode::Allow, {"aws.manifestfilter", "start", "end", "m"}};
    key_headers(policy, {"Origin"});
    return policy;
}

} // namespace

std::vector<CachePolicy> cloudfront_policies() {
    std::vector<CachePolicy> out;
    out.push_back(managed("CachingOptimized", {1s, 86'400s, kYear}, {"br", "gzip"}));
    out.push_back(managed("CachingOptimizedForUncompressedObjects", {1s, 86'400s, kYear}, {}));
    out.push_back(origin_headers("UseOriginCacheControlHeaders", {Mode::None, {}}));
    out.push_back(origin_headers("UseOriginCacheControlHeaders-QueryStrings", {Mode::All, {}}));
    out.push_back(amplify());
    out.push_back(media_package());
    return out;
}

std::string policy_name_of(std::string_view written) {
    constexpr std::string_view kPrefix = "Managed-";
    std::string_view name = written;
    if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
    for (const auto& [id, known] : kIds) {
        if (name == known || written == id) return std::string(known);
    }
    return std::string(written);
}

} // namespace gatehouse::config
