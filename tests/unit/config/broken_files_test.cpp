// Files with one mistake each, the way people make them, and the one message that each gets.
#include "config/loader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace gatehouse::config;

namespace {

struct BrokenRow {
    std::string name;
    std::string text;
    int line;
    int column;
    std::string path;
    std::string message; // the start of it
};

const std::string kListeners = "listeners: [{address: '127.0.0.1:0'}]\n";         // line 1
const std::string kOrigins = "origins: {api: {url: 'http://127.0.0.1:3000'}}\n";  // line 2
const std::string kBehaviors = "behaviors: [{path_pattern: '*', origin: api}]\n"; // line 3
const std::string kMinimal = kListeners + kOrigins + kBehaviors;

const BrokenRow kBroken[] = {
    // The file as a whole.
    {"empty file", "", 1, 1, "", "the file is empty"},
    {"only a comment", "# nothing\n", 1, 1, "", "the file is empty"},
    {"empty document", "---\n", 1, 1, "", "the file is empty"},
    {"binary file",
     std::string("\x7f"
                 "ELF\x02\x01\x01\0",
                 8),
     1, 1, "", "the file is not UTF-8 text"},
    {"NUL byte", "workers: 1\nabc" + std::string(1, '\0') + "\n", 2, 4, "", "the file is not UTF-8 text"},
    {"Latin-1", kMinimal + "# caf\xE9\n", 4, 6, "", "the file is not UTF-8 text"},
    {"overlong UTF-8", "# \xC0\xAF\n", 1, 3, "", "the file is not UTF-8 text"},
    {"UTF-16",
     std::string("\xFF\xFE"
                 "a\0",
                 4),
     1, 1, "", "the file is not UTF-8 text"},
    {"a list at the top", "- a\n- b\n", 1, 1, "",
     "expected fields such as listeners, origins and behaviors; found a list"},
    {"a word at the top", "hello\n", 1, 1, "",
     "expected fields such as listeners, origins and behaviors; found `hello`"},
    {"two documents", kMinimal + "---\nworkers: 1\n", 4, 1, "", "a second document begins here"},
    // YAML that is none.
    {"bad indentation", "listeners:\n  - address: x\n origins: y\n", 3, 2, "", "bad YAML: this line fits no level"},
    {"tab as indentation", "listeners:\n\t- address: x\n", 2, 2, "", "bad YAML: tabs cannot indent YAML"},
    {"missing bracket", "listeners: [{address: x}\norigins: y\n", 2, 1, "",
     "bad YAML: a `,` or the closing `]` is missing"},
    {"missing brace", "origins: {api: {url: x}\nbehaviors: y\n", 2, 1, "",
     "bad YAML: a `,` or the closing `}` is missing"},
    {"stray bracket", "workers: ]\n", 1, 10, "", "bad YAML: nothing is open that this bracket could close"},
    {"missing quote", "workers: \"4\nlisteners: 5\n", 1, 10, "", "the quote \" is never closed"},
    {"missing single quote", "workers: 'it''s\n", 1, 10, "", "the quote ' is never closed"},
    {"text behind a value", "workers: \"4\" 5\n", 1, 14, "", "bad YAML: nothing may follow here"},
    {"colon in a plain value", "workers: a: b\n", 1, 11, "", "bad YAML: `:` may not stand here"},
    {"star without quotes", kListeners + kOrigins + "behaviors:\n  - path_pattern: *\n", 4, 19, "",
     "bad YAML: `*` begins an alias; a pattern that starts with it must be quoted"},
    {"star and more without quotes", kListeners + kOrigins + "behaviors:\n  - path_pattern: *.jpg\n", 4, 19, "",
     "bad YAML: this alias has no anchor"},
    {"at sign", "workers: @a\n", 1, 10, "", "bad YAML: no value may begin with this character"},
    {"unknown escape", "workers: \"\\q\"\n", 1, 13, "", "bad YAML: unknown escape character"},
    {"own tag", "workers: !number 4\n", 1, 10, "", "the tag `!number` has no meaning here"},
    {"list as a name", "? [a]\n: b\n", 1, 3, "", "a field's name must be plain text"},
    {"no name", ": b\n", 1, 1, "", "a field's name must be plain text"},
    {"alias of itself", "workers: &a [*a]\n", 1, 14, "", "an alias inside the value that it stands for"},
    {"merge of a word", "<<: a\n", 1, 5, "", "`<<` merges a mapping or a list of mappings; found `a`"},
    // Fields.
    {"unknown field", kMinimal + "zz_qqqq: 1\n", 4, 1, "zz_qqqq",
     "unknown field; accepted here: include, listeners, admin"},
    {"unknown field with odd name", kMinimal + "\"a b\\n\": 1\n", 4, 1, "`a b\\n`", "unknown field"},
    {"mistyped field", "listener: [{address: '127.0.0.1:0'}]\n" + kOrigins + kBehaviors, 1, 1, "listener",
     "unknown field; did you mean listeners?"},
    {"mistyped field deep inside", kMinimal + "cache_policies:\n  catalogue:\n    max_tll: 1h\n", 6, 5,
     "cache_policies.catalogue.max_tll", "unknown field; did you mean max_ttl?"},
    {"duplicate key", kMinimal + "workers: 1\nworkers: 2\n", 5, 1, "workers",
     "duplicate field; it is already given on line 4"},
    {"wrong type", kMinimal + "cache_policies: {p: {min_ttl: [1s]}}\n", 4, 31, "cache_policies.p.min_ttl",
     "expected a duration such as 250ms, 10s, 1h30m; found a list"},
    {"word for duration", kMinimal + "cache_policies: {p: {min_ttl: abc}}\n", 4, 31, "cache_policies.p.min_ttl",
     "expected a duration such as 250ms, 10s, 1h30m; found `abc`"},
    {"duration without unit", kMinimal + "cache_policies: {p: {min_ttl: 10}}\n", 4, 31, "cache_policies.p.min_ttl",
     "expected a duration such as 250ms, 10s, 1h30m; found `10`; did you mean 10s?"},
    {"negative ttl", kMinimal + "cache_policies: {p: {min_ttl: -5s}}\n", 4, 31, "cache_policies.p.min_ttl",
     "expected a duration such as 250ms, 10s, 1h30m; found `-5s`"},
    {"huge ttl", kMinimal + "cache_policies: {p: {max_ttl: 99999999999999999999d}}\n", 4, 31,
     "cache_policies.p.max_ttl", "expected a duration"},
    {"huge number", kMinimal + "workers: 99999999999999999999999\n", 4, 10, "workers",
     "expected a whole number from 1 to 1024"},
    {"zero workers", kMinimal + "workers: 0\n", 4, 10, "workers", "expected a whole number from 1 to 1024; found `0`"},
    {"column after accented letters", kMinimal + "cache_policies: {\"\xC3\xA9\": {}}\n", 4, 18,
     "cache_policies.`\xC3\xA9`", "expected a name of letters"},
    {"column behind accented letters", kMinimal + "access_log: {path: \"\xC3\xA9\xC3\xA9\", enabled: maybe}\n", 4, 35,
     "access_log.enabled", "expected true or false"},
    {"wrong boolean", kMinimal + "access_log: {enabled: maybe}\n", 4, 23, "access_log.enabled",
     "expected true or false; found `maybe`"},
    {"wrong word", kMinimal + "cache_policies: {p: {set_cookie: refsue}}\n", 4, 34, "cache_policies.p.set_cookie",
     "expected refuse or honor; found `refsue`; did you mean refuse?"},
    {"mistyped range", kMinimal + "cache_policies: {p: {range: fil}}\n", 4, 29, "cache_policies.p.range",
     "expected auto, pass, fill or {slice: a size from 1KiB to 1GiB}; found `fil`; did you mean fill?"},
    {"slice below the least", kMinimal + "cache_policies: {p: {range: {slice: 1023}}}\n", 4, 37,
     "cache_policies.p.range.slice", "expected a size from 1KiB to 1GiB; found `1023`"},
    {"slice that the store does not take",
     kMinimal + "cache: {memory: {size: 8MiB, max_object_size: 1MiB}}\ncache_policies: {p: {range: {slice: 2MiB}}}\n", 5,
     29, "cache_policies.p.range", "slices of 2MiB are larger than cache.memory.max_object_size, which is 1MiB"},
    {"jitter without a unit", kMinimal + "cache_policies: {p: {jitter: 10}}\n", 4, 30, "cache_policies.p.jitter",
     "expected a percentage from 0% to 50%; found `10`"},
    {"too much jitter", kMinimal + "cache_policies: {p: {jitter: 51%}}\n", 4, 30, "cache_policies.p.jitter",
     "expected a percentage from 0% to 50%; found `51%`"},
    {"mistyped collapse", kMinimal + "cache_policies: {p: {collapse: never}}\n", 4, 32, "cache_policies.p.collapse",
     "expected on, off or {max_wait: 1ms to 1d}; found `never`"},
    {"no wait at all", kMinimal + "cache_policies: {p: {collapse: {max_wait: 0s}}}\n", 4, 43,
     "cache_policies.p.collapse.max_wait", "expected a duration from 1ms to 1d"},
    {"slow at once", kMinimal + "cache_policies: {p: {stale_if_slow: 0}}\n", 4, 37, "cache_policies.p.stale_if_slow",
     "expected a duration"},
    {"too eager", kMinimal + "cache_policies: {p: {refresh_ahead: 101}}\n", 4, 37, "cache_policies.p.refresh_ahead",
     "expected a whole number from 0 to 100; found `101`"},
    {"nobody is authorized", kMinimal + "cache_policies: {p: {request_cache_control: authorized}}\n", 4, 45,
     "cache_policies.p.request_cache_control", "authorized_requests has neither secrets nor networks"},
    {"authorized for nothing", kMinimal + "cache_policies: {p: {authorized_requests: {networks: [10.0.0.0/8]}}}\n", 4,
     43, "cache_policies.p.authorized_requests", "has no effect without request_cache_control: authorized"},
    {"refused for nothing", kMinimal + "cache_policies: {p: {authorized_requests: {otherwise: refuse}}}\n", 4, 43,
     "cache_policies.p.authorized_requests", "has no effect without request_cache_control: authorized"},
    {"field that means something",
     kMinimal + "cache_policies: {p: {request_cache_control: authorized, authorized_requests: {header: "
                "X-Forwarded-For}}}\n",
     4, 87, "cache_policies.p.authorized_requests.header",
     "expected a field name that begins with X- and has no other meaning; found `X-Forwarded-For`"},
    {"jitter with a zero too many", kMinimal + "cache_policies: {p: {jitter: 05%}}\n", 4, 30,
     "cache_policies.p.jitter", "expected a percentage from 0% to 50%; found `05%`"},
    {"preflights of nothing",
     kMinimal + "response_headers_policies: {h: {cors: {allow_origins: ['*'], preflights: answer}}}\n", 4, 74,
     "response_headers_policies.h.cors.preflights", "preflights are answered with allow_methods, which names none"},
    {"preflights of a status",
     kMinimal + "response_headers_policies: {h: {when: {status: [200]}, cors: {allow_origins: ['*'], allow_methods: "
                "[GET], preflights: answer}}}\n",
     4, 119, "response_headers_policies.h.cors.preflights",
     "the answer to a preflight has no content and a status of its own, so `when` has no meaning for it"},
    {"short secret",
     kMinimal + "cache_policies: {p: {request_cache_control: authorized, authorized_requests: {secrets: [abc]}}}\n", 4,
     89, "cache_policies.p.authorized_requests.secrets[0]",
     "expected a text of at least 16 printable characters without spaces; found a secret"},
    {"size below the least", kMinimal + "cache: {memory: {size: 1048575}}\n", 4, 24, "cache.memory.size",
     "expected a size from 1MiB to 16TiB; found `1048575`"},
    {"shards", kMinimal + "cache: {memory: {shards: 3}}\n", 4, 26, "cache.memory.shards",
     "expected a power of two from 1 to 256"},
    {"too many shards", kMinimal + "cache: {memory: {shards: 512}}\n", 4, 26, "cache.memory.shards",
     "expected a whole number from 1 to 256"},
    {"object larger than the store", kMinimal + "cache: {memory: {size: 1MiB, max_object_size: 2MiB}}\n", 4, 47,
     "cache.memory.max_object_size", "larger than cache.memory.size, which is 1MiB"},
    {"disk without a path", kMinimal + "cache: {disk: {size: 10GiB}}\n", 4, 15, "cache.disk",
     "missing required field path"},
    {"a path as the disk", kMinimal + "cache: {disk: /var/cache}\n", 4, 15, "cache.disk",
     "expected a mapping with path; found `/var/cache`"},
    {"disk of less than four segments", kMinimal + "cache: {disk: {path: a, size: 255MiB}}\n", 4, 31, "cache.disk.size",
     "less than 4 segments of 64MiB"},
    {"disk of more segments than there are numbers",
     kMinimal + "cache: {disk: {path: a, size: 2TiB, segment_size: 1MiB}}\n", 4, 31, "cache.disk.size",
     "more than 1048576 segments of 1MiB"},
    {"larger than a quarter of the disk", kMinimal + "cache: {disk: {path: a, max_object_size: 3GiB}}\n", 4, 42,
     "cache.disk.max_object_size", "larger than a quarter of cache.disk.size, which is 10GiB"},
    {"segments that are too large", kMinimal + "cache: {disk: {path: a, segment_size: 512MiB}}\n", 4, 39,
     "cache.disk.segment_size", "expected a size from 1MiB to 256MiB; found `512MiB`"},
    {"verify", kMinimal + "cache: {disk: {path: a, verify: never}}\n", 4, 33, "cache.disk.verify",
     "expected first_read or always; found `never`"},
    // Addresses.
    {"name as listener", "listeners: [{address: 'localhost:80'}]\n" + kOrigins + kBehaviors, 1, 23,
     "listeners[0].address", "expected an IP address and port"},
    {"relative socket", "listeners: [{address: 'unix:a'}]\n" + kOrigins + kBehaviors, 1, 23, "listeners[0].address",
     "expected an IP address and port"},
    {"listener twice", "listeners: [{address: '[::1]:80'}, {address: '[0::1]:80'}]\n" + kOrigins + kBehaviors, 1, 46,
     "listeners[1].address", "the same address as listeners[0].address"},
    {"admin on a listener",
     "listeners: [{address: '127.0.0.1:80'}]\n" + kOrigins + kBehaviors + "admin: {address: '127.0.0.1:80'}\n", 4, 18,
     "admin.address", "the same address as listeners[0].address"},
    {"listener without address", "listeners: [{}]\n" + kOrigins + kBehaviors, 1, 13, "listeners[0]",
     "missing required field address"},
    {"no listener", "listeners: []\n" + kOrigins + kBehaviors, 1, 12, "listeners", "at least one listener is needed"},
    {"network", kMinimal + "trusted_proxies: [10.0.0.0/8, 10.0.0.0/33]\n", 4, 31, "trusted_proxies[1]",
     "expected a network such as"},
    {"dns server", kMinimal + "dns: {servers: [ns.example.com]}\n", 4, 17, "dns.servers[0]",
     "expected an IP address with an optional port"},
    {"dns lifetimes", kMinimal + "dns: {min_ttl: 1h}\n", 4, 16, "dns.min_ttl",
     "min_ttl, which is 1h, is longer than max_ttl, which is 5m"},
    // Behaviors.
    {"an unknown origin request policy",
     kListeners + kOrigins + "behaviors: [{path_pattern: '*', origin: api, origin_request_policy: AllViewers}]\n", 3,
     69, "behaviors[0].origin_request_policy",
     "no origin request policy has the name `AllViewers`; did you mean AllViewer?"},
    {"fields said twice",
     kListeners + kOrigins +
         "behaviors: [{path_pattern: '*', origin: api, origin_request_policy: AllViewer, origin_request: {headers: "
         "none}}]\n",
     3, 106, "behaviors[0].origin_request.headers", "origin_request_policy says which fields the origin gets"},
    {"an own policy under a built-in name", kMinimal + "origin_request_policies: {AllViewer: {headers: none}}\n", 4, 27,
     "origin_request_policies.AllViewer", "a built-in policy has this name; choose another"},
    {"an origin request policy that sets what is the proxy's",
     kMinimal + "origin_request_policies: {own: {set: {Host: a}}}\n", 4, 39, "origin_request_policies.own.set.Host",
     "expected a field name that is not one of the proxy's own"},
    {"a page for a status that is no error",
     kListeners + kOrigins + "behaviors: [{path_pattern: '*', origin: api, error_pages: {302: {page: /a}}}]\n", 3, 60,
     "behaviors[0].error_pages.302", "expected a status from 400 to 599 without 412 and 416, 4xx or 5xx; found `302`"},
    {"a page for a condition that failed",
     kListeners + kOrigins + "behaviors: [{path_pattern: '*', origin: api, error_pages: {412: {page: /a}}}]\n", 3, 60,
     "behaviors[0].error_pages.412", "expected a status from 400 to 599 without 412 and 416"},
    {"an error without its page",
     kListeners + kOrigins + "behaviors: [{path_pattern: '*', origin: api, error_pages: {404: {status: 200}}}]\n", 3,
     65, "behaviors[0].error_pages.404", "missing required field page"},
    {"a page that is a word",
     kListeners + kOrigins + "behaviors: [{path_pattern: '*', origin: api, error_pages: {404: /index.html}}]\n", 3, 65,
     "behaviors[0].error_pages.404", "expected a mapping with page such as {page: /404.html}; found `/index.html`"},
    {"a page that is a URL",
     kListeners + kOrigins +
         "behaviors: [{path_pattern: '*', origin: api, error_pages: {404: {page: 'http://a/b'}}}]\n",
     3, 72, "behaviors[0].error_pages.404.page",
     "expected a path such as /index.html, with its query where it has one; what is not ASCII, and spaces, "
     "percent-encoded such as /a%20b.html; found"},
    {"a page with a letter that is not ASCII",
     kListeners + kOrigins +
         "behaviors: [{path_pattern: '*', origin: api, error_pages: {404: {page: /gr\xC3\xB6n}}}]\n",
     3, 72, "behaviors[0].error_pages.404.page",
     "expected a path such as /index.html, with its query where it has one; what is not ASCII, and spaces, "
     "percent-encoded such as /a%20b.html; found `/gr\xC3\xB6n`"},
    {"a page with a space",
     kListeners + kOrigins + "behaviors: [{path_pattern: '*', origin: api, error_pages: {404: {page: /a b}}}]\n", 3, 72,
     "behaviors[0].error_pages.404.page",
     "expected a path such as /index.html, with its query where it has one; what is not ASCII, and spaces, "
     "percent-encoded such as /a%20b.html; found `/a b`"},
    {"a page above the root",
     kListeners + kOrigins + "behaviors: [{path_pattern: '*', origin: api, error_pages: {404: {page: /../a}}}]\n", 3,
     72, "behaviors[0].error_pages.404.page", "expected a path such as /index.html"},
    {"a page that redirects",
     kListeners + kOrigins +
         "behaviors: [{path_pattern: '*', origin: api, error_pages: {5xx: {page: /a, status: 302}}}]\n",
     3, 84, "behaviors[0].error_pages.5xx.status", "expected 200, or 400 to 599 without 412 and 416; found `302`"},
    {"a page with a status that is none of an answer",
     kListeners + kOrigins +
         "behaviors: [{path_pattern: '*', origin: api, error_pages: {5xx: {page: /a, status: 199}}}]\n",
     3, 84, "behaviors[0].error_pages.5xx.status", "expected 200, or 400 to 599 without 412 and 416; found `199`"},
    {"a page with a status beyond all",
     kListeners + kOrigins +
         "behaviors: [{path_pattern: '*', origin: api, error_pages: {5xx: {page: /a, status: 600}}}]\n",
     3, 84, "behaviors[0].error_pages.5xx.status", "expected 200, or 400 to 599 without 412 and 416; found `600`"},
    {"a page with an unknown field",
     kListeners + kOrigins +
         "behaviors: [{path_pattern: '*', origin: api, error_pages: {5xx: {page: /a, stats: 200}}}]\n",
     3, 76, "behaviors[0].error_pages.5xx.stats", "unknown field; did you mean status?"},
    {"a page that no behavior is for",
     kListeners + kOrigins +
         "behaviors: [{path_pattern: /api/*, origin: api, error_pages: {404: {page: /404.html}}}]\n",
     3, 75, "behaviors[0].error_pages.404.page", "no behavior is for the path of this page"},
    {"shared with another policy",
     kListeners + kOrigins +
         "behaviors:\n- {path_pattern: /a, origin: api, share: s}\n"
         "- {path_pattern: /b, origin: api, share: s, cache_policy: CachingDisabled}\n",
     5, 42, "behaviors[1].share", "behaviors[0] has the same name and another origin or cache policy"},
    {"unknown method",
     kListeners + kOrigins + "behaviors:\n- {path_pattern: /a, origin: api, allowed_methods: [GET, get]}\n", 4, 58,
     "behaviors[0].allowed_methods[1]", "expected GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS; found `get`"},
    {"a method that is never cached",
     kListeners + kOrigins + "behaviors:\n- {path_pattern: /a, origin: api, cached_methods: [GET, HEAD, PUT]}\n", 4, 63,
     "behaviors[0].cached_methods[2]", "expected GET, HEAD, POST or OPTIONS; found `PUT`"},
    {"cached methods without HEAD",
     kListeners + kOrigins + "behaviors:\n- {path_pattern: /a, origin: api, cached_methods: [GET, POST]}\n", 4, 51,
     "behaviors[0].cached_methods", "without HEAD; GET and HEAD are always cached, write [GET, HEAD, POST]"},
    {"no cached methods", kListeners + kOrigins + "behaviors:\n- {path_pattern: /a, origin: api, cached_methods: []}\n",
     4, 51, "behaviors[0].cached_methods", "without GET; GET and HEAD are always cached"},
    {"a cached method that is not allowed",
     kListeners + kOrigins +
         "behaviors:\n- {path_pattern: /a, origin: api, allowed_methods: [GET, HEAD], "
         "cached_methods: [GET, HEAD, OPTIONS]}\n",
     4, 81, "behaviors[0].cached_methods", "OPTIONS is not among allowed_methods: it is answered with 405"},
    {"keyed content of a size that is too large", kMinimal + "cache_policies: {p: {key: {max_body_size: 1025KiB}}}\n",
     4, 43, "cache_policies.p.key.max_body_size", "expected a size from 1B to 1MiB; found `1025KiB`"},
    {"condition on no field",
     kListeners + kOrigins + "behaviors:\n- {path_pattern: /a, origin: api, when: {headers: {X Y: a}}}\n", 4, 52,
     "behaviors[0].when.headers.`X Y`", "expected a field name; found `X Y`"},
    {"host with capitals",
     kListeners + kOrigins + "behaviors:\n- {path_pattern: /a, origin: api, when: {hosts: [A.example]}}\n", 4, 50,
     "behaviors[0].when.hosts[0]", "expected a host in lower case"},
    {"status of success", kMinimal + "cache_policies: {p: {stale_if_error_statuses: [503, 200]}}\n", 4, 53,
     "cache_policies.p.stale_if_error_statuses[1]", "expected a status from 400 to 599, 4xx or 5xx; found `200`"},
    {"a managed policy's name", kMinimal + "cache_policies: {CachingOptimized: {ttl: 1s}}\n", 4, 18,
     "cache_policies.CachingOptimized", "a built-in policy has this name; choose another"},
    {"a field of the proxy's own",
     kListeners + kOrigins + "behaviors:\n- {path_pattern: /a, origin: api, origin_request: {set: {Host: a}}}\n", 4, 58,
     "behaviors[0].origin_request.set.Host", "expected a field name that is not one of the proxy's own"},
    {"a template with an unknown name",
     kListeners + kOrigins + "behaviors:\n- {path_pattern: /a, origin: api, origin_request: {set: {X-A: '{ip}'}}}\n", 4,
     63, "behaviors[0].origin_request.set.X-A", "expected a value of one line, in which {client_ip}"},
    {"removes what frames a message",
     kListeners + kOrigins + "behaviors:\n- {path_pattern: /a, origin: api, origin_request: {remove: [Upgrade]}}\n", 4,
     61, "behaviors[0].origin_request.remove[0]", "expected a field name that is not one of the proxy's own"},
    // Tests.
    {"test without request", kMinimal + "tests:\n- {name: nothing}\n", 5, 3, "tests[0]",
     "has neither a request nor steps"},
    {"test with both", kMinimal + "tests:\n- {name: a, request: {url: /}, steps: [{request: {url: /}}]}\n", 5, 3,
     "tests[0]", "has a request and steps; keep one of them"},
    {"expectation beside steps",
     kMinimal + "tests:\n- {name: a, steps: [{request: {url: /}}], expect: {status: 500}}\n", 5, 51, "tests[0].expect",
     "has no effect beside steps; each of them has its own"},
    {"control character in a test", kMinimal + "tests:\n- {name: a, request: {url: /, headers: {A: \"b\\x7f\"}}}\n", 5,
     44, "tests[0].request.headers.A", "expected a field value of one line"},
    {"test without name", kMinimal + "tests:\n- {request: {url: /}}\n", 5, 3, "tests[0]",
     "missing required field name"},
    {"test without url", kMinimal + "tests:\n- {name: a, request: {method: GET}}\n", 5, 22, "tests[0].request",
     "missing required field url"},
    {"step without request", kMinimal + "tests:\n- {name: a, steps: [{after: 1s}]}\n", 5, 21, "tests[0].steps[0]",
     "missing required field request"},
    {"test of a word for a url", kMinimal + "tests:\n- {name: a, request: {url: index.html}}\n", 5, 28,
     "tests[0].request.url", "expected a path such as /v1/items?page=2, or a URL; found `index.html`"},
    {"no error of an origin", kMinimal + "tests:\n- {name: a, request: {url: /}, response: {error: bad_request}}\n", 5,
     50, "tests[0].response.error", "expected an error of an origin"},
    // Origins.
    {"ftp", kListeners + "origins: {api: {url: 'ftp://a'}}\n" + kBehaviors, 2, 22, "origins.api.url",
     "expected a URL such as"},
    {"no host", kListeners + "origins: {api: {url: 'http:///a'}}\n" + kBehaviors, 2, 22, "origins.api.url",
     "expected a URL such as"},
    {"no scheme", kListeners + "origins: {api: {url: 'example.com'}}\n" + kBehaviors, 2, 22, "origins.api.url",
     "expected a URL such as"},
    {"user name in url", kListeners + "origins: {api: {url: 'http://u:p@a/'}}\n" + kBehaviors, 2, 22, "origins.api.url",
     "an origin's url has no user name or password (`@`)"},
    {"query in url", kListeners + "origins: {api: {url: 'http://a/?b'}}\n" + kBehaviors, 2, 22, "origins.api.url",
     "an origin's url has no query (`?`)"},
    {"fragment in url", kListeners + "origins: {api: {url: 'http://a/#b'}}\n" + kBehaviors, 2, 22, "origins.api.url",
     "an origin's url has no fragment (`#`)"},
    {"port of url", kListeners + "origins: {api: {url: 'http://a:65536'}}\n" + kBehaviors, 2, 22, "origins.api.url",
     "expected a URL such as"},
    {"missing file", kListeners + "origins: {api: {url: 'https://a', ca_file: /does/not/exist.pem}}\n" + kBehaviors, 2,
     44, "origins.api.ca_file", "no readable file `/does/not/exist.pem`"},
    {"directory for a file", kListeners + "origins: {api: {url: 'https://a', ca_file: /}}\n" + kBehaviors, 2, 44,
     "origins.api.ca_file", "no readable file `/`"},
    {"no origin", kListeners + "origins: {}\nbehaviors: [{path_pattern: '*', origin: api}]\n", 2, 10, "origins",
     "at least one origin is needed"},
    {"origin without url", kListeners + "origins: {api: }\n" + kBehaviors, 2, 11, "origins.api",
     "missing required field url"},
    {"name with a space", kMinimal + "cache_policies: {'a b': {}}\n", 4, 18, "cache_policies.`a b`",
     "expected a name of letters, digits"},
    // Policies and behaviors.
    {"unknown origin", kListeners + kOrigins + "behaviors: [{path_pattern: '*', origin: apii}]\n", 3, 41,
     "behaviors[0].origin", "no origin has the name `apii`; did you mean api?"},
    {"unknown policy", kListeners + kOrigins + "behaviors: [{path_pattern: '*', origin: api, cache_policy: zzz}]\n", 3,
     60, "behaviors[0].cache_policy", "no cache policy has the name `zzz`; there are: Amplify, CachingDisabled"},
    {"name of a built-in policy", kMinimal + "cache_policies: {RFC9111: {}}\n", 4, 18, "cache_policies.RFC9111",
     "a built-in policy has this name"},
    {"min over default", kMinimal + "cache_policies: {p: {min_ttl: 2m, default_ttl: 1m, max_ttl: 1h}}\n", 4, 31,
     "cache_policies.p.min_ttl", "2m is longer than default_ttl, which is 1m"},
    {"default over max", kMinimal + "cache_policies: {p: {default_ttl: 2h, max_ttl: 1h}}\n", 4, 35,
     "cache_policies.p.default_ttl", "2h is longer than max_ttl, which is 1h"},
    {"min over max", kMinimal + "cache_policies: {p: {min_ttl: 2h, max_ttl: 1h}}\n", 4, 31, "cache_policies.p.min_ttl",
     "2h is longer than max_ttl, which is 1h"},
    {"status below 400", kMinimal + "cache_policies: {p: {error_ttl: {399: 1s}}}\n", 4, 34,
     "cache_policies.p.error_ttl.399", "expected a status from 400 to 599, 4xx or 5xx; found `399`"},
    {"status above 599", kMinimal + "cache_policies: {p: {error_ttl: {600: 1s}}}\n", 4, 34,
     "cache_policies.p.error_ttl.600", "expected a status"},
    {"class of success", kMinimal + "cache_policies: {p: {error_ttl: {2xx: 1s}}}\n", 4, 34,
     "cache_policies.p.error_ttl.2xx", "expected a status"},
    {"status twice", kMinimal + "cache_policies: {p: {error_ttl: {404: 1s, 404: 2s}}}\n", 4, 43,
     "cache_policies.p.error_ttl.404", "duplicate field"},
    {"duration of a status", kMinimal + "cache_policies: {p: {error_ttl: {404: x}}}\n", 4, 39,
     "cache_policies.p.error_ttl.404", "expected a duration"},
    {"allow and except", kMinimal + "cache_policies: {p: {key: {cookies: {allow: [a], except: [b]}}}}\n", 4, 50,
     "cache_policies.p.key.cookies.except", "allow and except exclude each other"},
    {"mistyped allow", kMinimal + "cache_policies: {p: {key: {cookies: {alow: [a]}}}}\n", 4, 38,
     "cache_policies.p.key.cookies.alow", "unknown field; did you mean allow?"},
    {"mistyped vary", kMinimal + "cache_policies: {p: {vary: ignored}}\n", 4, 28, "cache_policies.p.vary",
     "expected honor, ignore or {ignore: [field names]}; found `ignored`; did you mean ignore?"},
    {"vary without names", kMinimal + "cache_policies: {p: {vary: {}}}\n", 4, 28, "cache_policies.p.vary",
     "expected honor, ignore or {ignore: [field names]}"},
    {"vary that ignores a star", kMinimal + "cache_policies: {p: {vary: {ignore: [a, '*']}}}\n", 4, 41,
     "cache_policies.p.vary.ignore[1]", "expected a field name such as User-Agent; found `*`"},
    {"vary that ignores no name", kMinimal + "cache_policies: {p: {vary: {ignore: ['a b']}}}\n", 4, 38,
     "cache_policies.p.vary.ignore[0]", "expected a field name such as User-Agent; found `a b`"},
    {"all headers", kMinimal + "cache_policies: {p: {key: {headers: all}}}\n", 4, 37, "cache_policies.p.key.headers",
     "expected none, [names] or {allow: [names]}; found `all`"},
    {"star inside a name", kMinimal + "cache_policies: {p: {key: {query_strings: {allow: ['a*b']}}}}\n", 4, 52,
     "cache_policies.p.key.query_strings.allow[0]", "expected a name, with `*` only at its end; found `a*b`"},
    {"bad field name", kMinimal + "cache_policies: {p: {key: {headers: ['a b']}}}\n", 4, 38,
     "cache_policies.p.key.headers[0]", "expected a field name"},
    {"bad glob", kListeners + kOrigins + "behaviors: [{path_pattern: '/a[bc]', origin: api}]\n", 3, 28,
     "behaviors[0].path_pattern", "expected a pattern such as /api/*"},
    {"long glob", kListeners + kOrigins + "behaviors: [{path_pattern: /" + std::string(255, 'a') + ", origin: api}]\n",
     3, 28, "behaviors[0].path_pattern", "expected a pattern such as /api/* of at most 255"},
    {"no behavior", kListeners + kOrigins + "behaviors: []\n", 3, 12, "behaviors", "at least one behavior is needed"},
    {"behavior without pattern", kListeners + kOrigins + "behaviors:\n  - origin: api\n", 4, 5, "behaviors[0]",
     "missing required field path_pattern"},
    {"behavior as a word", kListeners + kOrigins + "behaviors:\n  - api\n", 4, 5, "behaviors[0]",
     "expected a mapping with path_pattern, origin; found `api`"},
    {"listener as a word", "listeners: ['127.0.0.1:8080']\n" + kOrigins + kBehaviors, 1, 13, "listeners[0]",
     "expected a mapping with address; found `127.0.0.1:8080`"},
    {"policy as a number", kMinimal + "cache_policies: {p: 5}\n", 4, 21, "cache_policies.p",
     "expected a mapping of fields such as "},
    {"empty behavior", kListeners + kOrigins + "behaviors:\n  - path_pattern: '*'\n    origin:\n", 5, 5,
     "behaviors[0].origin", "expected the name of an origin; found nothing"},
    {"shutdown twice", kMinimal + "timeouts: {shutdown: 1s}\nshutdown_timeout: 1s\n", 5, 19, "shutdown_timeout",
     "timeouts.shutdown, which means the same, is given too"},
    {"target longer than head", kMinimal + "limits: {head_size: 1KiB}\n", 4, 21, "limits.head_size",
     "target_size, which is 8KiB, is larger than head_size, which is 1KiB"},
};

} // namespace

