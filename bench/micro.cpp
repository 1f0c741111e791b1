// Micro benchmarks of what a hit is made of. Needs Google Benchmark (Debian's libbenchmark-dev).
//
//   bench_micro [--benchmark_filter=REGEX]
//
// What a hit takes as a whole, in instructions, is counted by bench/instructions.
#include "cache/policy/cache_key.h"
#include "cache/policy/facts.h"
#include "cache/policy/response_assembly.h"
#include "cache/policy/reuse.h"
#include "cache/policy/stored_head.h"
#include "cache/store/core_table.h"
#include "cache/store/memory_store.h"
#include "config/loader.h"
#include "http/cache_control.h"
#include "http/date.h"
#include "http/target.h"
#include "proxy/head_parser.h"
#include "proxy/log_line.h"
#include "proxy/response_head_text.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace gatehouse;
using namespace cache::policy;
using cache::store::Candidates;
using cache::store::CoreTable;
using cache::store::HeldEntry;
using cache::store::KeyHash;

constexpr std::string_view kRequest = "GET /v1/catalogue/items/4711?language=en HTTP/1.1\r\n"
                                      "Host: catalogue.example.test\r\n"
                                      "User-Agent: micro/1.0 (a benchmark of the parts of a hit)\r\n"
                                      "Accept: application/json, text/plain, */*\r\n"
                                      "Accept-Encoding: gzip, br\r\n\r\n";
