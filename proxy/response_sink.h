// Where an exchange writes its response. HTTP/1.1 is one sink (proxy/http1_sink.h); a stream of HTTP/2 will be another.
//
// Calls queue in order; flush() hands over to the transport and is the back-pressure. An exchange never sees a socket.
#pragma once

#include "cache/policy/cache_status.h"
#include "cache/policy/response_assembly.h"
#include "cache/policy/stored_head.h"
#include "cache/store/body.h"
#include "cache/store/entry.h"
#include "cache/store/file_body.h"
#include "http/fields.h"
#include "http/message.h"
#include "proxy/asio.h"
#include "proxy/awaitable.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace gatehouse::proxy {

class ResponseSink {
public:
    // A head made from a stored (or just received) one.
    struct Head {
        const cache::policy::Assembly& assembly;
        const cache::policy::StoredHead& stored;
        const cache::policy::CacheResult& cache;
        std::optional<std::uint64_t> complete_length; // of the representation
        std::optional<std::uint64_t> content_length;  // of what follows, or would follow a GET; nullopt: unknown
        bool content_follows = true;                  // false: answer to HEAD, 204, 304
        std::optional<std::int64_t> age_seconds;      // Age (RFC 9111 section 5.1)
        bool ignored_wishes = false;                  // the client is told that its Cache-Control did nothing
        std::string_view shown_key = {};              // the cache key where Cache-Status is to show it
    };

    virtual ~ResponseSink() = default;
    // 1xx; dropped for clients that do not know them (HTTP/1.0).
    virtual void interim(const http::ResponseHead& head) = 0;
    virtual void head(const Head& head) = 0;
    // Head and content of a stored response, as a whole; its body is in memory, and `head` is of its stored head.
    virtual void stored(const Head& head_of_entry, const cache::store::HeldEntry& entry) {
        head(head_of_entry);
        content(entry.open_body(), entry->body_size(), nullptr);
    }
    // A response of our own; its content follows in `content`. `cache` may be null; `shown_key` as in Head.
    virtual void own_response(const http::ResponseHead& head, std::string_view content, bool head_request,
                              const cache::policy::CacheResult* cache, std::string_view shown_key) = 0;
    // Pieces of the content; the caller keeps to what the head announced.
    virtual void content(std::string_view bytes) = 0;
    virtual void content(cache::store::Body::Cursor cursor, std::uint64_t bytes,
                         std::shared_ptr<const void> owner) = 0;
    // [first, first + bytes) of a body that lies in files; the caller sees to it that no disk has to be waited for.
    virtual void content(std::shared_ptr<const cache::store::FileBody> body, std::uint64_t first,
                         std::uint64_t bytes) = 0;
    // The response is whole. Trailer fields are sent where the framing has a place for them.
    virtual void end(const http::Fields* trailers) = 0;
    // The response cannot be completed: the client must be able to see that it is not whole.
    virtual void abort() noexcept = 0;

    virtual bool try_flush() noexcept = 0;    // true: nothing is left to send
    virtual awaitable<bool> flush() = 0;      // false: the client is gone or takes nothing
    virtual std::uint64_t pending_bytes() const noexcept = 0;
    virtual bool head_sent() const noexcept = 0; // of this response: it is too late for another one
    virtual bool failed() const noexcept = 0;
    // It failed because of a file, not of the client.
    virtual bool file_failed() const noexcept { return false; }
    // After this response the connection is closed.
    virtual void close_after() noexcept = 0;
};

} // namespace gatehouse::proxy
