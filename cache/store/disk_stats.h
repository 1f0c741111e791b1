// What is counted of the disk below the memory store. Numbers since the start, but for those that say "now".
#pragma once

#include <cstdint>

namespace gatehouse::cache::store {

struct DiskStats {
    std::uint64_t objects = 0;        // now
    std::uint64_t bytes_index = 0;    // now; of memory
    std::uint64_t bytes_written = 0;  // headers, footers and what was written again included
    std::uint64_t bytes_admitted = 0; // of records that were written for the first time
    std::uint64_t records_rewritten = 0;
    std::uint64_t segments_reused = 0;
    std::uint64_t bad_segments = 0;      // now: set aside, because they could not be written
    std::uint64_t bytes_queued = 0;      // now: of entries that wait to be written
    std::uint64_t not_admitted = 0;      // stored for the first time while the disk is full
    std::uint64_t over_write_budget = 0; // not written for the write budget,
    std::uint64_t over_queue = 0;        // because too much waited already,
    std::uint64_t too_large = 0;         // or because it is larger than the disk takes
    std::uint64_t write_errors = 0;
    std::uint64_t from_files = 0;      // hits with their content in files
    std::uint64_t read_at_once = 0;    // records read on the thread that asked for them
    std::uint64_t read_by_readers = 0; // and by threads that may block
    std::uint64_t read_in_vain = 0;    // because the key changed meanwhile
    std::uint64_t reads_refused = 0;   // too many waited for the readers
    std::uint64_t read_errors = 0;
    bool is_failing = false; // now: the last write failed
};

} // namespace gatehouse::cache::store
