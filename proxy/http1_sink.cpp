// Serialising responses for HTTP/1.0 and 1.1 clients (RFC 9112).
#include "proxy/http1_sink.h"

#include "cache/store/load.h"
#include "http/framing.h"
#include "http/short_text.h"
#include "proxy/load_wait.h"
#include "proxy/prepared_response.h"
#include "proxy/response_head_text.h"

#include <cerrno>

#include <sys/socket.h>

namespace gatehouse::proxy {

namespace policy = cache::policy;

void Http1Sink::start(http::Version version, bool keep_alive, http::Duration send_timeout) noexcept {
    version_ = version;
    keep_alive_ = keep_alive;
    send_timeout_ = send_timeout;
    chunked_ = false;
    until_close_ = false;
    ended_ = false;
    head_sent_ = false;
}

void Http1Sink::interim(const http::ResponseHead& head) {
    // RFC 9110 section 15.2: a server must not send a 1xx to an HTTP/1.0 client.
    if (version_ == http::Version::Http10 || head_sent_) {
        return;
    }
    std::string& out = connection_.output.text();
    append_status_line(out, head.status);
    out.append(head.fields.serialised()).append("\r\n");
}

void Http1Sink::finish_head(std::string& out, bool content_allowed, std::optional<std::uint64_t> length,
                            bool content_follows) {
    http::ShortText<128> lines;
    chunked_ = false;
    if (content_allowed) {
        if (length) {
            (lines << "Content-Length: ").number(*length) << "\r\n";
        } else if (content_follows) {
            if (version_ == http::Version::Http11) {
                // RFC 9112 section 6.1: content of unknown length is chunked, so that its end can be told from a break.
                chunked_ = true;
                lines << "Transfer-Encoding: chunked\r\n";
            } else {
                keep_alive_ = false; // RFC 9112 section 6.3: the close is the end
                until_close_ = true;
            }
        }
    }
    if (!keep_alive_) {
        lines << "Connection: close\r\n";
    } else if (version_ == http::Version::Http10) {
        lines << "Connection: keep-alive\r\n";
    }
    lines << "\r\n";
    out.append(lines.view());
    head_sent_ = true;
}

void Http1Sink::append_head(std::string& out, const Head& head) {
    append_response_head(out, head);
    finish_head(out, !http::status_has_no_content(head.assembly.status), head.content_length, head.content_follows);
}

void Http1Sink::head(const Head& head) { append_head(connection_.output.text(), head); }

void Http1Sink::stored(const Head& head, const cache::store::HeldEntry& entry) {
    if (SharedText::Ptr text = prepared(head, entry)) {
        connection_.output.append_text(std::move(text));
    } else {
        ResponseSink::stored(head, entry);
    }
}

// Null: the entry is none of those that the core keeps or has too much content, the head depends on more than Facts say,
// or it is the first one of its kind.
SharedText::Ptr Http1Sink::prepared(const Head& head, const cache::store::HeldEntry& entry) {
    const bool may_be_prepared =
        entry.companion() != nullptr && entry->body_size() <= PreparedResponse::kMostContentBytes &&
        head.assembly.kind == policy::Assembly::Kind::Whole && head.assembly.client == nullptr &&
        head.assembly.withheld.empty() && head.shown_key.empty() && head.content_follows &&
        head.content_length == entry->body_size();
    if (!may_be_prepared) {
        return nullptr;
    }
    const PreparedResponse::Facts facts{head.stored.field_lines.data(), head.cache, head.age_seconds,
                                        head.assembly.status, version_, keep_alive_, head.ignored_wishes};
    std::unique_ptr<cache::store::Companion>& place = *entry.companion();
    if (!place) {
        place = std::make_unique<PreparedResponse>(facts);
        return nullptr;
    }
    auto& response = static_cast<PreparedResponse&>(*place);
    if (!response.has_same(facts)) {
        return nullptr;
    }
    chunked_ = false;
    head_sent_ = true;
    return response.text([&](std::string& out) {
        append_head(out, head);
        entry.open_body().copy_to(out, entry->body_size());
    });
}

void Http1Sink::own_response(const http::ResponseHead& head, std::string_view content, bool head_request,
                             const policy::CacheResult* cache, std::string_view shown_key) {
    std::string& out = connection_.output.text();
    append_own_head(out, head, connection_.core.clock().wall_now(), cache, shown_key);
    finish_head(out, !http::status_has_no_content(head.status), content.size(), !head_request);
    if (!head_request && !http::status_has_no_content(head.status)) {
        out.append(content);
    }
}

void Http1Sink::switch_protocols(const http::ResponseHead& head) {
    std::string& out = connection_.output.text();
    append_status_line(out, head.status);
    out.append(head.fields.serialised()).append("\r\n");
    head_sent_ = true;
    keep_alive_ = false;
}

void Http1Sink::begin_chunk(std::uint64_t bytes) {
    append_number(connection_.output.text(), bytes, 16);
    connection_.output.append("\r\n");
}

void Http1Sink::content(std::string_view bytes) {
    if (bytes.empty()) {
        return; // an empty chunk would end the content
    }
    if (chunked_) {
        begin_chunk(bytes.size());
    }
    connection_.output.append(bytes);
    if (chunked_) {
        connection_.output.append("\r\n");
    }
}

void Http1Sink::content(cache::store::Body::Cursor cursor, std::uint64_t bytes, std::shared_ptr<const void> owner) {
    if (bytes == 0) {
        return;
    }
    if (chunked_) {
        begin_chunk(bytes);
    }
    connection_.output.append_body(std::move(cursor), bytes, std::move(owner));
    if (chunked_) {
        connection_.output.append("\r\n");
    }
}

void Http1Sink::content(std::shared_ptr<const cache::store::FileBody> body, std::uint64_t first,
                        std::uint64_t bytes) {
    if (chunked_ && bytes > 0) {
        begin_chunk(bytes);
    }
    connection_.output.append_file(std::move(body), first, bytes);
    if (chunked_ && bytes > 0) {
        connection_.output.append("\r\n");
    }
}

void Http1Sink::end(const http::Fields* trailers) {
    ended_ = true;
    if (!chunked_) {
        return;
    }
    std::string& out = connection_.output.text();
    out.append("0\r\n");
    if (trailers != nullptr) {
        for (const auto line : *trailers) {
            if (!http::is_forbidden_trailer(line.name)) {
                out.append(line.name).append(": ").append(line.value).append("\r\n");
            }
        }
    }
    out.append("\r\n");
    chunked_ = false;
}

void Http1Sink::give_up() noexcept {
    failed_ = true;
    keep_alive_ = false;
    const bool complete = ended_ && connection_.output.empty();
    if (until_close_ && !complete) {
        // An orderly end would make the client take what it has for the whole: the connection is reset instead.
        const linger reset{1, 0};
        ::setsockopt(connection_.stream->descriptor(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    lost_bytes_ += connection_.output.pending_bytes();
    connection_.output.clear();
}

void Http1Sink::abort() noexcept {
    give_up();
    connection_.stream->close();
}

OutputQueue::Flush Http1Sink::flush_some() noexcept {
    using Flush = OutputQueue::Flush;
    if (failed_) {
        return Flush::Done;
    }
    const Flush flushed = connection_.output.try_flush(connection_.stream->descriptor());
    if (flushed == Flush::WouldBlock) {
        connection_.stream->socket().found_no_room();
    } else if (flushed == Flush::Failed) {
        file_failed_ = connection_.output.error() == EIO; // a socket has other errors
        give_up();
        return Flush::Done;
    }
    return flushed;
}

bool Http1Sink::try_flush() noexcept { return flush_some() == OutputQueue::Flush::Done; }

awaitable<bool> Http1Sink::flush() {
    const OutputQueue::Flush flushed = flush_some();
    return flushed == OutputQueue::Flush::Done ? awaitable<bool>::ready(!failed_) : flush_rest(flushed);
}

awaitable<bool> Http1Sink::flush_rest(OutputQueue::Flush flushed) {
    for (; flushed != OutputQueue::Flush::Done; flushed = flush_some()) {
        bool goes_on = false;
        if (flushed == OutputQueue::Flush::NotAtHand) {
            goes_on = co_await read_in();
            file_failed_ = !goes_on;
        } else {
            // Between two successful writes: a client that takes a little now and then is the fetch's to judge.
            const IoResult ready = co_await connection_.stream->writable(send_timeout_);
            goes_on = ready.ok();
        }
        if (!goes_on) {
            give_up();
        }
    }
    co_return !failed_;
}

awaitable<bool> Http1Sink::read_in() {
    const OutputQueue::FilePart part = connection_.output.next_file();
    const std::shared_ptr<cache::store::Load> load = store_.read_in(part.body, part.first, part.bytes);
    const bool is_read = load && co_await wait_for(connection_.core, load, kLongestFileRead) && !load->has_failed();
    if (is_read && !failed_) {
        connection_.output.file_was_read_in();
    }
    co_return is_read;
}

} // namespace gatehouse::proxy
