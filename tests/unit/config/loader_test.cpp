// What a good file becomes: values, defaults, built-in policies, references.
#include "config/loader.h"
#include "config/text_file.h"
#include "tests/unit/config/full_yaml.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

using namespace gatehouse::config;
using namespace gatehouse::config::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

// A minimal file with more behind it.
std::string minimal_with(const std::string& more) {
    return "listeners: [{address: '127.0.0.1:0'}]\n"
           "origins: {api: {url: 'http://127.0.0.1:3000'}}\n"
           "behaviors: [{path_pattern: '*', origin: api}]\n" +
           more;
}

std::shared_ptr<const Config> load(const std::string& text) {
    LoadResult result = load_text(text, "test.yaml");
    for (const Problem& problem : result.problems) MESSAGE(problem.to_string());
    REQUIRE(result.config != nullptr);
    CHECK(result.problems.empty());
    return result.config;
}

std::shared_ptr<const Config> load_example(const std::string& name) {
    const LoadResult result = load_file(std::string(GATEHOUSE_SOURCE_DIR) + "/conf/" + name);
    for (const Problem& problem : result.problems) MESSAGE(problem.to_string());
    REQUIRE(result.config != nullptr);
    return result.config;
}

} // namespace

TEST_CASE("conf/minimal.yaml: everything else has its default") {
    const auto config = load_example("minimal.yaml");
    const Config fresh;
    CHECK(config->workers == 0);
    CHECK_FALSE(config->admin.address.has_value());
    CHECK(config->limits.head_bytes == fresh.limits.head_bytes);
    CHECK(config->timeouts.shutdown == fresh.timeouts.shutdown);
    CHECK(config->access_log.enabled);
    REQUIRE(config->behaviors.size() == 1);
    const Behavior& behavior = config->behaviors.front();
    REQUIRE(behavior.origin_ref != nullptr);
    REQUIRE(behavior.policy_ref != nullptr);
    CHECK(behavior.origin_ref == &config->origins.at("api"));
    CHECK(behavior.policy_ref->name == kRfc9111PolicyName);
    CHECK(behavior.place.line == 10);
    CHECK(behavior.place.column == 5);
}

TEST_CASE("conf/full.yaml holds what a fresh Config holds") {
    const auto config = load_example("full.yaml");
    const Config fresh;
    CHECK(config->limits.head_bytes == fresh.limits.head_bytes);
    CHECK(config->limits.target_bytes == fresh.limits.target_bytes);
    CHECK(config->limits.head_fields == fresh.limits.head_fields);
    CHECK(config->limits.response_head_bytes == fresh.limits.response_head_bytes);
    CHECK(config->limits.response_head_fields == fresh.limits.response_head_fields);
    CHECK(config->limits.connections == fresh.limits.connections);
    CHECK(config->limits.drain_bytes == fresh.limits.drain_bytes);
    CHECK(config->limits.unsent_bytes == fresh.limits.unsent_bytes);
    CHECK(config->limits.replay_bytes == fresh.limits.replay_bytes);
    CHECK(config->limits.waiters_per_fetch == fresh.limits.waiters_per_fetch);
    CHECK(config->limits.interim_responses == fresh.limits.interim_responses);
    CHECK(config->timeouts.header == fresh.timeouts.header);
    CHECK(config->timeouts.idle == fresh.timeouts.idle);
    CHECK(config->timeouts.body == fresh.timeouts.body);
    CHECK(config->timeouts.send == fresh.timeouts.send);
    CHECK(config->timeouts.tunnel_idle == fresh.timeouts.tunnel_idle);
    CHECK(config->timeouts.slow_reader == fresh.timeouts.slow_reader);
    CHECK(config->timeouts.expect_continue == fresh.timeouts.expect_continue);
    CHECK(config->timeouts.shutdown == fresh.timeouts.shutdown);
    CHECK(config->timeouts.uncacheable_memory == fresh.timeouts.uncacheable_memory);
    CHECK(config->dns.max_ttl == fresh.dns.max_ttl);
    CHECK(config->dns.stale == fresh.dns.stale);
    const CachePolicy& catalogue = config->cache_policies.at("catalogue");
    CHECK(catalogue.default_ttl == 60s);
    CHECK(catalogue.max_ttl == 1h);
    CHECK(catalogue.stale_if_error == 24h);
    CHECK(catalogue.error_ttl.find(404) == 10s);
    CHECK(catalogue.error_ttl.find(503) == 1s);
    CHECK_FALSE(catalogue.error_ttl.find(403).has_value());
    CHECK_FALSE(catalogue.heuristic); // default_ttl takes its place
    CHECK(config->listeners.at(2).address.kind == Address::Kind::Unix);
}

