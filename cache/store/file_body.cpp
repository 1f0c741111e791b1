#include "cache/store/file_body.h"

#include <algorithm>
#include <utility>

namespace gatehouse::cache::store {

FileBody::FileBody(std::span<const Piece> pieces, std::shared_ptr<const Check> check)
    : pieces_(pieces.begin(), pieces.end()), check_(std::move(check)) {
    std::uint64_t end = 0;
    for (const Piece& piece : pieces_) {
        end += piece.bytes;
        ends_.push_back(end);
        if (files_.empty() || files_.back() != piece.file.get()) {
            files_.push_back(piece.file.get());
        }
    }
}

std::size_t FileBody::piece_at(std::uint64_t position) const noexcept {
    return static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), position) - ends_.begin());
}

FileBody::Run FileBody::at(std::uint64_t position) const noexcept {
    const std::size_t index = piece_at(position);
    const Piece& piece = pieces_[index];
    const std::uint64_t left = ends_[index] - position;
    return {piece.file.get(), piece.offset + (piece.bytes - left), left};
}

bool FileBody::is_given_up() const noexcept {
    return std::any_of(files_.begin(), files_.end(), [](const disk::File* file) { return file->is_given_up(); });
}

bool FileBody::is_at_hand(std::uint64_t first, std::uint64_t bytes) const {
    while (bytes > 0) {
        const Run run = at(first);
        const std::uint64_t part = std::min(run.bytes, bytes);
        if ((check_ && !check_->is_done(piece_at(first))) || !run.file->is_at_hand(run.offset, part)) {
            return false;
        }
        first += part;
        bytes -= part;
    }
    return true;
}

FileBody::Run FileBody::run_to_read(std::uint64_t first, std::uint64_t bytes) const noexcept {
    const std::size_t index = piece_at(first);
    if (check_ && !check_->is_done(index)) { // as a whole
        const Piece& piece = pieces_[index];
        return {piece.file.get(), piece.offset, piece.bytes};
    }
    Run run = at(first);
    run.bytes = std::min(run.bytes, bytes);
    return run;
}

bool FileBody::read_in(std::uint64_t first, std::uint64_t bytes) const {
    constexpr std::uint64_t kStepBytes = 256 * 1024;
    std::vector<char> room(static_cast<std::size_t>(std::min(bytes, kStepBytes)));
    while (bytes > 0) {
        const std::size_t index = piece_at(first);
        const Run run = at(first);
        const bool is_unchecked = check_ && !check_->is_done(index);
        const std::uint64_t part = std::min({run.bytes, bytes, is_unchecked ? run.bytes : kStepBytes});
        const bool is_right = is_unchecked ? check_->run(index)
                                           : !run.file->read({room.data(), static_cast<std::size_t>(part)}, run.offset);
        if (!is_right) {
            return false;
        }
        first += part;
        bytes -= part;
    }
    return true;
}

} // namespace gatehouse::cache::store
