#include "proxy/stores.h"

#include "cache/policy/stored_head.h"
#include "cache/store/memory_store.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

namespace gatehouse::proxy {

namespace store = cache::store;
namespace disk = cache::store::disk;
using http::Error;
using http::ErrorKind;

namespace {

constexpr std::uint64_t kQueueShare = 8; // of the memory store, for what waits to be written
constexpr std::uint64_t kGatheredShare = 64; // of it, for what waits for more to be written with it
constexpr std::uint64_t kLeastStoreBytes = 1024 * 1024;
constexpr std::uint64_t kMostQueuedBytes = 64ull * 1024 * 1024;

store::MemoryStoreOptions memory_options(const config::MemoryCache& memory) {
    store::MemoryStoreOptions options;
    options.size_bytes = memory.size_bytes;
    options.max_object_bytes = memory.max_object_bytes;
    options.relay_bytes = memory.relay_bytes;
    options.shards = memory.shards;
    options.max_variants = memory.max_variants;
    return options;
}

// Null: threads wait.
std::shared_ptr<store::ReadRing> open_ring(const config::DiskCache& disk) {
    using Io = config::DiskCache::Io;
    if (disk.io == Io::Threads) {
        return nullptr;
    }
    auto ring = store::ReadRing::open();
    if (ring) {
        return std::shared_ptr<store::ReadRing>(std::move(*ring));
    }
    const auto level = disk.io == Io::IoUring ? spdlog::level::warn : spdlog::level::info;
    spdlog::log(level,
                "disk store: no io_uring, threads wait for the disk: path={} error=\"{}\" advice=\"containers and "
                "kernel.io_uring_disabled may forbid it; with cache.disk.io: threads this is not said\"",
                disk.path, ring.error().message());
    return nullptr;
}

store::TieredOptions tiered_options(const config::Cache& cache) {
    store::TieredOptions options;
    options.writer.max_object_bytes = cache.disk.max_object_bytes;
    options.writer.queued_bytes = std::min(cache.memory.size_bytes / kQueueShare, kMostQueuedBytes);
    options.writer.gathered_bytes = std::min(cache.memory.size_bytes / kGatheredShare, options.writer.gathered_bytes);
    options.writer.bytes_per_second = cache.disk.write_bytes_per_second;
    options.ring = open_ring(cache.disk);
    return options;
}

std::uint32_t segments_of(const config::DiskCache& disk) noexcept {
    return static_cast<std::uint32_t>(disk.size_bytes / disk.segment_bytes);
}

void log_trouble(const std::string& path, const disk::FileError& error) {
    if (error) {
        spdlog::error(
            "the disk cannot be written: path={} error=\"{}\" advice=\"gatehouse serves on from memory and from "
            "what is on the disk, and tries again every few seconds; look at the space and the permissions "
            "of the directory, and at the kernel's log\"",
            path, error.message());
    } else {
        spdlog::info("the disk is written again: path={}", path);
    }
}

void log_recovery(const std::string& path, const disk::LogRecovery& found) {
    spdlog::info("disk store opened: path={} objects={} sealed_segments={} scanned_segments={}", path, found.records,
                 found.sealed_segments, found.scanned_segments);
    if (found.began_anew) {
        spdlog::warn("disk store: what was there is of another version, or damaged, and is not used: path={}", path);
    }
    if (found.foreign_segments > 0) {
        spdlog::warn(
            "disk store: {} segments of another version are left alone: path={} advice=\"remove them by hand if "
            "no other version is to use them\"",
            found.foreign_segments, path);
    }
    if (found.damaged_segments > 0) {
        spdlog::warn("disk store: {} segments cannot be read and are filled anew: path={}", found.damaged_segments,
                     path);
    }
}

// What was purged has to be known for what is on the disk to be believed.
void log_purges(const std::string& path, cache::PurgeFile::Found found) {
    using Found = cache::PurgeFile::Found;
    if (found == Found::PowerFailure) {
        spdlog::warn("disk store: the machine stopped without warning, and the last purges may be missing: path={} "
                     "advice=\"what was stored before is not used\"",
                     path);
    } else if (found != Found::Restored && found != Found::New) {
        spdlog::warn("disk store: the file of purges cannot be read: path={}/purges advice=\"what was stored before is "
                     "not used\"",
                     path);
    }
}

} // namespace

Stores open_stores(const config::Cache& cache, disk::Files& files, const Clock& clock) {
    Stores stores;
    try {
        stores.store = store::make_memory_store(memory_options(cache.memory));
    } catch (const std::exception& error) { // std::system_error, std::invalid_argument
        stores.refused =
            Error(ErrorKind::Internal,
                  "cache.memory.size: " + std::string(error.what()) +
                      "; see the limits of this process (ulimit -v, LimitAS), or make it smaller or larger");
        config::MemoryCache least; // nothing is served with it
        least.size_bytes = kLeastStoreBytes;
        least.shards = 1;
        stores.store = store::make_memory_store(memory_options(least));
        return stores;
    }
    const config::DiskCache& wanted = cache.disk;
    if (wanted.path.empty()) {
        return stores;
    }
    disk::LogOptions options;
    options.directory = wanted.path;
    options.segment_bytes = wanted.segment_bytes;
    options.segments = segments_of(wanted);
    options.verify_always = wanted.verify_always;
    options.metadata_version = cache::policy::kStoredHeadVersion;
    options.max_variants = cache.memory.max_variants;
    auto index = std::make_unique<disk::DiskIndex>();
    disk::LogRecovery found;
    auto log = disk::DiskLog::open(files, options, *index, found);
    if (!log && log.error() == boost::system::errc::resource_unavailable_try_again) {
        stores.refused = Error(ErrorKind::Internal, "another process uses the directory of cache.disk.path, " +
                                                        wanted.path + "; give each process its own");
        return stores;
    }
    const auto go_without = [&](const disk::FileError& error) {
        stores.trouble = "cache.disk.path " + wanted.path + " cannot be used: " + error.message();
        spdlog::error("no disk store: path={} error=\"{}\" advice=\"gatehouse serves from memory alone; see that the "
                      "directory can be made and written, and has room, and start again; empty it first if anything is "
                      "purged meanwhile, because nobody notes that there\"",
                      wanted.path, error.message());
    };
    if (!log) {
        go_without(log.error());
        return stores;
    }
    auto purges = cache::PurgeFile::open(wanted.path + "/purges", (*log)->id());
    if (!purges) {
        go_without(purges.error());
        return stores;
    }
    log_recovery(wanted.path, found);
    stores.purges = std::move(*purges);
    log_purges(wanted.path, stores.purges->found());
    stores.largest_sequence = found.largest_sequence;
    auto tiered = std::make_unique<store::TieredStore>(
        std::move(stores.store), std::move(index), std::move(*log), tiered_options(cache),
        [path = wanted.path](const disk::FileError& error) { log_trouble(path, error); },
        [&clock] { return clock.steady_now(); });
    stores.tiered = tiered.get();
    stores.store = std::move(tiered);
    return stores;
}

void follow(store::TieredStore& tiered, const config::DiskCache& started_with, const config::DiskCache& next) {
    if (started_with.path != next.path || started_with.segment_bytes != next.segment_bytes) {
        return; // it speaks of another disk
    }
    tiered.writer().set_bytes_per_second(next.write_bytes_per_second);
    tiered.writer().run_later([path = next.path, segments = segments_of(next)](disk::DiskLog& log) {
        if (log.segments() == segments) {
            return;
        }
        if (const disk::FileError error = log.resize(segments)) {
            spdlog::error("the size of the disk store was not changed: path={} error=\"{}\" advice=\"reload again when "
                          "the directory can be written\"",
                          path, error.message());
        } else {
            spdlog::info("disk store resized: path={} segments={}", path, segments);
        }
    });
}

} // namespace gatehouse::proxy