TEST_CASE("conf/api-gateway.yaml: origin, stage and policies") {
    const auto config = load_example("api-gateway.yaml");
    const Origin& api = config->origins.at("api");
    CHECK(api.tls);
    CHECK(api.host == "abc123.execute-api.eu-west-1.amazonaws.com");
    CHECK(api.port == 443);
    CHECK(api.authority == "abc123.execute-api.eu-west-1.amazonaws.com");
    CHECK(api.path == "/prod");
    const KeyRules& key = config->cache_policies.at("catalogue").key;
    CHECK(key.query_strings.mode == NameSelection::Mode::Allow);
    CHECK(key.query_strings.names == std::vector<std::string>{"page", "q"});
    CHECK(key.headers.mode == NameSelection::Mode::Allow);
    CHECK(key.cookies.mode == NameSelection::Mode::None);
    CHECK(config->behaviors.at(2).policy_ref->disabled);
    CHECK(config->trusted_proxies == std::vector<std::string>{"10.0.0.0/8"});
}

TEST_CASE("conf/sample.yaml has the addresses that the run script replaces") {
    const auto config = load_example("sample.yaml");
    CHECK(config->listeners.at(0).address.text == "127.0.0.1:8080");
    CHECK(config->admin.address->text == "127.0.0.1:9180");
    CHECK(config->origins.at("sample").url == "http://127.0.0.1:3333");
    CHECK(config->origins.at("sample").port == 3333);
    CHECK(config->behaviors.at(0).policy_ref->max_ttl == 5s);
    CHECK(config->behaviors.at(0).policy_ref->stale_if_error == 1min);
}

TEST_CASE("vary: the names that do not count, in lower case, sorted, each once") {
    const auto policies = load(minimal_with("cache_policies: {a: {vary: honor}, b: {vary: ignore}, c: {vary: {ignore: "
                                            "[User-Agent, ORIGIN, origin]}}, d: {vary: {ignore: []}}}\n"))
                              ->cache_policies;
    CHECK_FALSE(policies.at("a").vary.any());
    CHECK(policies.at("b").vary.ignore_all);
    CHECK_FALSE(policies.at("c").vary.ignore_all);
    CHECK(policies.at("c").vary.ignored == std::vector<std::string>{"origin", "user-agent"});
    CHECK_FALSE(policies.at("d").vary.any());
}

TEST_CASE("The built-in policies forward everything, own ones refuse cookies") {
    const auto config = load(minimal_with("cache_policies: {own: }\n"));
    const CachePolicy& rfc = config->cache_policies.at(kRfc9111PolicyName);
    CHECK(rfc.forward_everything);
    CHECK_FALSE(rfc.disabled);
    CHECK_FALSE(rfc.refuse_set_cookie);
    CHECK(rfc.heuristic);
    CHECK(rfc.min_ttl == 0ms);
    CHECK_FALSE(rfc.default_ttl.has_value());
    CHECK_FALSE(rfc.max_ttl.has_value());
    CHECK(rfc.key.query_strings.mode == NameSelection::Mode::All);
    CHECK(rfc.key.cookies.mode == NameSelection::Mode::None);
    const CachePolicy& disabled = config->cache_policies.at(kCachingDisabledPolicyName);
    CHECK(disabled.disabled);
    CHECK(disabled.forward_everything);
    const CachePolicy& own = config->cache_policies.at("own");
    CHECK(own.name == "own");
    CHECK_FALSE(own.forward_everything);
    CHECK(own.refuse_set_cookie);
    CHECK(own.key.cookies.mode == NameSelection::Mode::None);
    CHECK(own.place.line == 4);
}