TEST_CASE("Each broken file gives one precise problem") {
    for (const BrokenRow& row : kBroken) {
        CAPTURE(row.name);
        const LoadResult result = load_text(row.text, "broken.yaml");
        CHECK(result.config == nullptr);
        std::string all;
        for (const Problem& problem : result.problems) all += problem.to_string() + "\n";
        CAPTURE(all);
        REQUIRE(result.problems.size() == 1);
        const Problem& problem = result.problems.front();
        CHECK(problem.place.line == row.line);
        CHECK(problem.place.column == row.column);
        CHECK(problem.path == row.path);
        CHECK(problem.message.substr(0, row.message.size()) == row.message);
    }
}

TEST_CASE("A problem is printed as compilers do, with a caret under the column") {
    const LoadResult result =
        load_text(kMinimal + "cache_policies:\n  caf\xC3\xA9: {}\n  a: {max_tll: 1h}\n", "a.yaml");
    REQUIRE(result.problems.size() == 2);
    CHECK(result.problems[1].to_string() ==
          "a.yaml:6:7: error: cache_policies.a.max_tll: unknown field; did you mean max_ttl?\n"
          "    a: {max_tll: 1h}\n"
          "        ^");
    Problem tabbed{{"b.yaml", 3, 4}, "", "wrong", "\tx\xC3\xA9y"};
    CHECK(tabbed.to_string() == "b.yaml:3:4: error: wrong\n  \tx\xC3\xA9y\n  \t  ^");
    Problem without_place{{"c.yaml", 0, 0}, "", "is a directory", ""};
    CHECK(without_place.to_string() == "c.yaml: error: is a directory");
}

