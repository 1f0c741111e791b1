// One client connection: heads in, exchanges one after another (pipelined ones answered with one send), keep-alive,
// limits and deadlines. The only file that knows the wire version of the client side.
#pragma once

#include "proxy/client_connection.h"
#include "proxy/exchange.h"
#include "proxy/http1_sink.h"
#include "proxy/worker.h"

#include <memory>
#include <string>

namespace gatehouse::proxy {

class Session : public std::enable_shared_from_this<Session> {
public:
    Session(Worker& worker, std::unique_ptr<PlainStream> socket);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Serves the connection to its end. `self` keeps the session alive meanwhile.
    awaitable<void> run(std::shared_ptr<Session> self);
    // Takes no further request; an idle connection is closed at once. On the session's core.
    void stop();
    void close() noexcept { connection_->stream->close(); }

private:
    enum class Next : std::uint8_t { Continue, NeedInput, Close };

    awaitable<bool> read_more();
    Next take_head(std::string_view& bytes);
    bool serve_at_once();
    awaitable<bool> serve_waiting();
    awaitable<bool> settle_body(RequestBody& body);
    awaitable<void> tunnel(TunnelSlot& slot);
    awaitable<void> linger();
    void keep(std::string_view bytes);
    static void on_body_deadline(void* context);

    Worker& worker_;
    std::shared_ptr<ClientConnection> connection_;
    Http1Sink sink_;
    std::unique_ptr<RequestState> state_;
    std::string local_authority_;
    ClientFacts client_;
    http::SteadyTime head_since_{}; // first byte of the head that is incomplete
    bool idle_ = false;             // waiting between requests
    bool stopping_ = false;
    bool served_any_ = false;
};

} // namespace gatehouse::proxy
