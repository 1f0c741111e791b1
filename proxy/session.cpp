// The connection loop of the client side.
#include "proxy/session.h"

#include "http/ascii.h"
#include "http/forwarding.h"
#include "proxy/head_parser.h"
#include "proxy/session_registry.h"
#include "proxy/spawn.h"
#include "proxy/tunnel.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>
#include <vector>

#include <sys/socket.h>

namespace gatehouse::proxy {

using http::Error;
using http::ErrorKind;

namespace {
// Pipelined answers that may queue up before they are sent.
constexpr std::uint64_t kPipelineBytes = 256 * 1024;
constexpr std::size_t kPipelineAnswers = 64;
constexpr http::Duration kLingerTime{2'000};
constexpr std::uint64_t kLingerBytes = 256 * 1024;
constexpr std::size_t kLeftToKernelBytes = 4 * 1024; // of an answer whose connection is closed at once
} // namespace

// Stopping and closing sessions takes them out of the set: the walk is over a copy.
template <class Action>
void SessionRegistry::for_all(Action action) {
    const std::vector<std::shared_ptr<Session>> all(sessions_.begin(), sessions_.end());
    for (const auto& session : all) {
        action(*session);
    }
}

void SessionRegistry::stop_all() {
    for_all([](Session& session) { session.stop(); });
}

void SessionRegistry::close_all() {
    for_all([](Session& session) { session.close(); });
}

Session::Session(Worker& worker, std::unique_ptr<PlainStream> socket)
    : worker_(worker),
      connection_(std::make_shared<ClientConnection>(worker.core, std::move(socket))),
      sink_(*connection_, worker.cache.store()),
      deadline_(worker.core.wheel(), &Session::on_deadline, this) {
    PeerFacts peer = peer_facts(connection_->stream->descriptor());
    connection_->address = std::move(peer.address);
    local_authority_ = std::move(peer.local_authority);
    connection_->trusted = peer.ip && worker_.trusted->contains(*peer.ip);
    client_.address = connection_->address;
    client_.default_authority = local_authority_;
    client_.trusted = connection_->trusted;
    worker_.core.metrics().connections_open.add();
}

Session::~Session() {
    worker_.sessions.fetch_sub(1, std::memory_order_relaxed);
    worker_.connections.total.fetch_sub(1, std::memory_order_relaxed);
    worker_.core.metrics().connections_open.sub();
}

void Session::start(Worker& worker, std::unique_ptr<PlainStream> socket) {
    auto session = std::make_shared<Session>(worker, std::move(socket));
    worker.registry.add(session);
    session->rest();
}

void Session::stop() {
    stopping_ = true;
    if (resting_ && connection_->input.empty()) {
        end();
    }
}

void Session::close() noexcept {
    if (resting_) {
        end();
    } else {
        connection_->stream->close();
    }
}

void Session::keep(std::string_view bytes) {
    std::string& input = connection_->input;
    if (bytes.empty()) {
        input.clear();
        return;
    }
    if (input.data() + input.size() == bytes.data() + bytes.size() && bytes.size() <= input.size()) {
        input.erase(0, input.size() - bytes.size()); // a view of what is kept already
    } else {
        input.assign(bytes);
    }
}

// Of a request that is refused before it is one.
void Session::begin_record(http::SteadyTime since) {
    ExchangeRecord& record = state_->record;
    const http::Duration ago = std::chrono::duration_cast<http::Duration>(worker_.core.turn_steady() - since);
    record.started_steady = since;
    record.started = worker_.core.turn_wall() - ago;
    record.client = client_.address;
}

// The response to the request in state_ is queued, or given up.
void Session::answered() {
    const OutputQueue& output = connection_->output;
    state_->ends_at = output.sent_bytes() + output.pending_bytes() + sink_.lost_bytes();
    unsent_.push_back(std::move(state_));
}

// What is queued has been sent, or never will be: now it is known what each client got.
void Session::settle_records() noexcept {
    const std::uint64_t sent = connection_->output.sent_bytes();
    worker_.core.metrics().bytes_sent.add(sent - sent_counted_);
    sent_counted_ = sent;
    for (auto& state : unsent_) {
        Exchange exchange(worker_, *state, sink_, client_);
        exchange.record(state->ends_at > sent ? state->ends_at - sent : 0);
        state->clear();
        worker_.states.give(std::move(state));
    }
    unsent_.clear();
}

// Everything that came is answered and everything queued is sent: the session waits for bytes, without a coroutine.
// False: there is nothing to wait for, the connection is to end.
bool Session::rest() {
    settle_records();
    worker_.states.give(std::move(state_));
    std::string& input = connection_->input;
    if (sink_.failed() || !connection_->stream->socket().is_open() || (stopping_ && input.empty())) {
        return false;
    }
    connection_->output.shrink();
    if (input.empty() && input.capacity() > sizeof(std::string)) {
        input = std::string();
    }
    await_bytes();
    if (!resting_) {
        resting_ = true;
        connection_->stream->set_reader(this);
    }
    return true;
}

void Session::await_bytes() noexcept {
    const config::Timeouts& timeouts = worker_.config->timeouts;
    const http::SteadyTime now = worker_.core.turn_steady();
    http::Duration wait = timeouts.idle;
    http::SteadyTime since = now;
    if (!connection_->input.empty() || !served_any_) {
        // A new connection owes us a head as much as a started one does.
        if (head_since_ == http::SteadyTime{}) {
            head_since_ = now;
        }
        since = head_since_;
        wait = timeouts.header;
    }
    if (wait <= http::Duration::zero()) {
        due_ = http::SteadyTime::max();
        return;
    }
    due_ = since + wait;
    if (armed_for_ == http::SteadyTime{} || due_ < armed_for_) {
        armed_for_ = due_;
        deadline_.arm(std::max(std::chrono::ceil<http::Duration>(due_ - now), http::Duration(1)));
    }
}

void Session::on_deadline(void* self) {
    auto& session = *static_cast<Session*>(self);
    session.armed_for_ = {};
    if (!session.resting_) {
        return; // armed anew when it rests again
    }
    const http::SteadyTime now = session.worker_.core.clock().steady_now();
    if (now < session.due_) {
        if (session.due_ != http::SteadyTime::max()) {
            session.armed_for_ = session.due_;
            session.deadline_.arm(std::chrono::ceil<http::Duration>(session.due_ - now));
        }
        return;
    }
    session.give_up_waiting();
}

void Session::give_up_waiting() {
    if (connection_->input.empty()) {
        end();
        return;
    }
    state_ = worker_.states.take();
    state_->head.clear();
    sink_.start(http::Version::Http11, false, worker_.config->timeouts.send);
    begin_record(head_since_);
    Exchange exchange(worker_, *state_, sink_, client_);
    exchange.refuse(Error(ErrorKind::RequestTimeout, "the request head did not arrive within timeouts.header"));
    answered();
    proceed(Step::End);
}

void Session::end() noexcept {
    if (std::exchange(ended_, true)) {
        return;
    }
    resting_ = false;
    deadline_.disarm();
    settle_records();
    connection_->output.clear();
    connection_->stream->close();
    if (state_) {
        state_->clear();
        worker_.states.give(std::move(state_));
    }
    worker_.registry.remove(shared_from_this());
}

// Parses the next head. Continue: state_ holds it and `bytes` begins behind it.
Session::Next Session::take_head(std::string_view& bytes) {
    const config::Limits& limits = worker_.config->limits;
    HeadLimits head_limits;
    head_limits.bytes = limits.head_bytes;
    head_limits.fields = limits.head_fields;
    head_limits.target_bytes = limits.target_bytes;
    if (bytes.empty()) {
        return Next::NeedInput;
    }
    if (!state_) {
        state_ = worker_.states.take();
    }
    HeadParse parse = parse_request_head(bytes, head_limits, state_->head);
    if (parse.state == HeadParse::State::Incomplete) {
        return Next::NeedInput;
    }
    head_since_ = {};
    served_any_ = true;
    if (parse.state == HeadParse::State::Bad) {
        state_->head.clear();
        return refuse(parse.error);
    }
    bytes.remove_prefix(parse.consumed);
    const http::Result<http::Framing> framing = http::request_framing(state_->head);
    if (!framing) {
        return refuse(framing.error());
    }
    if (state_->head.method_kind() == http::Method::Connect) {
        return refuse(Error(ErrorKind::UnsupportedMethod, "CONNECT is not supported"));
    }
    const bool keep_alive = !stopping_ && http::wants_keep_alive(state_->head.version, state_->head.fields);
    sink_.start(state_->head.version, keep_alive, worker_.config->timeouts.send);
    state_->framing = *framing;
    return Next::Continue;
}

// What is in state_ is no request.
Session::Next Session::refuse(const Error& error) {
    sink_.start(http::Version::Http11, false, worker_.config->timeouts.send);
    Exchange exchange(worker_, *state_, sink_, client_);
    begin_record(worker_.core.turn_steady());
    exchange.refuse(error);
    answered();
    return Next::Close;
}

// The hit path: no coroutine in between. False: the request has to wait for something.
bool Session::serve_at_once() {
    Exchange exchange(worker_, *state_, sink_, client_);
    if (!exchange.begin()) {
        return false;
    }
    answered();
    return true;
}

// Answers what can be answered at once, in order. `bytes` is what has been read and not used; the rest is kept.
Session::Step Session::advance(std::string_view bytes) {
    for (;;) {
        const Next next = take_head(bytes);
        if (next == Next::Close) {
            lingering_ = true;
            return Step::End;
        }
        if (next == Next::NeedInput) {
            keep(bytes);
            return Step::Read;
        }
        const http::Framing& framing = state_->framing;
        const bool has_content = framing.kind == http::Framing::Kind::Chunked || framing.length > 0;
        if (has_content || !serve_at_once()) {
            keep(bytes); // the scratch buffer does not survive a suspension
            return Step::Wait;
        }
        if (!sink_.keep_alive()) {
            lingering_ = !bytes.empty();
            return Step::End;
        }
        if (sink_.pending_bytes() > kPipelineBytes || unsent_.size() >= kPipelineAnswers) {
            keep(bytes);
            return Step::Flush;
        }
    }
}

// Bytes have come: one recv into the core's scratch buffer takes what is there.
void Session::on_readable() noexcept {
    std::vector<char>& scratch = worker_.core.scratch();
    const ssize_t got = connection_->stream->try_read(std::span<char>(scratch));
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return;
    }
    if (got <= 0) {
        end();
        return;
    }
    worker_.core.metrics().bytes_received.add(static_cast<std::uint64_t>(got));
    std::string& input = connection_->input;
    std::string_view bytes(scratch.data(), static_cast<std::size_t>(got));
    if (!input.empty()) {
        input.append(bytes);
        bytes = input;
    }
    proceed(advance(bytes));
}

// After a step that was made without waiting: rests, ends, or starts the coroutine that waits.
void Session::proceed(Step step) {
    while (step == Step::Flush && sink_.try_flush() && !sink_.failed()) {
        settle_records();
        step = advance(connection_->input);
    }
    if (step == Step::Read && sink_.try_flush()) {
        if (!rest()) {
            end();
        } else if (connection_->stream->socket().may_read()) {
            connection_->stream->socket().read_again();
        }
        return;
    }
    if (step == Step::End && sink_.try_flush() && !has_to_linger()) {
        end();
        return;
    }
    resting_ = false;
    connection_->stream->set_reader(nullptr);
    spawn_logged(worker_.core.coroutines(), "session", serve(shared_from_this(), step));
}

awaitable<void> Session::serve([[maybe_unused]] std::shared_ptr<Session> self, Step step) {
    const EndOnException guard(*this);
    bool open = true;
    while (open) {
        if (step == Step::Wait) {
            open = co_await serve_waiting();
        } else {
            const bool sent = co_await sink_.flush();
            settle_records();
            open = sent && step != Step::End;
        }
        if (open) {
            step = advance(connection_->input);
            if (step == Step::Read && sink_.try_flush()) {
                if (rest()) {
                    co_return;
                }
                open = false;
            }
        }
    }
    const bool sent = co_await sink_.flush();
    if (sent && has_to_linger()) {
        co_await linger();
    }
    end();
}

// A request that has content or needs the origin. Returns whether the connection goes on.
awaitable<bool> Session::serve_waiting() {
    RequestState& state = *state_;
    const auto expect = state.head.fields.first("Expect");
    const bool expects =
        expect && http::iequals(*expect, "100-continue") && state.head.version == http::Version::Http11;
    std::shared_ptr<RequestBody> body;
    std::shared_ptr<TunnelSlot> tunnel_slot;
    Exchange exchange(worker_, state, sink_, client_);
    const bool has_content = state.framing.kind == http::Framing::Kind::Chunked || state.framing.length > 0;
    if (has_content) {
        body = std::make_shared<RequestBody>(connection_, state.framing, expects, worker_.config->timeouts);
    }
    // Without content begin() has been asked already, and said that there is something to wait for.
    const bool done = has_content && exchange.begin();
    if (state.facts.upgrade) {
        tunnel_slot = std::make_shared<TunnelSlot>();
    }
    if (!done) {
        exchange.launch(body, tunnel_slot);
    }
    // Answers to pipelined requests before this one do not wait for its origin, nor does its fetch, which others may
    // wait for, wait until this client has taken them.
    const bool sent = co_await sink_.flush();
    settle_records();
    if (!done && sent) {
        co_await exchange.finish(body, tunnel_slot);
    } else if (!done) {
        exchange.abandon();
    }
    if (body) {
        state.record.request_body_bytes = body->received();
    }
    const bool switched = tunnel_slot && tunnel_slot->lease;
    if (switched && !sink_.failed()) {
        state.record.status = 101;
        co_await tunnel(*tunnel_slot);
        answered();
        co_return false;
    }
    if (body && !body->done()) {
        const bool settled = co_await settle_body(*body);
        if (!settled) {
            sink_.close_after();
        }
    }
    answered();
    const bool goes_on = sink_.keep_alive();
    if (!goes_on && body && !body->done() && !sink_.failed()) {
        const bool all_sent = co_await sink_.flush();
        settle_records();
        if (all_sent) {
            co_await linger();
        }
    }
    co_return goes_on;
}

void Session::on_body_deadline(void* context) { static_cast<Event*>(context)->signal(); }

// Content that nobody read: dropped within limits.drain_size, or the connection ends. A client must never be able to
// smuggle a request inside content that a cached answer left unread (CVE-2025-4366).
awaitable<bool> Session::settle_body(RequestBody& body) {
    if (body.failed()) {
        co_return false;
    }
    const bool sent = co_await sink_.flush();
    if (!sent) {
        co_return false;
    }
    if (body.pumping) {
        body.discard = true;
        Deadline deadline(worker_.core.wheel(), &Session::on_body_deadline, &body.pump_ended);
        deadline.arm(worker_.config->timeouts.body);
        while (body.pumping && !deadline.expired()) {
            co_await body.pump_ended.wait();
        }
        co_return body.done() && !body.failed();
    }
    if (body.expects_continue()) {
        co_return false; // whether it will come is the client's choice: only a new connection is clear
    }
    const bool drained = co_await body.drain(worker_.config->limits.drain_bytes);
    co_return drained;
}

awaitable<void> Session::tunnel(TunnelSlot& slot) {
    http::ResponseHead head = slot.head;
    const std::string protocol = slot.head.fields.combined("Upgrade"); // a 101 without it was refused
    http::remove_hop_by_hop(head.fields);
    head.fields.add("Connection", "Upgrade");
    head.fields.add("Upgrade", protocol);
    http::append_via(head.fields, head.version, "gatehouse");
    sink_.switch_protocols(head);
    sink_.content(slot.early);
    const bool sent = co_await sink_.flush();
    if (!sent) {
        co_return;
    }
    worker_.core.metrics().tunnels.add();
    co_await relay_tunnel(*connection_, slot.lease.stream(), worker_.config->timeouts.tunnel_idle,
                          worker_.config->timeouts.send);
}

// Whether a plain close could lose the answer before it (RFC 9112 section 9.6): unread input makes the kernel send a
// reset, and of sockets that no program owns it drops what is unsent when its memory runs short.
bool Session::has_to_linger() const noexcept {
    return lingering_ || connection_->stream->socket().unacknowledged_bytes() > kLeftToKernelBytes;
}

// Our side ends first, and what still comes is dropped until the client ends its side or kLingerTime is over.
awaitable<void> Session::linger() {
    co_await connection_->stream->finish_sending(kLingerTime);
    const auto until = worker_.core.clock().steady_now() + kLingerTime;
    constexpr std::size_t kBuffer = 16 * 1024;
    const auto buffer = std::make_unique<char[]>(kBuffer);
    const std::span<char> room(buffer.get(), kBuffer);
    std::uint64_t dropped = 0;
    while (dropped < kLingerBytes) {
        const auto left = std::chrono::duration_cast<http::Duration>(until - worker_.core.clock().steady_now());
        if (left <= http::Duration::zero()) {
            break;
        }
        const IoResult got = co_await connection_->stream->read_some(room, left);
        if (!got.ok()) {
            break;
        }
        dropped += got.bytes;
    }
}

} // namespace gatehouse::proxy