constexpr http::WallTime kReceived{std::chrono::hours(490'000)};
constexpr http::WallTime kNow = kReceived + std::chrono::seconds(30);

http::RequestHead parsed_request(std::string_view bytes = kRequest) {
    http::RequestHead head;
    if (proxy::parse_request_head(bytes, {}, head).state != proxy::HeadParse::State::Complete) {
        std::abort();
    }
    return head;
}

http::ResponseHead response() {
    http::ResponseHead head;
    head.status = 200;
    head.fields.add("Content-Type", "application/json");
    head.fields.add("Cache-Control", "public, max-age=3600, stale-while-revalidate=60");
    head.fields.add("ETag", "\"4711-1\"");
    head.fields.add("Vary", "Accept-Encoding");
    head.fields.add("Date", http::format_http_date(kReceived));
    return head;
}

const config::Config& configuration() {
    static const auto loaded = config::load_text("listeners: [{ address: '127.0.0.1:0' }]\n"
                                                 "origins: { origin: { url: 'http://127.0.0.1:1' } }\n"
                                                 "behaviors: [{ path_pattern: '*', origin: origin }]\n",
                                                 "micro.yaml");
    if (!loaded.config) {
        std::fprintf(stderr, "%s\n", loaded.problems.front().to_string().c_str());
        std::abort();
    }
    return *loaded.config;
}

// A request, and a response that was stored for it.
struct Stored {
    http::RequestHead request = parsed_request();
    RequestFacts request_facts = cache::policy::request_facts(request, false);
    const config::Behavior& behavior = configuration().behaviors.front();
    std::string block =
        encode_stored_head(response_facts(request, request_facts, false, response(), kReceived, kReceived, {}),
                           fields_to_store(response(), kReceived), "accept-encoding", "gzip, br");
    StoredHead head = view_stored_head(block);
};

void head_parse(benchmark::State& state) {
    http::RequestHead head;
    for (auto _ : state) {
        benchmark::DoNotOptimize(proxy::parse_request_head(kRequest, {}, head).consumed);
    }
}
BENCHMARK(head_parse);

// The same head, of which one line makes the careful way read all of it: by Beast, and line by line.
void head_parse_carefully(benchmark::State& state) {
    std::string request(kRequest);
    request.insert(request.size() - 2, "X:  1\r\n");
    http::RequestHead head;
    for (auto _ : state) {
        benchmark::DoNotOptimize(proxy::parse_request_head(request, {}, head).consumed);
    }
}
BENCHMARK(head_parse_carefully);

void target_parse(benchmark::State& state) {
    const http::RequestHead head = parsed_request();
    http::Target target;
    for (auto _ : state) {
        benchmark::DoNotOptimize(http::parse_target(head, "http", "", target).has_value());
    }
}
BENCHMARK(target_parse);

void key_and_hash(benchmark::State& state) {
    const Stored stored;
    const http::Target target = *http::parse_target(stored.request, "http", "");
    std::string key;
    for (auto _ : state) {
        make_cache_key(stored.behavior, target, stored.request, key);
        benchmark::DoNotOptimize(cache::store::hash_key(key).low);
    }
}
BENCHMARK(key_and_hash);

void freshness_and_reuse(benchmark::State& state) {
    const Stored stored;
    const config::CachePolicy& policy = *stored.behavior.policy_ref;
    for (auto _ : state) {
        const RequestFacts facts = request_facts(stored.request, false);
        benchmark::DoNotOptimize(decide_request(facts, policy).lookup);
        benchmark::DoNotOptimize(decide_reuse(facts, stored.head.facts, policy, kNow).kind);
    }
}
BENCHMARK(freshness_and_reuse);

void cache_control_parse(benchmark::State& state) {
    const http::Fields fields = response().fields;
    for (auto _ : state) {
        benchmark::DoNotOptimize(http::parse_response_cache_control(fields).max_age.seconds);
    }
}
BENCHMARK(cache_control_parse);

void response_assembly(benchmark::State& state) {
    const Stored stored;
    CacheResult result;
    result.ttl_seconds = 3570;
    std::string out;
    for (auto _ : state) {
        const Assembly assembly = assemble(stored.request, stored.head, 1000, kNow, 0);
        out.clear();
        proxy::append_response_head(out, {assembly, stored.head, result, 1000, 1000, true, 30});
        benchmark::DoNotOptimize(out.data());
    }
}
BENCHMARK(response_assembly);

void access_log_line(benchmark::State& state) {
    proxy::ExchangeRecord record;
    record.started = kNow;
    record.duration = std::chrono::microseconds(23);
    record.client = "192.0.2.1";
    record.method = "GET";
    record.authority = "catalogue.example.test";
    record.target = "/v1/catalogue/items/4711?language=en";
    record.user_agent = "micro/1.0 (a benchmark of the parts of a hit)";
    record.status = 200;
    record.response_body_bytes = 1000;
    record.complete = record.routed = true;
    record.behavior_name = "*";
    record.origin = "origin";
    record.cache.ttl_seconds = 3570;
    proxy::LineFormatter formatter;
    std::string out;
    for (auto _ : state) {
        out.clear();
        formatter.append(out, record);
        benchmark::DoNotOptimize(out.data());
    }
}
BENCHMARK(access_log_line);

// A store of `keys` objects of 1 kB, the same for all threads of a benchmark.
struct FilledStore {
    explicit FilledStore(std::size_t keys) {
        const std::string body(1000, 'x');
        for (std::size_t i = 0; i < keys; ++i) {
            Key key;
            key.text = "RFC9111|*\norigin\ncatalogue.example.test\n/v1/catalogue/items/" + std::to_string(i) + "\n\n";
            key.hash = cache::store::hash_key(key.text);
            const auto writer = store->open_writer({key.text, key.hash, "", 1}, body.size());
            for (std::size_t at = 0; at < body.size();) {
                const auto room = writer->body()->prepare().room;
                const std::size_t step = std::min(room.size(), body.size() - at);
                std::copy_n(body.data() + at, step, room.data());
                writer->body()->publish(step);
                at += step;
            }
            writer->body()->complete();
            if (!writer->commit(std::string(400, 'h'))) {
                std::abort();
            }
            all.push_back(std::move(key));
        }
    }
    struct Key {
        std::string text;
        KeyHash hash;
    };
    std::unique_ptr<cache::store::Store> store = cache::store::make_memory_store({});
    std::vector<Key> all;
};

// What a hit does with the store: `source` (the store, or what a core keeps of it) is asked, the use is counted, and
// the body is held until it has been sent.
template <class Source>
void hit(FilledStore& filled, Source& source, std::size_t which) {
    const FilledStore::Key& key = filled.all[which];
    Candidates found;
    source.lookup(key.hash, key.text, found);
    const HeldEntry entry = found.take(0);
    filled.store->touch(*entry);
    const cache::store::Body::Cursor cursor = entry.open_body();
    iovec piece{};
    benchmark::DoNotOptimize(cursor.peek({&piece, 1}, entry->body_size()));
    benchmark::DoNotOptimize(piece.iov_base);
}

template <class Source>
void one_key(benchmark::State& state, FilledStore& filled, Source& source) {
    for (auto _ : state) {
        hit(filled, source, 0);
    }
    state.SetItemsProcessed(state.iterations()); // of all threads, by the clock on the wall
}

template <class Source>
void all_keys(benchmark::State& state, FilledStore& filled, Source& source) {
    std::size_t at = static_cast<std::size_t>(state.thread_index()) * 1237;
    for (auto _ : state) {
        at = (at + 7919) % filled.all.size();
        hit(filled, source, at);
    }
    state.SetItemsProcessed(state.iterations());
}

// As the proxy does it: each thread has a table.
void store_lookup_one_key(benchmark::State& state) {
    static FilledStore filled(1);
    CoreTable table(*filled.store);
    one_key(state, filled, table);
}
BENCHMARK(store_lookup_one_key)->Threads(1)->Threads(2)->Threads(8)->UseRealTime();

void store_lookup_10000_keys(benchmark::State& state) {
    static FilledStore filled(10'000);
    CoreTable table(*filled.store);
    all_keys(state, filled, table);
}
BENCHMARK(store_lookup_10000_keys)->Threads(1)->Threads(2)->Threads(8)->UseRealTime();

// What no core keeps.
void store_lookup_one_key_shared(benchmark::State& state) {
    static FilledStore filled(1);
    one_key(state, filled, *filled.store);
}
BENCHMARK(store_lookup_one_key_shared)->Threads(1)->Threads(2)->Threads(8)->UseRealTime();

void store_lookup_10000_keys_shared(benchmark::State& state) {
    static FilledStore filled(10'000);
    all_keys(state, filled, *filled.store);
}
BENCHMARK(store_lookup_10000_keys_shared)->Threads(1)->Threads(2)->Threads(8)->UseRealTime();

} // namespace

BENCHMARK_MAIN();
