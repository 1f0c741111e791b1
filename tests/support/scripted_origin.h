// An origin server inside the test: real connections, each served by a thread that follows a script.
//
// A script is a function for one request; it blocks where it waits. It does exactly what it says: the bytes it sends
// are the bytes on the wire, well-formed or not. What the proxy sent is kept byte by byte.
#pragma once

#include "tests/support/gates.h"
#include "tests/support/message_reader.h"
#include "tests/support/socket.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gatehouse::testing {

class ScriptedOrigin;

// One request, as the script sees it.
class OriginExchange {
public:
    const std::string& head() const noexcept { return head_; } // raw, with the empty line
    const std::string& method() const noexcept { return method_; }
    const std::string& target() const noexcept { return target_; }
    const FieldLines& fields() const noexcept { return fields_; }
    std::string get(std::string_view name) const { return fields_.get(name); }
    int number() const noexcept { return number_; } // 1: the first request for this target
    std::size_t connection() const noexcept { return connection_; } // 0: the origin's first connection

    // The content, read to its end by its framing; "" when the proxy broke off (then whole() is false).
    const std::string& content();
    // At least one byte more of the content than before, or its end.
    const std::string& more_content();
    const FieldLines& trailers() const noexcept { return reader_.trailers(); }
    bool whole() const noexcept { return content_done_; }

    // False when the proxy has closed the connection.
    bool send(std::string_view bytes);
    // A response with a Content-Length. `fields` are whole lines, each with CR LF.
    bool reply(int status, std::string_view fields, std::string_view content);
    // 200 with this Cache-Control.
    bool ok(std::string_view cache_control, std::string_view content);
    // Raw bytes from the proxy, for what is no request; "" at the end.
    std::string receive();
    // Waits until the proxy has closed the connection.
    void await_close();
    // Waits until the test opens the gate. False: the test is over.
    bool pass(const std::string& gate);
    void reach(const std::string& point);
    void half_close();
    void close(); // after it no further request is read on this connection
    void reset();

private:
    friend class ScriptedOrigin;
    OriginExchange(ScriptedOrigin& origin, Socket& socket, std::string& input) noexcept
        : origin_(origin), socket_(socket), input_(input) {}
    bool read_head();

    ScriptedOrigin& origin_;
    Socket& socket_;
    std::string& input_;
    std::string head_;
    std::string method_;
    std::string target_;
    FieldLines fields_;
    ContentReader reader_;
    std::string content_;
    bool content_done_ = false;
    int number_ = 0;
    std::size_t connection_ = 0;
};

class ScriptedOrigin {
public:
    using Script = std::function<void(OriginExchange&)>;
    ScriptedOrigin();
    ~ScriptedOrigin(); // reports what went wrong in scripts as failed checks
    ScriptedOrigin(const ScriptedOrigin&) = delete;
    ScriptedOrigin& operator=(const ScriptedOrigin&) = delete;

    std::uint16_t port() const noexcept { return port_; }
    // What is done with requests for this target (path and query as the origin gets them). 404 without a script.
    void on(const std::string& target, Script script);
    void otherwise(Script script);
    Gates& gates() noexcept { return gates_; }
    void open(const std::string& gate) { gates_.open(gate); }
    void await(const std::string& point, int times = 1) { gates_.await(point, times); }

    // From now on connections are refused, and those that exist are closed.
    void refuse();

    int requests() const;
    int requests(const std::string& target) const;
    int connections() const;
    int open_connections() const;
    // Waits until that many requests have come in.
    void await_requests(const std::string& target, int count);
    // Waits until no more than that many connections are open.
    void await_connections_at_most(int count);
    // Raw heads in the order of their arrival.
    std::vector<std::string> heads(const std::string& target) const;

private:
    friend class OriginExchange;
    struct Connection {
        Socket socket;
        std::thread thread;
        std::size_t number = 0;
    };
    void accept_all();
    void serve(Connection& connection);
    void record(OriginExchange& exchange);
    Script script_for(const std::string& target) const;

    Socket listener_;
    std::uint16_t port_;
    Gates gates_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, Script> scripts_;
    Script fallback_;
    std::map<std::string, std::vector<std::string>> heads_;
    int requests_ = 0;
    int connections_made_ = 0;
    int open_connections_ = 0;
    bool ending_ = false;
    std::list<Connection> connections_;
    std::vector<std::string> failures_;
    std::thread acceptor_;
};

// A port of 127.0.0.1 that refuses connections for as long as this lives.
class RefusingPort {
public:
    RefusingPort() : socket_(Socket::listen(0)) {}
    std::uint16_t port() const { return socket_.port(); }

private:
    Socket socket_;
};

} // namespace gatehouse::testing
