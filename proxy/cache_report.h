// What `gatehouse cache` prints: entries of a disk store's directory, and sums over all of them, as text and as JSON.
#pragma once

#include "cache/policy/stored_head.h"
#include "cache/store/disk_inspect.h"
#include "proxy/readable_key.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gatehouse::proxy {

// All that is to be said of one that a start would find.
struct CachedEntry {
    explicit CachedEntry(cache::store::disk::InspectedHead&& read);
    CachedEntry(const CachedEntry&) = delete;
    CachedEntry& operator=(const CachedEntry&) = delete;

    std::uint64_t body_bytes() const noexcept; // of the whole, wherever it stands

    cache::store::disk::InspectedHead record;
    ReadableKey key;
    std::optional<cache::policy::StoredHead> head; // nullopt: the metadata is no head of a response
    std::vector<std::string> variant;
    std::string body_problem; // why it has no body to read; for who prints it to fill in
};

// A line each.
std::string entry_line(const CachedEntry& entry);
std::string entry_json(const CachedEntry& entry, const cache::store::disk::Place& place);
// What is stored beside the head, an empty line, and the head as HTTP. `number` of `count` that were asked about.
std::string dump_text(const CachedEntry& entry, const cache::store::disk::Place& place, std::size_t number,
                      std::size_t count);

// What `stat` adds up.
struct CacheSums {
    static constexpr std::size_t kKinds = 5; // of records

    std::array<std::uint64_t, cache::store::disk::kSegmentStates> segments{};
    std::array<std::uint64_t, kKinds> records{};
    std::uint64_t oldest_generation = 0; // 0: there is none
    std::uint64_t newest_generation = 0;
    std::uint64_t largest_sequence = 0;
    std::uint64_t record_bytes = 0;
    std::uint64_t entries = 0;
    std::uint64_t head_bytes = 0; // of entries
    std::uint64_t body_bytes = 0;
    std::uint64_t live_bytes = 0; // of records that entries stand in
    std::optional<http::WallTime> oldest;
    std::optional<http::WallTime> newest;

    void add(const cache::store::disk::SegmentReport& report);
    void add(cache::store::disk::Inspector& inspector, const cache::store::disk::LiveRecord& live);
    std::uint64_t dead_share() const noexcept; // of the bytes of records, in tenths of a percent
};

std::string stat_text(const CacheSums& sums, const cache::store::disk::StoreId& store);
std::string stat_json(const CacheSums& sums, const cache::store::disk::StoreId& store);

} // namespace gatehouse::proxy
