// Reading request content: read-ahead first, then the socket, decoded in place.
#include "proxy/request_body.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace gatehouse::proxy {

using http::Error;
using http::ErrorKind;

RequestBody::RequestBody(std::shared_ptr<ClientConnection> connection, const http::Framing& framing,
                         bool expects_continue, const config::Timeouts& timeouts)
    : connection_(std::move(connection)), framing_(framing),
      timeout_(timeouts.body), remaining_(framing.length), expects_continue_(expects_continue) {
    done_ = framing.kind == http::Framing::Kind::None ||
            (framing.kind == http::Framing::Kind::Length && framing.length == 0);
    if (done_) {
        expects_continue_ = false;
    }
}

RequestBody::RequestBody(std::shared_ptr<const std::string> content)
    : framing_{http::Framing::Kind::Length, content->size()},
      timeout_(0),
      held_(std::move(content)) {
    rewind();
}

void RequestBody::put_back(std::shared_ptr<const std::string> content) noexcept {
    if (content->empty()) {
        return;
    }
    held_ = std::move(content);
    held_at_ = 0;
    held_is_last_ = done_;
    done_ = false;
}

void RequestBody::rewind() noexcept {
    held_at_ = 0;
    held_is_last_ = true;
    done_ = held_->empty();
}

RequestBody::Read RequestBody::read_held(std::span<char> room) noexcept {
    Read read;
    read.bytes = std::min(room.size(), held_->size() - held_at_);
    std::memcpy(room.data(), held_->data() + held_at_, read.bytes);
    held_at_ += read.bytes;
    if (held_at_ == held_->size()) {
        done_ = held_is_last_;
        if (!is_in_memory()) {
            held_.reset();
        }
    }
    read.done = done_;
    return read;
}

awaitable<RequestBody::Read> RequestBody::read_raw(std::span<char> room) {
    Read read;
    std::string& input = connection_->input;
    if (!input.empty()) {
        read.bytes = std::min(input.size(), room.size());
        std::memcpy(room.data(), input.data(), read.bytes);
        input.erase(0, read.bytes);
        co_return read;
    }
    const IoResult got = co_await connection_->stream->read_some(room, timeout_);
    switch (got.state) {
    case IoResult::State::Ok:
        read.bytes = got.bytes;
        connection_->core.metrics().bytes_received.add(static_cast<std::uint64_t>(got.bytes));
        break;
    case IoResult::State::TimedOut:
        read.error = Error(ErrorKind::RequestTimeout, "the request content did not arrive within timeouts.body");
        break;
    case IoResult::State::EndOfStream:
    case IoResult::State::Failed:
        read.error = Error(ErrorKind::ClientClosed, "the client closed before its request was complete");
        break;
    }
    co_return read;
}

awaitable<RequestBody::Read> RequestBody::read_some(std::span<char> room) {
    Read read;
    started_ = true;
    if (held_ && !done_) {
        co_return read_held(room);
    }
    while (!done_ && !failed_) {
        std::span<char> target = room;
        if (framing_.kind == http::Framing::Kind::Length) {
            target = room.first(static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), remaining_)));
        }
        read = co_await read_raw(target);
        if (read.error) {
            failed_ = true;
            co_return read;
        }
        if (framing_.kind == http::Framing::Kind::Length) {
            remaining_ -= read.bytes;
            received_ += read.bytes;
            done_ = remaining_ == 0;
            read.done = done_;
            co_return read;
        }
        const std::size_t raw = read.bytes;
        auto step = decoder_.decode(target.first(raw));
        if (!step) {
            failed_ = true;
            read.bytes = 0;
            read.error = step.take_error();
            co_return read;
        }
        if (step->done) {
            done_ = true;
            // What follows the last chunk is the next request.
            connection_->input.insert(0, target.data() + step->consumed, raw - step->consumed);
        }
        received_ += step->content;
        read.bytes = step->content;
        read.done = done_;
        if (read.bytes > 0) {
            co_return read;
        }
    }
    read.done = done_;
    co_return read;
}

awaitable<bool> RequestBody::drain(std::uint64_t limit) {
    // On the heap: a buffer in the frame would make every frame of this coroutine too large to be recycled.
    constexpr std::size_t kDrainBuffer = 16 * 1024;
    const auto buffer = std::make_unique<char[]>(kDrainBuffer);
    const std::span<char> room(buffer.get(), kDrainBuffer);
    std::uint64_t dropped = 0;
    while (!done_ && !failed_ && dropped <= limit) {
        const Read read = co_await read_some(room);
        dropped += read.bytes;
    }
    co_return done_ && !failed_;
}

} // namespace gatehouse::proxy
