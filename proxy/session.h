// One client connection: heads in, exchanges one after another (pipelined ones answered with one send), keep-alive,
// limits and deadlines. The only file that knows the wire version of the client side.
//
// A session rests between requests: it owns no coroutine and no buffer, and the poller tells it when bytes have come.
// What can be answered at once is answered right there. Only a request that has to wait (for its origin, for its
// content, for a client that does not read) starts a coroutine, which ends when the session can rest again.
#pragma once

#include "proxy/client_connection.h"
#include "proxy/exchange.h"
#include "proxy/http1_sink.h"
#include "proxy/worker.h"

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::proxy {

class Session final : public std::enable_shared_from_this<Session>, private StreamReader {
public:
    // Serves the connection to its end; the worker's registry keeps the session alive meanwhile. The listener has
    // counted the connection already; the session counts it off.
    static void start(Worker& worker, std::unique_ptr<PlainStream> socket);
    Session(Worker& worker, std::unique_ptr<PlainStream> socket);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Takes no further request; an idle connection is closed at once. On the session's core.
    void stop();
    void close() noexcept;

private:
    enum class Next : std::uint8_t { Continue, NeedInput, Close };
    // What has to happen before the next request can be taken.
    enum class Step : std::uint8_t {
        Read,  // more bytes have to come
        Flush, // so much is queued that the client has to take some of it
        Wait,  // the request in state_ cannot be answered at once
        End    // the connection ends when everything queued is sent
    };

    // An exception that leaves serve() is a bug; without a coroutine and without resting the session would never end.
    class EndOnException {
    public:
        explicit EndOnException(Session& session) : session_(session) {}
        ~EndOnException() {
            if (std::uncaught_exceptions() > before_) {
                session_.end();
            }
        }
        EndOnException(const EndOnException&) = delete;
        EndOnException& operator=(const EndOnException&) = delete;

    private:
        Session& session_;
        int before_ = std::uncaught_exceptions();
    };

    void on_readable() noexcept override;
    Step advance(std::string_view bytes);
    void proceed(Step step);
    bool rest();
    void await_bytes() noexcept;
    void end() noexcept;
    static void on_deadline(void* self);
    void give_up_waiting();
    awaitable<void> serve(std::shared_ptr<Session> self, Step step);

    Next take_head(std::string_view& bytes);
    Next refuse(const http::Error& error);
    bool serve_at_once();
    awaitable<bool> serve_waiting();
    awaitable<bool> settle_body(RequestBody& body);
    awaitable<void> tunnel(TunnelSlot& slot);
    bool has_to_linger() const noexcept;
    awaitable<void> linger();
    void keep(std::string_view bytes);
    void begin_record(http::SteadyTime since);
    void answered();
    void settle_records() noexcept;
    static void on_body_deadline(void* context);

    Worker& worker_;
    std::shared_ptr<ClientConnection> connection_;
    Http1Sink sink_;
    std::unique_ptr<RequestState> state_;
    std::string local_authority_;
    ClientFacts client_;
    http::SteadyTime head_since_{}; // first byte of the head that is incomplete
    // When the bytes it rests for are overdue. The deadline is armed for this time or an earlier one: moving the time
    // on with every request costs nothing, and a deadline that comes too early looks again.
    http::SteadyTime due_{};
    http::SteadyTime armed_for_{};
    Deadline deadline_;
    std::vector<std::unique_ptr<RequestState>> unsent_; // answered, and not yet sent as far as we know
    std::uint64_t sent_counted_ = 0;
    bool resting_ = false;
    bool lingering_ = false;
    bool stopping_ = false;
    bool served_any_ = false;
    bool ended_ = false;
};

} // namespace gatehouse::proxy
