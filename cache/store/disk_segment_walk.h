// Reads one segment of a disk store from its beginning to its end (docs/formats/disk.md), piece by piece, and says what
// stands in it and what is wrong with it. For who looks into a directory and must not change it.
#pragma once

#include "cache/store/disk_files.h"
#include "cache/store/disk_format.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::cache::store::disk {

// A file that is opened for reading only, and never made.
class ReadOnlyFile {
public:
    static FileResult<std::unique_ptr<ReadOnlyFile>> open(const std::string& path);
    ~ReadOnlyFile();
    ReadOnlyFile(const ReadOnlyFile&) = delete;
    ReadOnlyFile& operator=(const ReadOnlyFile&) = delete;
    // All of `bytes`; an error where the file ends before.
    FileError read(std::span<char> bytes, std::uint64_t offset) const;
    FileResult<std::uint64_t> size() const;

private:
    explicit ReadOnlyFile(int descriptor) noexcept : descriptor_(descriptor) {}
    int descriptor_;
};

// Something to be told of a file. What a kill leaves is told too, and is not wrong.
struct Finding {
    std::string file; // its name in the directory
    std::uint64_t offset = 0;
    std::string what;
    bool is_wrong = true;
};

enum class SegmentState : std::uint8_t {
    Free,         // never begun
    Sealed,       // its footer says what stands in it
    Unsealed,     // being filled, or its process was killed
    OtherVersion, // of the format
    OtherStore,   // written by another store than the directory's
    Damaged       // a start has it filled anew
};
inline constexpr std::size_t kSegmentStates = 6;

struct SegmentReport {
    static constexpr std::size_t kMostFindings = 1000; // the last one says that there are more

    std::string file;
    std::uint32_t number = 0;
    SegmentState state = SegmentState::Free;
    std::uint64_t generation = 0;
    std::uint64_t segment_bytes = 0;  // as its header says
    std::vector<FooterEntry> records; // in the order in which they stand; only of Sealed and Unsealed
    std::vector<Finding> findings;
};

enum class Depth : std::uint8_t {
    AsStart,  // footers of sealed segments, every byte of the others
    EveryByte // every checksum, and the zeros between
};

// A segment that is begun anew meanwhile is read again, a few times. `store`: nullopt when it is not known; then every
// segment is taken for one of the store.
SegmentReport walk_segment(const ReadOnlyFile& file, std::uint32_t number, const std::optional<StoreId>& store,
                           Depth depth);

} // namespace gatehouse::cache::store::disk
