// Gathering text and body pieces into sendmsg calls, and what lies in files into sendfile calls.
#include "proxy/output_queue.h"

#include "proxy/stream_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <sys/sendfile.h>

namespace gatehouse::proxy {

namespace {
constexpr std::size_t kMaxPieces = 64;
constexpr std::size_t kKeepText = 4096; // what an idle connection may keep
} // namespace

std::string& OutputQueue::text() { return text_; }

void OutputQueue::append_body(cache::store::Body::Cursor cursor, std::uint64_t bytes,
                              std::shared_ptr<const void> owner) {
    if (bytes == 0) {
        return;
    }
    Segment& segment = add(bytes);
    segment.cursor = std::move(cursor);
    segment.owner = std::move(owner);
}

void OutputQueue::append_file(std::shared_ptr<const cache::store::FileBody> body, std::uint64_t first,
                              std::uint64_t bytes) {
    if (bytes == 0) {
        return;
    }
    Segment& segment = add(bytes);
    segment.file = std::move(body);
    segment.at = first;
}

void OutputQueue::append_text(SharedText::Ptr text) {
    if (!text->bytes.empty()) {
        Segment& segment = add(text->bytes.size());
        segment.shared = std::move(text);
    }
}

// A piece of so many bytes behind the text so far; valid until the next one is added.
OutputQueue::Segment& OutputQueue::add(std::uint64_t bytes) {
    Segment& segment = segments_.emplace_back();
    segment.text_end = text_.size();
    segment.bytes = bytes;
    sealed_ = text_.size();
    pending_body_ += bytes;
    return segment;
}

OutputQueue::Flush OutputQueue::try_flush(int descriptor) noexcept {
    while (!empty()) {
        const bool is_at_file =
            next_ < segments_.size() && segments_[next_].file && sent_text_ == segments_[next_].text_end;
        if (is_at_file && has_left_memory(segments_[next_])) {
            return Flush::NotAtHand;
        }
        const ssize_t sent = is_at_file ? send_file(descriptor, segments_[next_]) : send_pieces(descriptor);
        if (sent < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                ask_about_files_again();
                return Flush::WouldBlock;
            }
            error_ = errno;
            return Flush::Failed;
        }
        sent_ += static_cast<std::uint64_t>(sent);
        if (static_cast<std::uint64_t>(sent) == pending_bytes()) {
            clear();
            return Flush::Done;
        }
        consume(static_cast<std::uint64_t>(sent));
    }
    clear();
    return Flush::Done;
}

// The client takes its time.
void OutputQueue::ask_about_files_again() noexcept {
    for (std::size_t i = next_; i < segments_.size(); ++i) {
        segments_[i].is_at_hand = false;
    }
}

bool OutputQueue::has_left_memory(Segment& segment) noexcept {
    segment.is_at_hand = segment.is_at_hand || segment.file->is_at_hand(segment.at, segment.bytes);
    return !segment.is_at_hand;
}

// OPTIMIZATION: what is sent from a file leaves together with what comes before it, for a packet and a wake-up less: 7 to
// 13 % of the CPU of 100 kB. Only from the beginning of a page on: otherwise it was twice as slow, with the congestion
// control that paces (bench/README.md).
bool OutputQueue::leaves_with_text(Segment& segment) noexcept {
    return segment.file->begins_with_page_at(segment.at) && !has_left_memory(segment);
}

// Pieces of what is no file. Returns how many slots were filled; there is one at least.
std::size_t OutputQueue::peek(const Segment& segment, std::span<iovec> slots) {
    if (!segment.shared) {
        return segment.cursor.peek(slots, segment.bytes);
    }
    const char* const begin = segment.shared->bytes.data() + segment.at;
    slots.front() = {const_cast<char*>(begin), static_cast<std::size_t>(segment.bytes)}; // NOLINT: it is not written to
    return 1;
}

// As sendmsg(2): text and pieces of bodies, up to the next one that lies in a file.
ssize_t OutputQueue::send_pieces(int descriptor) noexcept {
    std::array<iovec, kMaxPieces> pieces;
    std::size_t count = 0;
    bool more = false;
    std::size_t text_at = sent_text_;
    const auto add_text = [&](std::size_t end) {
        if (end > text_at && count < kMaxPieces) {
            pieces[count++] = {text_.data() + text_at, end - text_at};
            text_at = end;
        }
    };
    for (std::size_t i = next_; i < segments_.size() && count + 2 < kMaxPieces; ++i) {
        add_text(segments_[i].text_end);
        if (segments_[i].file) {
            more = leaves_with_text(segments_[i]);
            break;
        }
        count += peek(segments_[i], std::span(pieces).subspan(count));
        if (count >= kMaxPieces) {
            break; // a long chain: the rest follows with the next call
        }
        if (i + 1 == segments_.size()) {
            add_text(text_.size());
        }
    }
    if (next_ == segments_.size()) {
        add_text(text_.size());
    }
    return proxy::send_pieces(descriptor, std::span(pieces).first(count), more);
}

// As sendfile(2). A file that has become shorter is an error: what was promised cannot be sent.
ssize_t OutputQueue::send_file(int descriptor, const Segment& segment) noexcept {
    const cache::store::FileBody::Run run = segment.file->at(segment.at);
    off_t offset = static_cast<off_t>(run.offset);
    const auto bytes = static_cast<std::size_t>(std::min(run.bytes, segment.bytes));
    const ssize_t sent = ::sendfile(descriptor, run.file->descriptor(), &offset, bytes);
    if (sent == 0) {
        errno = EIO;
        return -1;
    }
    return sent;
}

void OutputQueue::consume(std::uint64_t bytes) {
    while (bytes > 0) {
        const bool has_segment = next_ < segments_.size();
        const std::size_t text_end = has_segment ? segments_[next_].text_end : text_.size();
        if (sent_text_ < text_end) {
            const std::uint64_t part = std::min<std::uint64_t>(bytes, text_end - sent_text_);
            sent_text_ += part;
            bytes -= part;
            if (!has_segment) {
                sealed_ = std::max(sealed_, sent_text_);
            }
            continue;
        }
        if (!has_segment) {
            return;
        }
        Segment& segment = segments_[next_];
        const std::uint64_t part = std::min(bytes, segment.bytes);
        if (segment.file || segment.shared) {
            segment.at += part;
        } else {
            segment.cursor.advance(part);
        }
        segment.bytes -= part;
        pending_body_ -= part;
        bytes -= part;
        if (segment.bytes == 0) {
            segment.cursor = cache::store::Body::Cursor(); // lets go of its blocks at once, and then of what owns them
            segment.owner.reset();
            segment.file.reset();
            segment.shared.reset();
            ++next_;
        }
    }
}

void OutputQueue::clear() noexcept {
    segments_.clear();
    next_ = 0;
    text_.clear();
    sent_text_ = 0;
    sealed_ = 0;
    pending_body_ = 0;
}

void OutputQueue::shrink() noexcept {
    if (text_.capacity() > kKeepText) {
        text_ = std::string();
    }
    if (segments_.capacity() > 4) {
        segments_ = std::vector<Segment>();
    }
}

} // namespace gatehouse::proxy
