// A tiered store on a directory, as one process after the other has it.
#pragma once

#include "cache/store/load.h"
#include "cache/store/memory_store.h"
#include "cache/store/tiered_store.h"

#include "tests/store/disk_tools.h"
#include "tests/store/store_tools.h"

#include <algorithm>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace gatehouse::cache::store::testing {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kSegment = 256 * kKiB;

// What bring() gives that lookup() does not find, once it is there.
inline std::vector<EntryRef> brought(TieredStore& store, const std::string& key, const Candidates& at_hand = {}) {
    Below below = store.bring(hash_key(key), key, at_hand, true);
    if (below.kind == Below::Kind::Coming) {
        std::promise<void> came;
        if (below.load->when_done([&came] { came.set_value(); })) {
            came.get_future().wait();
        }
        return below.load->unlisted();
    }
    return below.unlisted;
}

// A store on a directory, as one process has it.
struct Process {
    struct Options {
        std::uint64_t memory_bytes = 1024 * kKiB;
        std::uint64_t relay_bytes = 1024 * kKiB;
        std::uint64_t max_object_bytes = 512 * kKiB;
        unsigned max_variants = 4;
        std::uint32_t segments = 8;
        std::uint64_t segment_bytes = kSegment;
        bool verify_always = false;
        bool starts = true;
        std::shared_ptr<ReadRing> ring = {};
        DiskWriterOptions writer = {};
    };
    explicit Process(const std::string& path, disk::Files& files) : Process(path, files, Options()) {}
    Process(const std::string& path, disk::Files& files, const Options& options) {
        disk::LogOptions log_options;
        log_options.directory = path;
        log_options.segment_bytes = options.segment_bytes;
        log_options.segments = options.segments;
        log_options.verify_always = options.verify_always;
        auto index = std::make_unique<disk::DiskIndex>();
        auto log = disk::DiskLog::open(files, log_options, *index, found);
        REQUIRE(log);
        TieredOptions tiered;
        tiered.writer = options.writer;
        tiered.writer.gathered_bytes = std::min(tiered.writer.gathered_bytes, options.memory_bytes / 64); // it keeps memory
        tiered.ring = options.ring;
        store = std::make_unique<TieredStore>(
            make_memory_store({.size_bytes = options.memory_bytes,
                               .max_object_bytes = options.max_object_bytes,
                               .relay_bytes = options.relay_bytes,
                               .max_variants = options.max_variants}),
            std::move(index), std::move(*log), tiered,
            [this](const disk::FileError& error) { troubles.push_back(error.message()); }, [this] { return now; });
        if (options.starts) {
            store->start();
        }
    }

    // What is found for the key, from memory or from the disk, by the content. "" where nothing is.
    std::string get(const std::string& key, const std::string& secondary_key = {}) {
        Candidates found_now;
        store->lookup(hash_key(key), key, found_now);
        if (std::string content = content_of(found_now, secondary_key); !content.empty()) {
            return content;
        }
        const std::vector<EntryRef> unlisted = brought(*store, key, found_now);
        found_now.clear();
        store->lookup(hash_key(key), key, found_now);
        found_now.add(unlisted, key);
        return content_of(found_now, secondary_key);
    }
    static std::string content_of(const Candidates& found_now, const std::string& secondary_key) {
        for (std::size_t i = 0; i < found_now.size(); ++i) {
            if (found_now[i]->secondary_key() == secondary_key && !found_now[i]->file()) {
                return content(*found_now[i]);
            }
        }
        return {};
    }
    // So much that memory has nothing else any more.
    void crowd_out() {
        for (int i = 0; i < 400; ++i) {
            put(*store, {.key = "crowd " + std::to_string(i), .body = std::string(8000, 'c')});
        }
        store->writer().flush();
    }

    disk::LogRecovery found;
    std::vector<std::string> troubles; // of the writing thread; read after a flush
    http::SteadyTime now{};
    std::unique_ptr<TieredStore> store;
};

struct Fixture {
    DiskDirectory directory;
    HookedFiles files;
    std::unique_ptr<Process> process;

    Process& start(const Process::Options& options) {
        process.reset();
        process = std::make_unique<Process>(directory.path(), files, options);
        return *process;
    }
    Process& start() { return start(Process::Options()); }
};

inline std::string content_of(const FileBody& body) {
    std::string bytes;
    while (bytes.size() < body.size()) {
        const FileBody::Run run = body.at(bytes.size());
        std::string part(static_cast<std::size_t>(run.bytes), '\0');
        REQUIRE_FALSE(run.file->read(part, run.offset));
        bytes += part;
    }
    return bytes;
}

// What bring() gives in files, once it is there.
inline std::vector<EntryRef> files_of(TieredStore& store, const std::string& key) {
    std::vector<EntryRef> entries = brought(store, key);
    std::erase_if(entries, [](const EntryRef& entry) { return !entry->file(); });
    return entries;
}

inline Process::Options with_large_segments() {
    Process::Options options;
    options.segments = 4;
    options.segment_bytes = 2048 * kKiB;
    return options;
}

inline Process::Options on_a_large_disk() {
    Process::Options options;
    options.segments = 64;
    return options;
}

} // namespace gatehouse::cache::store::testing
