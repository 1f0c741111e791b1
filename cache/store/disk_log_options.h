// What the disk store's log is opened with, and what opening it found.
#pragma once

#include <cstdint>
#include <string>

namespace gatehouse::cache::store::disk {

struct LogOptions {
    std::string directory;
    std::uint64_t segment_bytes = 64 * 1024 * 1024;
    std::uint32_t segments = 16; // at least kFewestSegments
    // Every read checks the body. Otherwise the first read does since the start or since the record was written, also
    // where this process wrote it: between its write and that read lies the disk. Heads are checked at every read.
    bool verify_always = false;
    unsigned max_variants = 32; // records kept for one hash of a key, at least 1; the oldest beyond it go
    // Of the metadata of records. A directory of another one begins anew.
    std::uint64_t metadata_version = 0;
};

// What opening a log found, for the program's log.
struct LogRecovery {
    std::uint64_t records = 0;          // in the index now
    std::uint32_t sealed_segments = 0;  // read by their footers
    std::uint32_t scanned_segments = 0; // read record by record
    std::uint32_t foreign_segments = 0; // of another version: left alone
    std::uint32_t damaged_segments = 0; // or of another store or size: to be filled anew
    bool began_anew = false;            // what was there is of another version, or not whole
    std::uint32_t removed_segments = 0; // the oldest, because there are to be fewer
    std::uint64_t largest_sequence = 0;
};

} // namespace gatehouse::cache::store::disk
