// The sockets of the admin listener: Beast reads and writes, the wheel sets the deadlines.
#include "proxy/admin.h"

#include "proxy/admin_requests.h"
#include "proxy/listener.h"
#include "proxy/spawn.h"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <spdlog/spdlog.h>

#include <array>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gatehouse::proxy {

namespace beast_http = boost::beast::http;

namespace {

using Socket = asio::generic::stream_protocol::socket;

// A client that was refused is read from for a while, because closing with unread bytes resets the connection and
// with it the answer.
constexpr std::size_t kLingerBytes = 256 * 1024;

struct Session {
    Session(Core& core, int descriptor)
        : socket(core.io()),
          deadline(
              core.wheel(), [](void* self) { static_cast<Session*>(self)->close(); }, this) {
        const int on = 1;
        ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); // a Unix socket says no, rightly
        socket.assign(asio::generic::stream_protocol(AF_UNSPEC, 0), descriptor, failure);
        if (failure) {
            ::close(descriptor);
        }
    }
    // Ends whatever waits on the socket.
    void close() noexcept {
        deadline.disarm();
        error_code ignored;
        socket.close(ignored);
    }

    error_code failure; // of taking the descriptor over
    Socket socket;
    Deadline deadline;
    boost::beast::flat_buffer buffer{AdminServer::kMaxHeadBytes + AdminServer::kMaxBodyBytes};
    std::array<char, 4096> discarded{};
};

using Parser = beast_http::request_parser<beast_http::string_body>;

AdminRequest to_admin_request(const beast_http::request<beast_http::string_body>& message) {
    AdminRequest request;
    request.method = {message.method_string().data(), message.method_string().size()};
    request.target = {message.target().data(), message.target().size()};
    request.http10 = message.version() < 11;
    const auto [first, last] = message.equal_range(beast_http::field::host);
    for (auto line = first; line != last; ++line) {
        request.hosts.emplace_back(line->value().data(), line->value().size());
    }
    request.has_origin = message.find(beast_http::field::origin) != message.end();
    const auto site = message["Sec-Fetch-Site"];
    request.fetch_site = {site.data(), site.size()};
    request.body = message.body();
    return request;
}

// What a request that could not be read is answered with.
AdminAnswer answer_unreadable(const error_code& error) {
    if (error == beast_http::error::header_limit || error == beast_http::error::buffer_overflow) {
        return admin_error(431, "head_too_large", "The request line and fields are larger than 16 KiB.");
    }
    if (error == beast_http::error::body_limit) {
        return admin_error(413, "content_too_large", "The content is larger than 64 KiB.");
    }
    return admin_error(400, "bad_request", "The request is malformed.");
}

bool is_unreadable(const error_code& error) {
    return error.category() == beast_http::make_error_code(beast_http::error::bad_method).category() &&
           error != beast_http::error::end_of_stream && error != beast_http::error::partial_message;
}

beast_http::response<beast_http::string_body> to_response(AdminAnswer answer, unsigned version, bool keep_alive,
                                                          bool without_content) {
    beast_http::response<beast_http::string_body> response;
    response.result(static_cast<unsigned>(answer.status));
    response.version(version);
    response.set(beast_http::field::content_type, answer.content_type);
    response.set(beast_http::field::cache_control, "no-store");
    response.set("X-Content-Type-Options", "nosniff");
    if (!answer.allow.empty()) {
        response.set(beast_http::field::allow, answer.allow);
    }
    response.keep_alive(keep_alive);
    response.content_length(answer.body.size());
    if (!without_content) {
        response.body() = std::move(answer.body);
    }
    return response;
}

} // namespace

struct AdminServer::State : std::enable_shared_from_this<AdminServer::State> {
    State(Core& home, AdminOptions wanted, AdminHandlers callbacks)
        : core(home),
          options(std::move(wanted)),
          handlers(std::move(callbacks)),
          listener(core, options.address, config::Limits().unsent_bytes, [this](int descriptor) { take(descriptor); }) {
    }

    void take(int descriptor);
    void stop() noexcept;
    // Gives the place of a session back, however it ends.
    struct SessionGuard {
        SessionGuard(State& owner, std::shared_ptr<Session> held) : state(owner), session(std::move(held)) {}
        ~SessionGuard() {
            session->close();
            std::erase(state.sessions, session);
        }
        SessionGuard(const SessionGuard&) = delete;
        SessionGuard& operator=(const SessionGuard&) = delete;
        State& state;
        std::shared_ptr<Session> session;
    };

