// Content upstream, framed anew, with a memory of what was sent.
#include "proxy/body_pump.h"

#include "http/framing.h"
#include "proxy/spawn.h"

#include <array>
#include <charconv>
#include <memory>

namespace gatehouse::proxy {

namespace {
constexpr std::size_t kPumpBuffer = 32 * 1024;
}

BodyPump::BodyPump(Core& core, std::shared_ptr<RequestBody> body, const http::Framing& framing,
                   const config::Config& config)
    : core_(core), body_(std::move(body)), framing_(framing), replay_limit_(config.limits.replay_bytes),
      drain_limit_(config.limits.drain_bytes), continue_timeout_(config.timeouts.expect_continue),
      continue_deadline_(core.wheel(), &BodyPump::on_continue_deadline, this) {}

void BodyPump::start(Stream& stream, std::shared_ptr<cache::Fetch> fetch, bool wait_for_continue,
                     http::Duration timeout) {
    stream_ = &stream;
    fetch_ = std::move(fetch);
    timeout_ = timeout;
    running_ = true;
    complete_ = false;
    body_->pumping = true;
    if (body_->is_in_memory()) {
        body_->rewind();
    }
    auto self = shared_from_this();
    BodyPump& reference = *self;
    spawn_logged(core_.coroutines(), "body pump",
                 reference.run(std::move(self), wait_for_continue && !body_->started()));
}

void BodyPump::on_continue_deadline(void* context) {
    auto* pump = static_cast<BodyPump*>(context);
    // RFC 9110 section 10.1.1: an origin that never heard of the expectation says nothing; go on without it.
    http::ResponseHead proceed;
    proceed.status = 100;
    pump->fetch_->add_interim(std::move(proceed));
    pump->waiting_for_continue_ = false;
    pump->continue_event_.signal();
}

bool BodyPump::go_ahead() {
    if (!waiting_for_continue_) {
        return false;
    }
    waiting_for_continue_ = false;
    continue_deadline_.disarm();
    continue_event_.signal();
    return true;
}

awaitable<void> BodyPump::detach() {
    stream_ = nullptr;
    continue_deadline_.disarm();
    if (waiting_for_continue_) {
        waiting_for_continue_ = false;
        continue_event_.signal();
    }
    while (writing_) {
        co_await left_stream_.wait();
    }
}

void BodyPump::remember(std::string_view content) {
    if (!replay_whole_ || body_->is_in_memory()) {
        return;
    }
    if (replay_.size() + content.size() > replay_limit_) {
        replay_whole_ = false;
        replay_ = std::string();
        return;
    }
    replay_.append(content);
}

awaitable<bool> BodyPump::write(std::span<iovec> pieces) {
    writing_ = true;
    const IoResult wrote = co_await stream_->write_all(pieces, timeout_);
    writing_ = false;
    left_stream_.signal();
    co_return wrote.ok() && stream_ != nullptr;
}

awaitable<bool> BodyPump::send_content(std::string_view content) {
    if (stream_ == nullptr || content.empty()) {
        co_return stream_ != nullptr;
    }
    std::array<char, 20> size_line{};
    std::size_t size_bytes = 0;
    if (framing_.kind == http::Framing::Kind::Chunked) {
        char* end = std::to_chars(size_line.data(), size_line.data() + 16, content.size(), 16).ptr;
        *end++ = '\r';
        *end++ = '\n';
        size_bytes = static_cast<std::size_t>(end - size_line.data());
    }
    char crlf[] = {'\r', '\n'};
    std::array<iovec, 3> pieces{};
    pieces[0] = {size_line.data(), size_bytes};
    pieces[1] = {const_cast<char*>(content.data()), content.size()}; // NOLINT: iovec knows no const
    pieces[2] = {crlf, size_bytes > 0 ? sizeof crlf : 0};
    const std::span<iovec> all(pieces);
    const bool ok = co_await write(all);
    co_return ok;
}

awaitable<bool> BodyPump::send_end() {
    if (stream_ == nullptr || framing_.kind != http::Framing::Kind::Chunked) {
        co_return stream_ != nullptr;
    }
    std::string end = "0\r\n";
    for (const auto line : body_->trailers()) {
        if (!http::is_forbidden_trailer(line.name)) {
            end.append(line.name).append(": ").append(line.value).append("\r\n");
        }
    }
    end.append("\r\n");
    iovec piece{end.data(), end.size()};
    const bool ok = co_await write(std::span(&piece, 1));
    co_return ok;
}

awaitable<void> BodyPump::run([[maybe_unused]] std::shared_ptr<BodyPump> self, bool wait_for_continue) {
    if (wait_for_continue) {
        waiting_for_continue_ = true;
        continue_deadline_.arm(continue_timeout_);
        co_await continue_event_.wait();
        if (stream_ != nullptr) {
            body_->continue_sent();
        } // otherwise the answer came first, and the client was told nothing: it may never send its content
    }
    bool sending = stream_ != nullptr;
    if (sending && !replay_.empty()) {
        sending = co_await send_content(replay_);
    }
    // A refused expectation: the client may never send its content, so nothing is read.
    const bool read = !wait_for_continue || sending;
    const auto buffer = std::make_unique<char[]>(kPumpBuffer);
    const std::span<char> room(buffer.get(), kPumpBuffer);
    while (read && !body_->done() && !body_->failed()) {
        const auto got = co_await body_->read_some(room);
        if (got.error) {
            client_error_ = got.error;
            if (stream_ != nullptr) {
                stream_->close(); // the origin must not take half a request for a whole one
            }
            break;
        }
        sending = sending && stream_ != nullptr;
        const std::string_view content(room.data(), got.bytes);
        remember(content); // also what is dropped here: another attempt has to send all of it
        if (sending) {
            sending = co_await send_content(content);
        } else {
            body_->discarded += got.bytes;
            if (body_->discarded > drain_limit_) {
                break;
            }
        }
    }
    if (sending && stream_ != nullptr && body_->done()) {
        complete_ = co_await send_end();
    }
    running_ = false;
    body_->pumping = false;
    body_->pump_ended.signal();
    left_stream_.signal();
}

} // namespace gatehouse::proxy
