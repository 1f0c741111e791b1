// How long the disk store takes to start: opens a log of many records after a clean end and after a kill, with its
// files in memory and without.
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

disk::Location append(disk::DiskLog& log, std::size_t number, std::size_t body_bytes) {
    const std::string key = "rules\napi\nexample.com\n/items/" + std::to_string(number) + "\n\n";
    const std::string metadata(120, 'm');
    const std::string body(body_bytes, 'b');
    disk::NewRecord record;
    record.key = key;
    record.metadata = metadata;
    record.body = body;
    record.total_bytes = body.size();
    record.sequence = number + 1;
    const auto written = log.append(record);
    if (!written) {
        stop("cannot write: " + written.error().message());
    }
    return *written;
}

void drop_from_memory(const std::string& directory) {
    for (const auto& entry : fs::directory_iterator(directory)) {
        const int descriptor = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
        ::fdatasync(descriptor);
        ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
        ::close(descriptor);
    }
}

// Fills nearly a whole segment with records that take the place of older ones, and ends as a kill does. Returns the
// name of the segment that is open then; a copy of it is beside it.
std::string leave_open(const Setup& setup, std::size_t records) {
    disk::PosixFiles files;
    disk::DiskIndex index;
    disk::LogRecovery found;
    const auto log = open_log(setup, files, index, found);
    disk::Location last;
    for (std::size_t i = 0; i < records; ++i) {
        last = append(*log, i, setup.body_bytes);
    }
    std::string name = setup.options.directory + "/segment-" + std::to_string(last.segment);
    fs::copy_file(name, setup.options.directory + "/open-segment", fs::copy_options::overwrite_existing);
    return name;
}

// `open_segment`: empty, or what is open before each round.
void report(const Setup& setup, const std::string& what, const std::string& open_segment, bool drops) {
    std::vector<double> times;
    disk::LogRecovery found;
    for (std::size_t round = 0; round < setup.rounds; ++round) {
        if (!open_segment.empty()) {
            fs::copy_file(setup.options.directory + "/open-segment", open_segment,
                          fs::copy_options::overwrite_existing);
        }
        if (drops) {
            drop_from_memory(setup.options.directory);
        }
        disk::PosixFiles files;
        disk::DiskIndex index;
        found = {};
        const auto begin = std::chrono::steady_clock::now();
        const auto log = open_log(setup, files, index, found);
        const auto end = std::chrono::steady_clock::now();
        times.push_back(std::chrono::duration<double, std::milli>(end - begin).count());
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
        std::cout << "written: "
                  << std::chrono::duration<double, std::micro>(end - begin).count() / static_cast<double>(setup.records)
                  << " us a record, " << log->stats().bytes_written / 1'000'000 << " MB, "
                  << static_cast<double>(index.memory_bytes()) / static_cast<double>(index.size())
                  << " bytes of index an entry\n";
        log->close();
    }
    report(setup, "after a clean end", "", false);
    report(setup, "after a clean end, not in memory", "", true);
    const std::string open_segment = leave_open(setup, per_segment);
    report(setup, "after a kill", open_segment, false);
    report(setup, "after a kill, not in memory", open_segment, true);
}
