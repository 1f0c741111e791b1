// How long the disk store takes to start: opens a log of many records after a clean end and after a kill, with its files
// in memory and without.
//
//   bench_disk_start DIRECTORY [RECORDS] [BODY_BYTES] [ROUNDS]
#include "cache/store/disk_log.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace disk = gatehouse::cache::store::disk;
namespace fs = std::filesystem;

namespace {

struct Setup {
    disk::LogOptions options;
    std::size_t records = 1'000'000;
    std::size_t body_bytes = 200;
    std::size_t rounds = 5;
};

[[noreturn]] void stop(const std::string& why) {
    std::cerr << "bench_disk_start: " << why << '\n';
    std::exit(1);
}

std::unique_ptr<disk::DiskLog> open_log(const Setup& setup, disk::Files& files, disk::DiskIndex& index,
                                        disk::LogRecovery& found) {
    auto log = disk::DiskLog::open(files, setup.options, index, found);
    if (!log) {
        stop("cannot open " + setup.options.directory + ": " + log.error().message());
    }
    return std::move(*log);
}

void append(disk::DiskLog& log, std::size_t number, std::size_t body_bytes) {
    const std::string key = "rules\napi\nexample.com\n/items/" + std::to_string(number) + "\n\n";
    const std::string metadata(120, 'm');
    const std::string body(body_bytes, 'b');
    disk::NewRecord record;
    record.key = key;
    record.metadata = metadata;
    record.body = body;
    record.total_bytes = body.size();
    record.sequence = number + 1;
    if (const auto written = log.append(record); !written) {
        stop("cannot write: " + written.error().message());
    }
}

void drop_from_memory(const std::string& directory) {
    for (const auto& entry : fs::directory_iterator(directory)) {
        const int descriptor = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
        ::fdatasync(descriptor);
        ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
        ::close(descriptor);
    }
}

// Milliseconds to open it. `open_records`: so many are appended before it ends without close(), as a kill ends it.
double open_once(const Setup& setup, std::size_t open_records, bool drops, disk::LogRecovery& found) {
    disk::PosixFiles files;
    {
        disk::DiskIndex index;
        disk::LogRecovery before;
        const auto log = open_log(setup, files, index, before);
        for (std::size_t i = 0; i < open_records; ++i) {
            append(*log, i, setup.body_bytes);
        }
        if (open_records == 0) {
            log->close();
        }
    }
    if (drops) {
        drop_from_memory(setup.options.directory);
    }
    disk::DiskIndex index;
    found = {};
    const auto begin = std::chrono::steady_clock::now();
    const auto log = open_log(setup, files, index, found);
    const auto end = std::chrono::steady_clock::now();
    return std::chrono::duration<double, std::milli>(end - begin).count();
}

void report(const Setup& setup, const std::string& what, std::size_t open_records, bool drops) {
    std::vector<double> times;
    disk::LogRecovery found;
    for (std::size_t round = 0; round < setup.rounds; ++round) {
        times.push_back(open_once(setup, open_records, drops, found));
    }
    std::sort(times.begin(), times.end());
    std::cout << what << ": median " << times[times.size() / 2] << " ms (" << times.front() << " to " << times.back()
              << "), " << found.records << " records, " << found.sealed_segments << " footers, "
              << found.scanned_segments << " scanned\n";
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        stop("usage: bench_disk_start DIRECTORY [RECORDS] [BODY_BYTES] [ROUNDS]");
    }
    Setup setup;
    setup.options.directory = argv[1];
    setup.records = argc > 2 ? std::stoul(argv[2]) : setup.records;
    setup.body_bytes = argc > 3 ? std::stoul(argv[3]) : setup.body_bytes;
    setup.rounds = argc > 4 ? std::stoul(argv[4]) : setup.rounds;
    const std::size_t record_bytes = setup.body_bytes + 512;
    const std::size_t per_segment = setup.options.segment_bytes / record_bytes;
    setup.options.segments = static_cast<std::uint32_t>(setup.records / per_segment + 8);
    {
        disk::PosixFiles files;
        disk::DiskIndex index;
        disk::LogRecovery found;
        const auto log = open_log(setup, files, index, found);
        const auto begin = std::chrono::steady_clock::now();
        for (std::size_t i = 0; i < setup.records; ++i) {
            append(*log, i, setup.body_bytes);
        }
        const auto end = std::chrono::steady_clock::now();
        std::cout << "written: " << std::chrono::duration<double, std::micro>(end - begin).count() /
                                        static_cast<double>(setup.records)
                  << " us a record, " << log->stats().bytes_written / 1'000'000 << " MB, "
                  << static_cast<double>(index.memory_bytes()) / static_cast<double>(index.size())
                  << " bytes of index an entry\n";
        log->close();
    }
    // Nearly a whole segment is open when it is killed.
    const std::size_t open_records = setup.options.segment_bytes / record_bytes;
    report(setup, "after a clean end", 0, false);
    report(setup, "after a clean end, not in memory", 0, true);
    report(setup, "after a kill", open_records, false);
    report(setup, "after a kill, not in memory", open_records, true);
}
