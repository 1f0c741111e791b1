// What is to be sent on one client connection, in order: text of ours and pieces of bodies, without copying bodies.
//
// Several responses may queue up (pipelining) and leave with one sendmsg. A piece of a body pins its blocks until it
// has been sent, which is what makes a slow client visible to the fetch that fills them.
#pragma once

#include "cache/store/body.h"
#include "cache/store/file_body.h"
#include "proxy/shared_text.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>
#include <sys/uio.h>

namespace gatehouse::proxy {

class OutputQueue {
public:
    enum class Flush : std::uint8_t {
        Done,
        WouldBlock,
        NotAtHand, // what comes next lies in a file, and the disk would have to be waited for (next_file())
        Failed
    };

    // Text is appended in place; views into it are not kept across calls.
    std::string& text();
    void append(std::string_view bytes) { text().append(bytes); }
    // The next `bytes` of the body from the cursor on. `owner` keeps alive what the cursor needs.
    void append_body(cache::store::Body::Cursor cursor, std::uint64_t bytes, std::shared_ptr<const void> owner);
    void append_text(SharedText::Ptr text);

    // [first, first + bytes) of a body that lies in files, which the kernel sends from there. The caller sees to it
    // that the kernel has it in memory; what a socket had no room for may have left it when there is room again.
    void append_file(std::shared_ptr<const cache::store::FileBody> body, std::uint64_t first, std::uint64_t bytes);

    // Sends as much as the socket takes now. Precondition: SIGPIPE is ignored.
    Flush try_flush(int descriptor) noexcept;
    // After NotAtHand: what has to be read in; then it is sent whether or not it is still there.
    struct FilePart {
        std::shared_ptr<const cache::store::FileBody> body;
        std::uint64_t first = 0;
        std::uint64_t bytes = 0;
    };
    FilePart next_file() const { return {segments_[next_].file, segments_[next_].at, segments_[next_].bytes}; }
    void file_was_read_in() noexcept { segments_[next_].is_at_hand = true; }
    bool empty() const noexcept { return next_ == segments_.size() && sealed_ == text_.size(); }
    std::uint64_t pending_bytes() const noexcept { return pending_body_ + (text_.size() - sent_text_); }
    std::uint64_t sent_bytes() const noexcept { return sent_; } // since the start of the connection
    int error() const noexcept { return error_; }
    // Drops what was not sent.
    void clear() noexcept;
    // Gives back memory while the connection is idle. Requires: empty().
    void shrink() noexcept;

private:
    struct Segment {
        std::size_t text_end = 0; // text up to here comes before the body piece
        std::uint64_t bytes = 0;  // 0: text only
        // In this order: the cursor is destroyed first, because the body it reads from may go away with its owner.
        std::shared_ptr<const void> owner;
        cache::store::Body::Cursor cursor;
        std::shared_ptr<const cache::store::FileBody> file; // instead of the cursor,
        SharedText::Ptr shared;                             // or this,
        std::uint64_t at = 0;                               // from here on
        bool is_at_hand = true;                             // in the kernel's memory, as far as we know
    };
    Segment& add(std::uint64_t bytes);
    void ask_about_files_again() noexcept;
    static bool has_left_memory(Segment& segment) noexcept;
    static bool leaves_with_text(Segment& segment) noexcept;
    static std::size_t peek(const Segment& segment, std::span<iovec> slots);
    ssize_t send_pieces(int descriptor) noexcept;
    static ssize_t send_file(int descriptor, const Segment& segment) noexcept;
    void consume(std::uint64_t bytes);

    std::string text_;
    std::size_t sent_text_ = 0; // of text_
    std::size_t sealed_ = 0;    // text that belongs to a segment already
    std::vector<Segment> segments_;
    std::size_t next_ = 0;
    std::uint64_t pending_body_ = 0;
    std::uint64_t sent_ = 0;
    int error_ = 0;
};

} // namespace gatehouse::proxy