TEST_CASE("A long line is cut around the column, with the caret still under it") {
    struct Row {
        std::string name;
        std::string before; // on the line, in front of the mistake
        std::string after;
        bool cut_before;
        bool cut_after;
    };
    const std::string filler(400, 'a');
    std::string accented;
    for (int i = 0; i < 400; ++i) accented += "\xC3\xA9";
    const Row rows[] = {
        {"a line of the longest length", "{", std::string(160 - 9, ' ') + "}", false, false},
        {"one byte more", "{", std::string(160 - 8, ' ') + "}", false, true},
        {"at the start", "{", ", workers: '" + filler + "'}", false, true},
        {"in the middle", "{admin: '" + filler + "', ", ", dns: '" + filler + "'}", true, true},
        {"at the end", "{admin: '" + filler + "', ", "}", true, false},
        {"behind accented letters", "{admin: '" + accented + "', ", ", dns: '" + accented + "'}", true, true},
        {"behind tabs", "{" + std::string(400, '\t'), "}", true, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const LoadResult result = load_text(row.before + "zz_q: 1" + row.after, "a.yaml");
        const auto found = std::find_if(result.problems.begin(), result.problems.end(),
                                        [](const Problem& problem) { return problem.path == "zz_q"; });
        REQUIRE(found != result.problems.end());
        CHECK(found->source.size() <= 160 + 6);
        CHECK((found->source.substr(0, 3) == "...") == row.cut_before);
        CHECK((found->source.substr(found->source.size() - 3) == "...") == row.cut_after);
        // The caret's line is as wide, character by character, as what stands before the mistake.
        std::string expected = "  ";
        for (const char c : found->source.substr(0, found->source.find("zz_q"))) {
            if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) expected += c == '\t' ? '\t' : ' ';
        }
        const std::string text = found->to_string();
        CHECK(text.substr(text.rfind('\n') + 1) == expected + "^");
    }
}

