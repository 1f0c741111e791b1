// The admin listener over real sockets. Time is driven by hand.
#include "proxy/admin.h"
#include "proxy/command_line.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <unistd.h>

using namespace gatehouse;
using namespace gatehouse::proxy;
using namespace std::chrono_literals;

namespace {

class HandClock final : public Clock {
public:
    http::WallTime wall_now() const noexcept override { return {}; }
    http::SteadyTime steady_now() const noexcept override { return http::SteadyTime(http::Duration(now_.load())); }
    void advance(http::Duration by) noexcept { now_.fetch_add(by.count()); }

private:
    std::atomic<std::int64_t> now_{1'000'000};
};

config::Address tcp_address(std::uint16_t port) {
    config::Address address;
    address.host = "127.0.0.1";
    address.port = port;
    address.text = "127.0.0.1:" + std::to_string(port);
    return address;
}

// An admin listener on a core with a thread of its own.
class Admin {
public:
    explicit Admin(config::Address address = tcp_address(0))
        : server_(std::make_unique<AdminServer>(core_, AdminOptions{std::move(address), {"admin.example"}},
                                                AdminHandlers{[] {
                                                                  return Readiness{{"listeners", true, ""}};
                                                              },
                                                              [] { return std::string(200'000, 'm'); },
                                                              [this](PurgeRequest request) {
                                                                  last_purge_ = std::move(request);
                                                                  return PurgeOutcome{4, 2};
                                                              },
                                                              [] { return ReloadOutcome{}; }})) {
        const http::Status started = server_->start();
        REQUIRE(started.ok());
        port_ = server_->port();
        thread_ = std::thread([this] { core_.run_asio(false); });
    }
    ~Admin() {
        on_core([this] {
            server_.reset();
            core_.finish();
        });
        thread_.join(); // nothing is left to do: the loop ends by itself
    }
    Admin(const Admin&) = delete;
    Admin& operator=(const Admin&) = delete;

    std::uint16_t port() const { return port_; }
    const std::optional<PurgeRequest>& last_purge() const { return last_purge_; }
    template <class Function>
    void on_core(Function function) {
        std::promise<void> done;
        core_.post([&] {
            function();
            done.set_value();
        });
        done.get_future().wait();
    }
    void stop() {
        on_core([this] { server_->stop(); });
    }
    void advance(http::Duration by) {
        clock_.advance(by);
        on_core([this] { core_.wheel().advance(); });
    }

private:
    HandClock clock_;
    Core core_{0, clock_, 0};
    std::optional<PurgeRequest> last_purge_;
    std::unique_ptr<AdminServer> server_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

class Client {
public:
    explicit Client(std::uint16_t port) : socket_(io_) {
        socket_.connect(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port));
    }
    void send(const std::string& text) {
        error_code ignored; // the other side may have closed already: what it said is what is looked at
        asio::write(socket_, asio::buffer(text), ignored);
    }
    // Until the other side closes.
    std::string read_all() {
        std::string text;
        error_code end;
        asio::read(socket_, asio::dynamic_buffer(text), end);
        return text;
    }
    // One answer with Content-Length; its head and content.
    std::string read_answer() {
        while (buffered_.find("\r\n\r\n") == std::string::npos) {
            REQUIRE(read_more());
        }
        const std::size_t content_at = buffered_.find("\r\n\r\n") + 4;
        const std::size_t length_at = buffered_.find("Content-Length: ");
        REQUIRE(length_at < content_at);
        const std::size_t size = content_at + std::stoul(buffered_.substr(length_at + 16));
        while (buffered_.size() < size) {
            REQUIRE(read_more());
        }
        const std::string answer = buffered_.substr(0, size);
        buffered_.erase(0, size);
        return answer;
    }
    // Whether the other side has closed, without waiting for it.
    bool is_closed() {
        pollfd facts{socket_.native_handle(), POLLIN, 0};
        return ::poll(&facts, 1, 10) > 0 && !read_more();
    }

private:
    bool read_more() {
        char room[4096];
        error_code end;
        const std::size_t count = socket_.read_some(asio::buffer(room), end);
        buffered_.append(room, count);
        return !end;
    }

    asio::io_context io_;
    asio::ip::tcp::socket socket_;
    std::string buffered_;
};

std::string request(const std::string& first_line, const std::string& fields = "Host: localhost\r\n",
                    const std::string& content = {}) {
    std::string text = first_line + " HTTP/1.1\r\n" + fields;
    if (!content.empty()) {
        text += "Content-Length: " + std::to_string(content.size()) + "\r\n";
    }
    return text + "\r\n" + content;
}

// One request on a connection of its own; everything that came back.
std::string ask(const Admin& admin, const std::string& first_line, const std::string& fields = "Host: localhost\r\n",
                const std::string& content = {}) {
    Client client(admin.port());
    client.send(request(first_line, fields + "Connection: close\r\n", content));
    return client.read_all();
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("admin: health over a socket, its fields, and HEAD without content") {
    const Admin admin;
    const std::string answer = ask(admin, "GET /healthz");
    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(answer.ends_with("\r\n\r\nok\n"));
    CHECK(contains(answer, "Content-Length: 3\r\n"));
    CHECK(contains(answer, "Cache-Control: no-store\r\n"));
    CHECK(contains(answer, "X-Content-Type-Options: nosniff\r\n"));
    CHECK(contains(answer, "Connection: close\r\n"));

    const std::string head = ask(admin, "HEAD /healthz");
    CHECK(contains(head, "Content-Length: 3\r\n"));
    CHECK(head.ends_with("\r\n\r\n"));
    CHECK(ask(admin, "GET /readyz").starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(ask(admin, "GET /metrics").ends_with("\r\n\r\n" + std::string(200'000, 'm')));
    CHECK(ask(admin, "GET /nowhere").starts_with("HTTP/1.1 404 Not Found\r\n"));
    const std::string wrong_method = ask(admin, "PUT /healthz");
    CHECK(wrong_method.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
    CHECK(contains(wrong_method, "Allow: GET, HEAD\r\n"));
}

TEST_CASE("admin: web pages and foreign hosts are refused") {
    const Admin admin;
    CHECK(ask(admin, "GET /metrics", "Host: localhost\r\nOrigin: null\r\n").starts_with("HTTP/1.1 403 "));
    CHECK(ask(admin, "GET /metrics", "Host: localhost\r\norigin:\r\n").starts_with("HTTP/1.1 403 "));
    CHECK(ask(admin, "GET /metrics", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n").starts_with("HTTP/1.1 403 "));
    CHECK(ask(admin, "GET /metrics", "Host: attacker.example\r\n").starts_with("HTTP/1.1 421 "));
    CHECK(ask(admin, "GET /metrics", "").starts_with("HTTP/1.1 400 "));
    CHECK(ask(admin, "GET /metrics", "Host: localhost\r\nHost: localhost\r\n").starts_with("HTTP/1.1 400 "));
    CHECK(ask(admin, "GET /metrics", "Host: admin.example\r\n").starts_with("HTTP/1.1 200 "));
}

TEST_CASE("admin: a purge reaches the handler, and what is wrong is explained") {
    const Admin admin;
    const std::string answer =
        ask(admin, "POST /purge", "Host: localhost\r\n", R"({"url":"https://api.example/v1/items?page=2"})");
    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(answer.ends_with("{\"purged\":2,\"sequence\":4}\n"));
    REQUIRE(admin.last_purge());
    CHECK(admin.last_purge()->authority == "api.example");
    CHECK(admin.last_purge()->query == "page=2");
    const std::string refused = ask(admin, "POST /purge", "Host: localhost\r\n", R"({"tag":"a"})");
    CHECK(refused.starts_with("HTTP/1.1 400 "));
    CHECK(contains(refused, "unknown member: tag"));
}

TEST_CASE("admin: the purge command reaches it") {
    const Admin admin;
    const std::string url = "http://127.0.0.1:" + std::to_string(admin.port());
    const char* const arguments[] = {"gatehouse", "purge", "--admin", url.c_str(), "/v1/*"};
    std::ostringstream out;
    std::ostringstream err;
    CHECK(run_command(parse_command_line(5, arguments), out, err) == kExitOk);
    CHECK(out.str() == "{\"purged\":2,\"sequence\":4}\n");
    CHECK(err.str().empty());
    REQUIRE(admin.last_purge());
    CHECK(admin.last_purge()->path == "/v1/");
    CHECK(admin.last_purge()->prefix);

    CommandLine refused = parse_command_line(5, arguments);
    refused.purge_json = R"({"tag":"a"})";
    CHECK(run_command(refused, out, err) == kExitFailed);
    CHECK(contains(err.str(), "answered 400: unknown member: tag"));
}

TEST_CASE("admin: one connection carries many requests, pipelined ones too") {
    const Admin admin;
    Client client(admin.port());
    client.send(request("GET /healthz"));
    CHECK(client.read_answer().ends_with("ok\n"));
    client.send(request("GET /healthz") + request("GET /version") + request("GET /healthz"));
    CHECK(client.read_answer().ends_with("ok\n"));
    CHECK(contains(client.read_answer(), "gatehouse"));
    CHECK(client.read_answer().ends_with("ok\n"));
}

TEST_CASE("admin: what is too large or malformed is answered and closed") {
    const Admin admin;
    CHECK(ask(admin, "GET /healthz", "Host: localhost\r\nX-Long: " + std::string(20'000, 'x') + "\r\n")
              .starts_with("HTTP/1.1 431 "));
    CHECK(ask(admin, "POST /purge", "Host: localhost\r\n", std::string(70'000, ' ')).starts_with("HTTP/1.1 413 "));
    CHECK(ask(admin, "GET /a b").starts_with("HTTP/1.1 400 "));
    Client client(admin.port());
    client.send("\x16\x03\x01 hello, TLS?\r\n\r\n");
    CHECK(client.read_all().starts_with("HTTP/1.1 400 "));
}

TEST_CASE("admin: a request that does not come to its end is cut, and an idle connection later") {
    Admin admin;
    Client slow(admin.port());
    slow.send("GET /healthz HTTP/1.1\r\n");
    Client idle(admin.port());
    idle.send(request("GET /healthz"));
    CHECK(idle.read_answer().ends_with("ok\n"));
    // Each step is far below the idle time. The first one may come before the slow request's deadline is set.
    int steps = 0;
    while (!slow.is_closed()) {
        admin.advance(AdminServer::kRequestTimeout + 200ms);
        REQUIRE(++steps < 8);
    }
    CHECK_FALSE(idle.is_closed());
    admin.advance(AdminServer::kIdleTimeout + 200ms);
    CHECK(idle.read_all().empty());
}

TEST_CASE("admin: connections beyond the limit are closed, and places are given back") {
    const Admin admin;
    std::vector<std::unique_ptr<Client>> clients;
    for (std::size_t i = 0; i < AdminServer::kMaxConnections; ++i) {
        clients.push_back(std::make_unique<Client>(admin.port()));
        clients.back()->send(request("GET /healthz"));
        CHECK(clients.back()->read_answer().ends_with("ok\n"));
    }
    Client refused(admin.port());
    CHECK(refused.read_all().empty());
    clients.front()->send(request("GET /healthz", "Host: localhost\r\nConnection: close\r\n"));
    CHECK(clients.front()->read_all().ends_with("ok\n"));
    std::string answer;
    while (answer.empty()) { // the place is free an instant after the end was seen
        answer = ask(admin, "GET /healthz");
    }
    CHECK(answer.ends_with("ok\n"));
}

TEST_CASE("admin: stop closes what is open and takes nothing new") {
    Admin admin;
    Client idle(admin.port());
    idle.send(request("GET /healthz"));
    CHECK(idle.read_answer().ends_with("ok\n"));
    Client half(admin.port());
    half.send("GET /heal");
    admin.stop();
    CHECK(idle.read_all().empty());
    CHECK(half.read_all().empty());
    CHECK_THROWS(Client(admin.port()));
    admin.stop();
}

TEST_CASE("admin: a taken port is an error that says what to do") {
    const Admin admin;
    HandClock clock;
    Core core(0, clock, 0);
    AdminServer second(core, AdminOptions{tcp_address(admin.port()), {}}, AdminHandlers{});
    const http::Status started = second.start();
    REQUIRE_FALSE(started.ok());
    CHECK(started.error().detail.starts_with("admin.address: "));
    CHECK(contains(started.error().detail, "127.0.0.1:" + std::to_string(admin.port())));
    CHECK(contains(started.error().detail, "another program listens there"));
}

TEST_CASE("admin: a Unix socket does as well, and its file goes with it") {
    config::Address address;
    address.kind = config::Address::Kind::Unix;
    address.path =
        (std::filesystem::temp_directory_path() / ("gatehouse-admin-" + std::to_string(::getpid()))).string();
    address.text = "unix:" + address.path;
    {
        const Admin admin(address);
        CHECK(admin.port() == 0);
        asio::io_context io;
        asio::local::stream_protocol::socket socket(io);
        socket.connect(asio::local::stream_protocol::endpoint(address.path));
        asio::write(socket, asio::buffer(request("GET /healthz", "Host: localhost\r\nConnection: close\r\n")));
        std::string answer;
        error_code end;
        asio::read(socket, asio::dynamic_buffer(answer), end);
        CHECK(answer.ends_with("ok\n"));
    }
    CHECK_FALSE(std::filesystem::exists(address.path));
}
