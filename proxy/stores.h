// The stores that a configuration asks for: memory, and the disk below it where there is one and it can be used.
#pragma once

#include "cache/purge_file.h"
#include "cache/store/tiered_store.h"
#include "config/config.h"
#include "http/result.h"
#include "proxy/clock.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace gatehouse::proxy {

struct Stores {
    std::unique_ptr<cache::store::Store> store;
    cache::store::TieredStore* tiered = nullptr; // `store`, where there is a disk
    std::unique_ptr<cache::PurgeFile> purges;    // of the disk
    std::uint64_t largest_sequence = 0;          // of what is on the disk
    // Why there is no disk although the configuration names one; the proxy serves without it. A sentence.
    std::string trouble;
    // Another process uses the directory: this one is not to start.
    std::optional<http::Error> refused;
};

// Logs what it found. `files` and `clock` outlive the stores.
Stores open_stores(const config::Cache& cache, cache::store::disk::Files& files, const Clock& clock);

// After a reload: what follows without a restart.
void follow(cache::store::TieredStore& tiered, const config::DiskCache& started_with, const config::DiskCache& next);

} // namespace gatehouse::proxy