TEST_CASE("All problems come at once, in the order of the file") {
    const LoadResult result = load_text(
        "workers: x\nlisteners: 5\ncache: {memory: {shards: 3, sise: 1}}\norigins: {a: {url: 1}}\n", "a.yaml");
    REQUIRE(result.problems.size() == 6);
    CHECK(result.problems[0].place.line == 1);
    CHECK(result.problems[0].message == "missing required field behaviors"); // where the mapping begins
    CHECK(result.problems[1].path == "workers");
    CHECK(result.problems[2].path == "listeners");
    CHECK(result.problems[3].path == "cache.memory.shards");
    CHECK(result.problems[4].path == "cache.memory.sise");
    CHECK(result.problems[5].path == "origins.a.url");
}

TEST_CASE("One mistake does not make others") {
    // Each of these would make references, sums or required fields fail too, if failed fields were looked at again.
    const std::string texts[] = {
        kListeners + "origin: {api: {url: 'http://a'}}\n" + kBehaviors,
        kListeners + "origins: 5\n" + kBehaviors,
        kListeners + kOrigins + "cache_policies: 5\nbehaviors: [{path_pattern: '*', origin: api, cache_policy: p}]\n",
        kListeners + kOrigins +
            "cache_policies: {p: 5}\nbehaviors: [{path_pattern: '*', origin: api, cache_policy: p}]\n",
        kListeners + kOrigins + "behavior: [{path_pattern: '*', origin: api}]\n",
        kListeners + kOrigins + "behaviors: [5]\n",
        kMinimal + "cache: {memory: {size: x, max_object_size: 10TiB}}\n",
        kMinimal + "dns: {min_ttl: 1h, max_ttl: x}\n",
    };
    for (const std::string& text : texts) {
        CAPTURE(text);
        CHECK(load_text(text, "a.yaml").problems.size() == 1);
    }
}
