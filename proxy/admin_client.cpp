// A one-shot HTTP client over Beast.
#include "proxy/admin_client.h"

#include "proxy/asio.h"
#include "proxy/spawn.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <optional>
#include <utility>

namespace gatehouse::proxy {

namespace beast_http = boost::beast::http;

namespace {

constexpr std::uint64_t kMaxReplyBytes = 1024 * 1024;

using Outcome = std::optional<http::Result<AdminReply>>;

http::Error failed(const http::Url& admin, std::string_view what, const error_code& error) {
    return http::Error(http::ErrorKind::Internal, std::string(what) + " http://" + admin.authority() + ": " +
                                                      error.message() +
                                                      "; is gatehouse running, and is this its admin.address?");
}

// All parameters outlive the coroutine: they belong to the caller who runs the loop.
asio::awaitable<void> exchange(const http::Url& admin, const beast_http::request<beast_http::string_body>& request,
                               Outcome& outcome) {
    const auto executor = co_await asio::this_coro::executor;
    asio::ip::tcp::resolver resolver(executor);
    error_code error;
    const auto endpoints = resolver.resolve(admin.host, std::to_string(admin.port), error);
    if (error) {
        outcome = failed(admin, "cannot resolve the name of", error);
        co_return;
    }
    boost::beast::tcp_stream stream(executor);
    stream.expires_after(kAdminClientTimeout);
    const auto [connect_error, endpoint] = co_await stream.async_connect(endpoints, kAwait);
    if (connect_error) {
        outcome = failed(admin, "cannot connect to", connect_error);
        co_return;
    }
    stream.expires_after(kAdminClientTimeout);
    const auto [write_error, written] = co_await beast_http::async_write(stream, request, kAwait);
    if (write_error) {
        outcome = failed(admin, "cannot send to", write_error);
        co_return;
    }
    stream.expires_after(kAdminClientTimeout);
    boost::beast::flat_buffer buffer;
    beast_http::response_parser<beast_http::string_body> parser;
    parser.body_limit(kMaxReplyBytes);
    const auto [read_error, received] = co_await beast_http::async_read(stream, buffer, parser, kAwait);
    if (read_error) {
        outcome = failed(admin, "no answer from", read_error);
        co_return;
    }
    AdminReply reply;
    reply.status = parser.get().result_int();
    reply.body = std::move(parser.get().body());
    outcome = std::move(reply);
}

} // namespace

http::Result<AdminReply> post_to_admin(const http::Url& admin, std::string path, std::string json) {
    beast_http::request<beast_http::string_body> request(beast_http::verb::post, path, 11);
    request.set(beast_http::field::host, admin.authority());
    request.set(beast_http::field::content_type, "application/json");
    request.set(beast_http::field::connection, "close");
    request.body() = std::move(json);
    request.prepare_payload();

    Outcome outcome;
    asio::io_context io(1);
    spawn_logged(io.get_executor(), "admin client", exchange(admin, request, outcome));
    io.run();
    if (!outcome) {
        return http::Error(http::ErrorKind::Internal, "the request to the admin listener ended unexpectedly");
    }
    return std::move(*outcome);
}

} // namespace gatehouse::proxy