TEST_CASE("The sizes of the memory store follow from each other") {
    struct Row {
        const char* memory;
        std::uint64_t object;
        std::uint64_t relay;
    };
    const Row rows[] = {
        {"{size: 1MiB}", kMiB / 4, kMiB / 8},
        {"{size: 31MiB}", 31 * kMiB / 4, 31 * kMiB / 8},
        {"{size: 32MiB}", 8 * kMiB, 4 * kMiB},
        {"{size: 33MiB}", 8 * kMiB, 33 * kMiB / 8},
        {"{size: 511MiB}", 8 * kMiB, 511 * kMiB / 8},
        {"{size: 512MiB}", 8 * kMiB, 64 * kMiB},
        {"{size: 513MiB}", 8 * kMiB, 64 * kMiB},
        {"{size: 1TiB}", 8 * kMiB, 64 * kMiB},
        {"{size: 1MiB, max_object_size: 1MiB, relay_buffers: 64KiB}", kMiB, 65'536},
    };
    for (const Row& row : rows) {
        CAPTURE(row.memory);
        const auto config = load(minimal_with(std::string("cache: {memory: ") + row.memory + "}\n"));
        CHECK(config->cache.memory.max_object_bytes == row.object);
        CHECK(config->cache.memory.relay_bytes == row.relay);
    }
    const auto config = load(minimal_with(""));
    CHECK(config->cache.memory.size_bytes >= kMiB);
    CHECK(config->cache.memory.size_bytes <= 1024 * kMiB);
}

TEST_CASE("The url gives scheme, host, port, authority and path") {
    struct Row {
        const char* url;
        bool tls;
        const char* host;
        int port;
        const char* authority;
        const char* path;
    };
    const Row rows[] = {
        {"http://127.0.0.1:3000", false, "127.0.0.1", 3000, "127.0.0.1:3000", ""},
        {"http://Example.com/", false, "example.com", 80, "example.com", ""},
        {"https://example.com:443/prod/", true, "example.com", 443, "example.com", "/prod"},
        {"https://example.com:8443/a/b", true, "example.com", 8443, "example.com:8443", "/a/b"},
        {"http://[::1]:3000", false, "::1", 3000, "[::1]:3000", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.url);
        std::string text = minimal_with("");
        text.replace(text.find("http://127.0.0.1:3000"), 21, row.url);
        const auto config = load(text);
        const Origin& origin = config->origins.at("api");
        CHECK(origin.url == row.url);
        CHECK(origin.tls == row.tls);
        CHECK(origin.host == row.host);
        CHECK(origin.port == row.port);
        CHECK(origin.authority == row.authority);
        CHECK(origin.path == row.path);
    }
}

TEST_CASE("Every spelling of a selection") {
    using Mode = NameSelection::Mode;
    const auto config = load(minimal_with(R"(cache_policies:
  a: {key: {query_strings: none, headers: none, cookies: all, host: any}}
  b: {key: {query_strings: {except: ['utm_*']}, headers: {allow: [Accept]}, cookies: {except: [sid]}, host: viewer}}
  c: {key: {query_strings: all, headers: [], cookies: {allow: []}}}
)"));
    const KeyRules& a = config->cache_policies.at("a").key;
    CHECK(a.query_strings.mode == Mode::None);
    CHECK(a.headers.mode == Mode::None);
    CHECK(a.cookies.mode == Mode::All);
    CHECK(a.any_host);
    const KeyRules& b = config->cache_policies.at("b").key;
    CHECK(b.query_strings.mode == Mode::Except);
    CHECK(b.query_strings.names == std::vector<std::string>{"utm_*"});
    CHECK(b.headers.mode == Mode::Allow);
    CHECK(b.headers.names == std::vector<std::string>{"Accept"});
    CHECK(b.cookies.mode == Mode::Except);
    CHECK_FALSE(b.any_host);
    const KeyRules& c = config->cache_policies.at("c").key;
    CHECK(c.headers.mode == Mode::Allow);
    CHECK(c.headers.names.empty());
    CHECK(c.cookies.mode == Mode::Allow);
}

TEST_CASE("Cache-Status shows no key unless a behavior says so") {
    const auto config = load("listeners: [{address: '127.0.0.1:0'}]\norigins: {api: {url: 'http://127.0.0.1:1'}}\n"
                             "behaviors:\n  - {path_pattern: /a, origin: api, cache_status_key: true}\n"
                             "  - {path_pattern: '*', origin: api}\n");
    CHECK(config->behaviors.at(0).cache_status_key);
    CHECK_FALSE(config->behaviors.at(1).cache_status_key);
}

TEST_CASE("Targeted fields go to clients unless a policy removes them") {
    const auto config =
        load(minimal_with("cache_policies:\n  silent: {}\n  keeps: {targeted_cache_control_to_clients: keep}\n"
                          "  removes: {targeted_cache_control_to_clients: remove}\n"));
    CHECK_FALSE(config->cache_policies.at(kRfc9111PolicyName).withhold_targeted_cache_control);
    CHECK_FALSE(config->cache_policies.at("silent").withhold_targeted_cache_control);
    CHECK_FALSE(config->cache_policies.at("keeps").withhold_targeted_cache_control);
    CHECK(config->cache_policies.at("removes").withhold_targeted_cache_control);
}

TEST_CASE("What is done with a range that is not stored") {
    CHECK(load(minimal_with(""))->behaviors.front().policy_ref->range == RangeHandling::Auto);
    const auto own = [](const std::string& value) {
        return load(minimal_with("cache_policies: {p: {range: " + value + "}}\n"))->cache_policies.at("p").range;
    };
    CHECK(own("auto") == RangeHandling::Auto);
    CHECK(own("pass") == RangeHandling::Pass);
    CHECK(own("fill") == RangeHandling::Fill);
    CHECK(own("{slice: 64KiB}") == RangeHandling::Slice);
    CHECK(load(minimal_with("cache_policies: {p: {range: {slice: 64KiB}}}\n"))->cache_policies.at("p").slice_bytes ==
          64 * 1024);
}

TEST_CASE("Which methods are answered from the cache, and up to which size content is keyed") {
    const auto plain = load(minimal_with(""));
    CHECK(plain->behaviors.front().cached_methods == std::vector<std::string>{"GET", "HEAD"});
    CHECK_FALSE(plain->behaviors.front().caches_post);
    CHECK_FALSE(plain->behaviors.front().caches_options);
    CHECK(plain->behaviors.front().policy_ref->key.max_body_bytes == 64 * 1024);
    const auto config = load(R"(listeners: [{address: '127.0.0.1:8080'}]
origins: {api: {url: 'https://api.example'}}
cache_policies: {p: {key: {max_body_size: 1MiB}}}
behaviors:
- {path_pattern: /search, origin: api, cache_policy: p, cached_methods: [GET, HEAD, POST], allowed_methods: [HEAD, POST, GET]}
- {path_pattern: /cors, origin: api, cached_methods: [OPTIONS, GET, HEAD]}
- {path_pattern: /none, origin: api, cached_methods: [GET, HEAD, POST, OPTIONS], cache_policy: CachingDisabled}
)");
    CHECK(config->behaviors[0].caches_post);
    CHECK_FALSE(config->behaviors[0].caches_options);
    CHECK(config->behaviors[0].policy_ref->key.max_body_bytes == 1024 * 1024);
    CHECK_FALSE(config->behaviors[1].caches_post);
    CHECK(config->behaviors[1].caches_options);
    // What is never stored is not declared safe either.
    CHECK_FALSE(config->behaviors[2].caches_post);
    CHECK_FALSE(config->behaviors[2].caches_options);
}

TEST_CASE("Small spellings: off, workers, shutdown_timeout, set_cookie, host") {
    CHECK_FALSE(load(minimal_with("access_log: off\n"))->access_log.enabled);
    CHECK_FALSE(load(minimal_with("access_log: {enabled: false}\n"))->access_log.enabled);
    CHECK_FALSE(load(minimal_with("access_log: {enabled: off}\n"))->access_log.enabled);
    CHECK(load(minimal_with("access_log: {enabled: on}\n"))->access_log.enabled);
    CHECK(load(minimal_with("workers: 4\n"))->workers == 4);
    CHECK(load(minimal_with("workers: \"4\"\n"))->workers == 4);
    CHECK(load(minimal_with("shutdown_timeout: 5s\n"))->timeouts.shutdown == 5s);
    CHECK(load(minimal_with("timeouts: {shutdown: 5s}\n"))->timeouts.shutdown == 5s);
    CHECK_FALSE(
        load(minimal_with("cache_policies: {p: {set_cookie: honor}}\n"))->cache_policies.at("p").refuse_set_cookie);
    CHECK(load(minimal_with("trusted_proxies: [10.1.2.3/8, '::1']\n"))->trusted_proxies ==
          std::vector<std::string>{"10.0.0.0/8", "::1/128"});
    CHECK(load(minimal_with("admin: {address: '127.0.0.1:0'}\n"))->admin.address->port == 0);
    CHECK(load(minimal_with("cache_policies:\n#  p: {}\ndns:\nlimits: {}\n"))->limits.head_fields == 128);
}

TEST_CASE("Relative paths start at the directory of the file") {
    const std::string text = minimal_with("access_log: {path: log/access.json}\n");
    const LoadResult result = load_text(text, "/etc/gatehouse/gatehouse.yaml");
    REQUIRE(result.config != nullptr);
    CHECK(result.config->access_log.path == "/etc/gatehouse/log/access.json");
    CHECK(load(minimal_with("access_log: {path: a.json}\n"))->access_log.path == "a.json");
    CHECK(load(minimal_with(""))->access_log.path == "-");
    CHECK(load(minimal_with("cache: {disk: {path: store}}\n"))->cache.disk.path == "store");
}

TEST_CASE("Anchors, aliases and merges") {
    const auto config = load(minimal_with(R"(cache_policies:
  base: &base {max_ttl: 1h, min_ttl: 1s, stale_if_error: 1d}
  same: *base
  other:
    <<: *base
    max_ttl: 2h
  both:
    <<: [{ttl: 5s, min_ttl: 3s}, *base]
)"));
    CHECK(config->cache_policies.at("same").max_ttl == 1h);
    CHECK(config->cache_policies.at("other").max_ttl == 2h);
    CHECK(config->cache_policies.at("other").min_ttl == 1s);
    CHECK(config->cache_policies.at("other").stale_if_error == 24h);
    CHECK(config->cache_policies.at("both").min_ttl == 3s);
    CHECK(config->cache_policies.at("both").ttl == 5s);
    CHECK(config->cache_policies.at("both").max_ttl == 1h);
}

TEST_CASE("Line ends of other systems and a byte order mark change nothing") {
    std::string text = read_whole_file(full_yaml_path());
    std::string crlf = "\xEF\xBB\xBF";
    for (const char c : text) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
    const LoadResult result = load_text(crlf, full_yaml_path());
    REQUIRE(result.config != nullptr);
    CHECK(result.config->behaviors.at(0).place.line ==
          load_text(text, full_yaml_path()).config->behaviors.at(0).place.line);
}

TEST_CASE("StatusDurations: the exact status wins over its class") {
    StatusDurations durations;
    CHECK(durations.empty());
    durations.by_class[5] = 1s;
    durations.by_status[503] = 2s;
    CHECK_FALSE(durations.empty());
    CHECK(durations.find(502) == 1s);
    CHECK(durations.find(503) == 2s);
    CHECK(durations.find(504) == 1s);
    CHECK_FALSE(durations.find(404).has_value());
}

TEST_CASE("A pipe that nobody writes into keeps nobody waiting") {
    const std::string path = "/tmp/gatehouse-pipe-" + std::to_string(::getpid());
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const LoadResult main_file = load_file(path);
    const LoadResult included = load_text("include: [" + path + "]\n", "a.yaml");
    CHECK_FALSE(is_readable_file(path));
    ::unlink(path.c_str());
    REQUIRE(main_file.problems.size() == 1);
    CHECK(main_file.problems.front().message.starts_with("the file is empty"));
    CHECK_FALSE(included.problems.empty());
}

TEST_CASE("a disk store has defaults that fit memory and its segments; without a path there is none") {
    CHECK(load(minimal_with(""))->cache.disk.path.empty());
    const auto config = load(minimal_with("cache: {disk: {path: /srv/cache}}\n"));
    const DiskCache& disk = config->cache.disk;
    CHECK(disk.path == "/srv/cache");
    CHECK(disk.size_bytes == 10 * 1024 * kMiB);
    CHECK(disk.segment_bytes == 64 * kMiB);
    CHECK(disk.max_object_bytes == 1024 * kMiB);
    CHECK(disk.write_bytes_per_second == 0);
    CHECK_FALSE(disk.verify_always);
    CHECK(disk.io == DiskCache::Io::Auto);
    CHECK(disk.pin_timeout == Milliseconds(60'000));
    const auto small = load(
        minimal_with("cache: {disk: {path: a, size: 4MiB, segment_size: 1MiB, verify: always, write_budget: 20MiB, "
                     "io: threads, pin_timeout: 2s}}\n"));
    CHECK(small->cache.disk.max_object_bytes == kMiB / 2);
    CHECK(small->cache.disk.write_bytes_per_second == 20 * kMiB);
    CHECK(small->cache.disk.verify_always);
    CHECK(small->cache.disk.io == DiskCache::Io::Threads);
    CHECK(small->cache.disk.pin_timeout == Milliseconds(2'000));
}