    static asio::awaitable<void> serve(std::shared_ptr<State> self, std::shared_ptr<Session> session);
    static asio::awaitable<bool> serve_one(State& self, Session& session);
    static asio::awaitable<bool> send(Session& session, AdminAnswer answer, unsigned version, bool keep_alive,
                                      bool is_head);
    static asio::awaitable<void> linger(Session& session);

    Core& core;
    AdminOptions options;
    AdminHandlers handlers;
    Listener listener;
    std::vector<std::shared_ptr<Session>> sessions;
    bool stopped = false;
};

void AdminServer::State::take(int descriptor) {
    if (stopped || sessions.size() >= kMaxConnections) {
        ::close(descriptor);
        return;
    }
    auto session = std::make_shared<Session>(core, descriptor);
    if (session->failure) {
        return;
    }
    sessions.push_back(session);
    spawn_logged(core.io().get_executor(), "admin session", serve(shared_from_this(), std::move(session)));
}

void AdminServer::State::stop() noexcept {
    if (std::exchange(stopped, true)) {
        return;
    }
    listener.stop();
    for (const auto& session : sessions) {
        session->close();
    }
}

asio::awaitable<void> AdminServer::State::serve(std::shared_ptr<State> self, std::shared_ptr<Session> session) {
    const SessionGuard guard(*self, session);
    bool goes_on = true;
    while (goes_on) {
        goes_on = co_await serve_one(*self, *session);
    }
}

// One request and its answer. False: the connection is done.
asio::awaitable<bool> AdminServer::State::serve_one(State& self, Session& session) {
    if (session.buffer.size() == 0) {
        session.deadline.arm(kIdleTimeout);
        const auto [idle_error] = co_await session.socket.async_wait(Socket::wait_read, kAwait);
        if (idle_error) {
            co_return false;
        }
    }
    session.deadline.arm(kRequestTimeout);
    Parser parser;
    parser.header_limit(kMaxHeadBytes);
    parser.body_limit(kMaxBodyBytes);
    const auto [error, bytes] = co_await beast_http::async_read(session.socket, session.buffer, parser, kAwait);
    if (self.stopped) {
        co_return false;
    }
    if (error) {
        if (is_unreadable(error)) {
            AdminAnswer refusal = answer_unreadable(error);
            const bool sent = co_await send(session, std::move(refusal), 11, false, false);
            if (sent) {
                co_await linger(session);
            }
        }
        co_return false;
    }
    const auto& message = parser.get();
    AdminAnswer answer = answer_admin_request(to_admin_request(message), self.options.allowed_hosts, self.handlers);
    const bool keep_alive = message.keep_alive();
    const bool is_head = message.method() == beast_http::verb::head;
    const bool sent = co_await send(session, std::move(answer), message.version(), keep_alive, is_head);
    co_return sent&& keep_alive && !self.stopped;
}

asio::awaitable<bool> AdminServer::State::send(Session& session, AdminAnswer answer, unsigned version, bool keep_alive,
                                               bool is_head) {
    session.deadline.arm(kResponseTimeout);
    auto response = to_response(std::move(answer), version, keep_alive, is_head);
    beast_http::response_serializer<beast_http::string_body> serializer(response);
    serializer.split(is_head); // the length of a HEAD is not that of its content
    if (is_head) {
        const auto [error, bytes] = co_await beast_http::async_write_header(session.socket, serializer, kAwait);
        co_return !error;
    }
    const auto [error, bytes] = co_await beast_http::async_write(session.socket, serializer, kAwait);
    co_return !error;
}

asio::awaitable<void> AdminServer::State::linger(Session& session) {
    session.deadline.arm(kLingerTimeout);
    error_code ignored;
    session.socket.shutdown(Socket::shutdown_send, ignored);
    for (std::size_t total = 0; total < kLingerBytes;) {
        const auto room = asio::buffer(session.discarded);
        const auto [error, bytes] = co_await session.socket.async_read_some(room, kAwait);
        if (error) {
            co_return;
        }
        total += bytes;
    }
}

AdminServer::AdminServer(Core& core, AdminOptions options, AdminHandlers handlers)
    : state_(std::make_shared<State>(core, std::move(options), std::move(handlers))) {}

AdminServer::~AdminServer() { stop(); }

http::Status AdminServer::start() {
    http::Status opened = state_->listener.open();
    if (opened) {
        opened = state_->listener.start();
    }
    if (!opened) {
        http::Error error = opened.take_error();
        error.detail = "admin.address: " + error.detail;
        return error;
    }
    return http::success();
}

void AdminServer::stop() noexcept { state_->stop(); }

std::uint16_t AdminServer::port() const noexcept { return state_->listener.port(); }

} // namespace gatehouse::proxy
