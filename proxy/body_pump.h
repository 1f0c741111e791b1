// Sends a request's content to an origin while the answer is already being awaited.
//
// One pump per request; it keeps what it has sent, up to limits.replay_size, so that the request can be sent again on
// another connection. When the origin answered early the pump is detached: it touches the origin's stream no more and
// drops what the client still sends, up to limits.drain_size, so that the client's connection can be reused.
#pragma once

#include "cache/fetch.h"
#include "proxy/request_body.h"

#include <memory>
#include <optional>
#include <string>

namespace gatehouse::proxy {

class BodyPump : public std::enable_shared_from_this<BodyPump> {
public:
    BodyPump(Core& core, std::shared_ptr<RequestBody> body, const http::Framing& framing,
             const config::Config& config);

    // Starts sending on this stream (again after detach(): replays first). The stream stays valid until detach() ends.
    void start(Stream& stream, std::shared_ptr<cache::Fetch> fetch, bool wait_for_continue, http::Duration timeout);
    // The origin said 100: content may flow. False when nobody waited for it.
    bool go_ahead();
    // Takes the stream away. Resumes when the pump no longer uses it.
    awaitable<void> detach();

    bool sending() const noexcept { return stream_ != nullptr && running_; }
    bool complete() const noexcept { return complete_; } // all content was sent
    // Everything sent so far is still here (or nothing was sent), and no coroutine is in the middle of it.
    bool can_replay() const noexcept {
        return !running_ && (replay_whole_ || !body_->started() || body_->is_in_memory());
    }
    // The client broke off, timed out, or sent malformed content.
    const std::optional<http::Error>& client_error() const noexcept { return client_error_; }

private:
    awaitable<void> run(std::shared_ptr<BodyPump> self, bool wait_for_continue);
    awaitable<bool> send_content(std::string_view content);
    awaitable<bool> send_end();
    awaitable<bool> write(std::span<iovec> pieces);
    void remember(std::string_view content);
    static void on_continue_deadline(void* context);

    Core& core_;
    std::shared_ptr<RequestBody> body_;
    http::Framing framing_;
    std::uint64_t replay_limit_;
    std::uint64_t drain_limit_;
    http::Duration continue_timeout_;
    http::Duration timeout_{0};
    Stream* stream_ = nullptr;
    std::shared_ptr<cache::Fetch> fetch_;
    std::string replay_;
    bool replay_whole_ = true;
    bool running_ = false;
    bool writing_ = false;
    bool complete_ = false;
    bool waiting_for_continue_ = false;
    std::optional<http::Error> client_error_;
    Event left_stream_;
    Event continue_event_;
    Deadline continue_deadline_;
};

} // namespace gatehouse::proxy
