// Responses on one HTTP/1.x connection.
#pragma once

#include "cache/store/store.h"
#include "config/config.h"
#include "proxy/client_connection.h"
#include "proxy/response_sink.h"
#include "proxy/shared_text.h"

namespace gatehouse::proxy {

class Http1Sink final : public ResponseSink {
public:
    // `store` reads in what has left the kernel's memory before a slow client took it.
    Http1Sink(ClientConnection& connection, cache::store::Store& store) : connection_(connection), store_(store) {}

    // A new response begins, to a request of this version that wants (or not) the connection to stay open.
    void start(http::Version version, bool keep_alive, http::Duration send_timeout) noexcept;
    bool keep_alive() const noexcept { return keep_alive_ && !failed_; }
    // Queued bytes that will never be sent, since the start of the connection.
    std::uint64_t lost_bytes() const noexcept { return lost_bytes_; }
    // The answer to a protocol switch, as the origin gave it.
    void switch_protocols(const http::ResponseHead& head);

    void interim(const http::ResponseHead& head) override;
    void head(const Head& head) override;
    void stored(const Head& head, const cache::store::HeldEntry& entry) override;
    void own_response(const http::ResponseHead& head, std::string_view content, bool head_request,
                      const cache::policy::CacheResult* cache, std::string_view shown_key) override;
    void content(std::string_view bytes) override;
    void content(cache::store::Body::Cursor cursor, std::uint64_t bytes, std::shared_ptr<const void> owner) override;
    void content(std::shared_ptr<const cache::store::FileBody> body, std::uint64_t first,
                 std::uint64_t bytes) override;
    void end(const http::Fields* trailers) override;
    void abort() noexcept override;
    bool try_flush() noexcept override;
    awaitable<bool> flush() override;
    std::uint64_t pending_bytes() const noexcept override { return connection_.output.pending_bytes(); }
    bool head_sent() const noexcept override { return head_sent_; }
    bool failed() const noexcept override { return failed_; }
    bool file_failed() const noexcept override { return file_failed_; }
    void close_after() noexcept override { keep_alive_ = false; }

private:
    // Appends the fields that frame the content on this connection, and the end of the head.
    void finish_head(std::string& out, bool content_allowed, std::optional<std::uint64_t> length, bool content_follows);
    void append_head(std::string& out, const Head& head);
    SharedText::Ptr prepared(const Head& head, const cache::store::HeldEntry& entry);
    void begin_chunk(std::uint64_t bytes);
    OutputQueue::Flush flush_some() noexcept;
    awaitable<bool> flush_rest(OutputQueue::Flush flushed);
    awaitable<bool> read_in();
    // Nothing more is sent; what was queued is dropped.
    void give_up() noexcept;

    ClientConnection& connection_;
    cache::store::Store& store_;
    http::Duration send_timeout_{0};
    std::uint64_t lost_bytes_ = 0;
    http::Version version_ = http::Version::Http11;
    bool keep_alive_ = true;
    bool chunked_ = false;
    bool until_close_ = false; // the end of the connection is the end of the content
    bool ended_ = false;
    bool head_sent_ = false;
    bool failed_ = false;
    bool file_failed_ = false;
};

} // namespace gatehouse::proxy
