// Replays a trace through the real memory store, and prints its miss ratios beside those of an LRU and of what a cache
// could do at best. bench/replay runs it on a compressed trace.
//
//   bench_replay [--fraction F]... [--shards N] [--unit] [FILE|-]
//
// A line of the trace is `timestamp,key,size`. The cache is a fraction of the footprint: of the sum of the sizes of all
// distinct objects. An object of `size` bytes is stored with a body of so many bytes; with --unit (or when all sizes
// are 1: then the trace counts objects, not bytes) it has no body. The LRU counts sizes, and nothing beside them.
//
// `belady` is printed where all objects have one size: the fewest misses that any cache could have had (MIN, with the
// right not to keep a response). `bound` is PFOO-L, which no cache can be below whatever the sizes, but which none has
// to reach: it needs room on average only. Its two figures are separate bounds. Both are in bench/offline_bound.h.
//
// How the fraction becomes size_bytes: the store charges more than sizes (heads, block classes, index, ghosts). All
// distinct objects are first put into a store without bounds. What they are charged there, the index included, times
// the fraction, is the cache; beside it the store gets what it takes when it is empty, and what the ghosts take at most
// for the objects it is to hold. `kept` is the number of objects in the store at the end, to compare with the fraction.
#include "bench/offline_bound.h"
#include "cache/store/memory_store.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

using namespace gatehouse::bench;
using namespace gatehouse::cache::store;

namespace {

struct Arguments {
    std::vector<double> fractions;
    unsigned shards = MemoryStoreOptions().shards;
    bool unit = false;
    std::string file = "-";
};

struct Trace {
    struct Object {
        std::string key;
        std::uint64_t size;
        KeyHash hash;
    };
    std::vector<Object> objects;
    std::vector<std::uint32_t> requests; // indices of objects
    std::uint64_t footprint = 0;
};

struct Misses {
    std::uint64_t objects = 0;
    std::uint64_t bytes = 0;
};

bool read_trace(std::istream& input, Trace& trace) {
    std::unordered_map<std::string, std::uint32_t> known;
    std::string line;
    for (std::size_t number = 1; std::getline(input, line); ++number) {
        const std::size_t first = line.find(',');
        const std::size_t second = line.find(',', first + 1);
        std::uint64_t size = 0;
        if (second == std::string::npos ||
            std::from_chars(line.data() + second + 1, line.data() + line.size(), size).ec != std::errc()) {
            if (number == 1) {
                continue; // the names of the columns
            }
            std::fprintf(stderr, "line %zu is not `timestamp,key,size`: %s\n", number, line.c_str());
            return false;
        }
        // As in libCacheSim: an object of another size is another object.
        const std::string identity = line.substr(first + 1);
        const auto [found, is_new] = known.try_emplace(identity, static_cast<std::uint32_t>(trace.objects.size()));
        if (is_new) {
            trace.objects.push_back({identity, size, hash_key(identity)});
            trace.footprint += size;
        }
        trace.requests.push_back(found->second);
    }
    return !trace.requests.empty();
}

// Whether the object was found; if not, it is stored.
bool request(Store& store, const Trace::Object& object, bool unit) {
    Candidates found;
    store.lookup(object.hash, object.key, found);
    if (!found.empty()) {
        store.touch(*found[0]);
        return true;
    }
    const std::uint64_t size = unit ? 0 : object.size;
    const auto writer = store.open_writer({object.key, object.hash, {}, 0}, size);
    if (!writer) {
        return false;
    }
    Body& body = *writer->body();
    for (std::uint64_t left = size; left > 0;) {
        const Body::Room room = body.prepare();
        if (room.state != Body::RoomState::Room) {
            return false;
        }
        const std::uint64_t step = std::min<std::uint64_t>(left, room.room.size());
        body.publish(static_cast<std::size_t>(step));
        left -= step;
    }
    body.complete();
    writer->commit({});
    return false;
}

Misses run_store(const Trace& trace, std::uint64_t size_bytes, const Arguments& arguments, StoreStats& stats) {
    MemoryStoreOptions options;
    options.size_bytes = size_bytes;
    options.max_object_bytes = size_bytes;
    options.shards = arguments.shards;
    const auto store = make_memory_store(options);
    Misses misses;
    for (const std::uint32_t index : trace.requests) {
        const Trace::Object& object = trace.objects[index];
        if (!request(*store, object, arguments.unit)) {
            ++misses.objects;
            misses.bytes += object.size;
        }
    }
    stats = store->stats();
    return misses;
}

Misses run_lru(const Trace& trace, std::uint64_t capacity) {
    std::list<std::uint32_t> order;
    std::vector<std::list<std::uint32_t>::iterator> places(trace.objects.size(), order.end());
    std::uint64_t used = 0;
    Misses misses;
    for (const std::uint32_t index : trace.requests) {
        if (places[index] != order.end()) {
            order.splice(order.begin(), order, places[index]);
            continue;
        }
        const std::uint64_t size = trace.objects[index].size;
        ++misses.objects;
        misses.bytes += size;
        if (size > capacity) {
            continue;
        }
        for (; used + size > capacity; order.pop_back()) {
            used -= trace.objects[order.back()].size;
            places[order.back()] = order.end();
        }
        used += size;
        places[index] = order.insert(order.begin(), index);
    }
    return misses;
}

SizedRequests sized_requests(const Trace& trace) {
    SizedRequests sized;
    sized.requests = trace.requests;
    for (const Trace::Object& object : trace.objects) {
        sized.sizes.push_back(object.size);
    }
    return sized;
}

bool has_one_size(const SizedRequests& sized) {
    return sized.sizes.front() > 0 && std::equal(sized.sizes.begin() + 1, sized.sizes.end(), sized.sizes.begin());
}

// What all distinct objects are charged in an unbounded store, and what an empty one takes.
void measure_charges(const Trace& trace, const Arguments& arguments, std::uint64_t& all, std::uint64_t& empty) {
    MemoryStoreOptions options;
    options.size_bytes = std::uint64_t{1} << 40;
    options.max_object_bytes = options.size_bytes;
    options.shards = arguments.shards;
    const auto store = make_memory_store(options);
    empty = store->stats().bytes_used;
    for (const Trace::Object& object : trace.objects) {
        request(*store, object, arguments.unit);
    }
    all = store->stats().bytes_used - empty;
}

// The ghosts of each shard: 8 bytes each, an eighth and one set of eight more than the shard has objects, in whole sets
// and together at most a sixteenth of the store.
std::uint64_t charge_of_ghosts(std::uint64_t size_bytes, double objects, unsigned shards) {
    const auto wanted = static_cast<std::uint64_t>(objects / shards * 9 / 8) + 8;
    const std::uint64_t ghosts = std::min(wanted, size_bytes / 16 / shards / 8) / 8 * 8;
    return ghosts > 0 ? shards * (ghosts * 8 + 16) : 0;
}

bool parse(int count, char** values, Arguments& arguments) {
    for (int i = 1; i < count; ++i) {
        const std::string_view word = values[i];
        if (word == "--unit") {
            arguments.unit = true;
        } else if ((word == "--fraction" || word == "--shards") && i + 1 < count) {
            const std::string value = values[++i];
            if (word == "--fraction") {
                arguments.fractions.push_back(std::strtod(value.c_str(), nullptr));
            } else {
                arguments.shards = static_cast<unsigned>(std::strtoul(value.c_str(), nullptr, 10));
            }
        } else if (word.starts_with("--")) {
            return false;
        } else {
            arguments.file = word;
        }
    }
    if (arguments.fractions.empty()) {
        arguments.fractions = {0.001, 0.01, 0.1};
    }
    return true;
}

} // namespace

