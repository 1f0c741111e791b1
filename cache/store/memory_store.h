// The memory store: shards of S3-FIFO queues under one global byte budget (DESIGN 4.9).
#pragma once

#include "cache/store/store.h"

#include <memory>

namespace gatehouse::cache::store {

struct MemoryStoreOptions {
    std::uint64_t size_bytes = 256ull * 1024 * 1024;
    std::uint64_t max_object_bytes = 8ull * 1024 * 1024; // the store takes at most half of size_bytes
    std::uint64_t relay_bytes = 64ull * 1024 * 1024;
    unsigned shards = 16;       // power of two, at most 256
    unsigned max_variants = 32; // at most Candidates::kMax
};

// Let go of all entries, writers and bodies before the store is destroyed: their memory is charged to its budgets. A
// build with assertions stops where this is broken. One without them leaves the budgets behind, so that what comes late
// does no harm.
std::unique_ptr<Store> make_memory_store(const MemoryStoreOptions& options);

} // namespace gatehouse::cache::store
