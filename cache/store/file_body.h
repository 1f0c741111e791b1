// A stored body that lies in files of the disk store: it is sent from there, and never in memory as a whole.
//
// Where its pieces lie nothing is written any more: a segment that is used again gets a new file. So a body is what it
// was for as long as somebody holds it.
#pragma once

#include "cache/store/disk_files.h"

#include <boost/container/small_vector.hpp>

#include <cstdint>
#include <memory>
#include <span>

namespace gatehouse::cache::store {

class FileBody {
public:
    static constexpr std::uint64_t kPageBytes = 4096; // of a file in the kernel's memory
    struct Piece {
        std::shared_ptr<const disk::File> file;
        std::uint64_t offset = 0; // in the file
        std::uint64_t bytes = 0;  // at least 1
    };
    // Pieces that have to be found right before they are sent. Any thread.
    class Check {
    public:
        virtual ~Check() = default;
        virtual bool is_done(std::size_t piece) const = 0;
        // Reads it and says whether it is right. It waits.
        virtual bool run(std::size_t piece) const = 0;
    };
    // Without a check all is known to be right.
    explicit FileBody(std::span<const Piece> pieces, std::shared_ptr<const Check> check = nullptr);

    bool is_in_one_piece() const noexcept { return pieces_.size() == 1 && !check_; }
    std::uint64_t size() const noexcept { return ends_.empty() ? 0 : ends_.back(); }
    // What lies at a position below size(), up to the end of its piece.
    struct Run {
        const disk::File* file = nullptr;
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
    };
    Run at(std::uint64_t position) const noexcept;
    bool begins_with_page_at(std::uint64_t position) const noexcept { return at(position).offset % kPageBytes == 0; }
    // Whether [first, first + bytes) is known to be right, and the kernel has all of it in memory, so that sending it
    // waits for no disk. False where it cannot say.
    bool is_at_hand(std::uint64_t first, std::uint64_t bytes) const;
    // Whether a file that this keeps is one whose space is wanted (disk::File::give_up).
    bool is_given_up() const noexcept;
    // Where read_in() reads first.
    Run run_to_read(std::uint64_t first, std::uint64_t bytes) const noexcept;
    // Checks it where that was not done, and has the kernel read it; waits for the disk. False: it is not right, or
    // cannot be read.
    bool read_in(std::uint64_t first, std::uint64_t bytes) const;

private:
    std::size_t piece_at(std::uint64_t position) const noexcept;

    // OPTIMIZATION: of a body in one piece all stands together, so that little of it has to come into a processor's cache.
    template <class Element>
    using OneOrMore = boost::container::small_vector<Element, 1>;
    OneOrMore<Piece> pieces_;
    std::shared_ptr<const Check> check_;
    OneOrMore<std::uint64_t> ends_;      // of each piece, in the body
    OneOrMore<const disk::File*> files_; // of the pieces: a few, where there are thousands of pieces
};

} // namespace gatehouse::cache::store
