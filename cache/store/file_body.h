// A stored body that lies in files of the disk store: it is sent from there, and never in memory as a whole.
//
// Where its pieces lie nothing is written any more: a segment that is used again gets a new file. So a body is what it was
// for as long as somebody holds it.
#pragma once

#include "cache/store/disk_files.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace gatehouse::cache::store {

class FileBody {
public:
    struct Piece {
        std::shared_ptr<const disk::File> file;
        std::uint64_t offset = 0; // in the file
        std::uint64_t bytes = 0;  // at least 1
    };
    explicit FileBody(std::vector<Piece> pieces);

    std::uint64_t size() const noexcept { return ends_.empty() ? 0 : ends_.back(); }
    // What lies at a position below size(), up to the end of its piece.
    struct Run {
        const disk::File* file = nullptr;
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
    };
    Run at(std::uint64_t position) const noexcept;
    // Whether the kernel has all of [first, first + bytes) in memory, so that sending it waits for no disk. False where
    // it cannot say.
    bool is_at_hand(std::uint64_t first, std::uint64_t bytes) const noexcept;
    // Has the kernel read it; waits for the disk. False: it cannot be read.
    bool read_in(std::uint64_t first, std::uint64_t bytes) const;

private:
    std::vector<Piece> pieces_;
    std::vector<std::uint64_t> ends_; // of each piece, in the body
};

} // namespace gatehouse::cache::store
