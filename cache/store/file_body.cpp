#include "cache/store/file_body.h"

#include <algorithm>
#include <utility>

namespace gatehouse::cache::store {

FileBody::FileBody(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {
    std::uint64_t end = 0;
    for (const Piece& piece : pieces_) {
        end += piece.bytes;
        ends_.push_back(end);
    }
}

FileBody::Run FileBody::at(std::uint64_t position) const noexcept {
    const auto end = std::upper_bound(ends_.begin(), ends_.end(), position);
    const Piece& piece = pieces_[static_cast<std::size_t>(end - ends_.begin())];
    const std::uint64_t left = *end - position;
    return {piece.file.get(), piece.offset + (piece.bytes - left), left};
}

bool FileBody::is_at_hand(std::uint64_t first, std::uint64_t bytes) const noexcept {
    while (bytes > 0) {
        const Run run = at(first);
        const std::uint64_t part = std::min(run.bytes, bytes);
        if (!run.file->is_at_hand(run.offset, part)) {
            return false;
        }
        first += part;
        bytes -= part;
    }
    return true;
}

bool FileBody::read_in(std::uint64_t first, std::uint64_t bytes) const {
    constexpr std::uint64_t kStepBytes = 64 * 1024;
    std::vector<char> room(static_cast<std::size_t>(std::min(bytes, kStepBytes)));
    while (bytes > 0) {
        const Run run = at(first);
        const std::uint64_t part = std::min({run.bytes, bytes, kStepBytes});
        if (run.file->read({room.data(), static_cast<std::size_t>(part)}, run.offset)) {
            return false;
        }
        first += part;
        bytes -= part;
    }
    return true;
}

} // namespace gatehouse::cache::store