int main(int count, char** values) {
    Arguments arguments;
    if (!parse(count, values, arguments)) {
        std::fputs("usage: bench_replay [--fraction F]... [--shards N] [--unit] [FILE|-]\n", stderr);
        return 2;
    }
    std::ifstream file;
    if (arguments.file != "-") {
        file.open(arguments.file);
    }
    Trace trace;
    if (!read_trace(arguments.file == "-" ? std::cin : file, trace)) {
        std::fputs("no trace to replay\n", stderr);
        return 1;
    }
    arguments.unit |= trace.footprint == trace.objects.size();
    std::uint64_t all = 0;
    std::uint64_t empty = 0;
    measure_charges(trace, arguments, all, empty);

    std::uint64_t bytes = 0;
    for (const std::uint32_t index : trace.requests) {
        bytes += trace.objects[index].size;
    }
    const auto requests = static_cast<double>(trace.requests.size());
    std::printf("%zu requests, %zu objects, footprint %llu, %.1f bytes charged for an object, %u shards\n",
                trace.requests.size(), trace.objects.size(), static_cast<unsigned long long>(trace.footprint),
                static_cast<double>(all) / static_cast<double>(trace.objects.size()), arguments.shards);
    std::printf("%9s  %-6s  %7s  %7s  %9s\n", "fraction", "policy", "objects", "bytes", "kept");
    const SizedRequests sized = sized_requests(trace);
    for (const double fraction : arguments.fractions) {
        StoreStats stats;
        const auto cache = static_cast<std::uint64_t>(fraction * static_cast<double>(all)) + empty;
        const std::uint64_t size_bytes =
            cache + charge_of_ghosts(cache, fraction * static_cast<double>(trace.objects.size()), arguments.shards);
        const auto capacity = static_cast<std::uint64_t>(fraction * static_cast<double>(trace.footprint));
        const auto print = [&](const char* policy, const Misses& misses, const std::string& kept = {}) {
            std::printf("%9g  %-6s  %7.4f  %7.4f", fraction, policy, static_cast<double>(misses.objects) / requests,
                        static_cast<double>(misses.bytes) / static_cast<double>(bytes));
            std::printf(kept.empty() ? "\n" : "  %9s\n", kept.c_str());
        };
        const Misses store = run_store(trace, size_bytes, arguments, stats);
        print("store", store, std::to_string(stats.objects));
        print("lru", run_lru(trace, capacity));
        if (has_one_size(sized)) {
            const std::uint64_t size = sized.sizes.front();
            const std::uint64_t misses = fewest_misses_of_equal_objects(sized, capacity / size);
            print("belady", {misses, misses * size});
        }
        const MissBounds bounds = misses_at_least(sized, capacity);
        print("bound", {bounds.objects, bounds.bytes});
    }
    return 0;
}
