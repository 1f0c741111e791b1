#include "tests/support/scripted_origin.h"

#include <doctest/doctest.h>

#include <sys/socket.h>

namespace gatehouse::testing {

bool OriginExchange::read_head() {
    std::size_t end = 0;
    while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
        // An idle connection may stay silent for as long as the test likes: no safety time here.
        std::string room(16 * 1024, '\0');
        const ssize_t got = ::recv(socket_.descriptor(), room.data(), room.size(), 0);
        if (got <= 0) {
            return false;
        }
        input_.append(room, 0, static_cast<std::size_t>(got));
    }
    head_ = input_.substr(0, end + 4);
    input_.erase(0, end + 4);
    const std::string line = parse_head(head_, fields_);
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    if (first == last || line.substr(last) != " HTTP/1.1") {
        throw HarnessError("malformed request line: " + line);
    }
    method_ = line.substr(0, first);
    target_ = line.substr(first + 1, last - first - 1);
    std::uint64_t length = 0;
    const Ending ending = ending_of(fields_, length);
    reader_.start(ending, length);
    content_done_ = reader_.read(input_, content_, false);
    return true;
}

const std::string& OriginExchange::more_content() {
    const std::size_t before = content_.size();
    while (!content_done_ && content_.size() == before) {
        if (socket_.receive(input_) != Socket::Read::Bytes) {
            break;
        }
        content_done_ = reader_.read(input_, content_, false);
    }
    return content_;
}

const std::string& OriginExchange::content() {
    while (!content_done_) {
        const std::size_t before = content_.size();
        more_content();
        if (!content_done_ && content_.size() == before) {
            break;
        }
    }
    return content_;
}

bool OriginExchange::send(std::string_view bytes) { return socket_.is_open() && socket_.send(bytes); }

bool OriginExchange::reply(int status, std::string_view fields, std::string_view content) {
    std::string text = "HTTP/1.1 " + std::to_string(status) + " Scripted\r\n";
    text.append(fields);
    if (status != 304 && status != 204) {
        text.append("Content-Length: " + std::to_string(content.size()) + "\r\n");
    }
    text.append("\r\n");
    if (method_ != "HEAD") {
        text.append(content);
    }
    return send(text);
}

bool OriginExchange::ok(std::string_view cache_control, std::string_view content) {
    return reply(200, "Cache-Control: " + std::string(cache_control) + "\r\n", content);
}

std::string OriginExchange::receive() {
    if (input_.empty()) {
        socket_.receive(input_);
    }
    return std::exchange(input_, std::string());
}

void OriginExchange::await_close() {
    std::string rest;
    while (socket_.receive(rest) == Socket::Read::Bytes) {
    }
    close();
}

bool OriginExchange::pass(const std::string& gate) { return origin_.gates_.pass(gate); }
void OriginExchange::reach(const std::string& point) { origin_.gates_.reach(point); }
void OriginExchange::half_close() { socket_.half_close(); }

// The descriptor itself is closed by the connection's thread when the script has returned: another thread may be about
// to shut it down.
void OriginExchange::close() {
    const std::lock_guard lock(origin_.mutex_);
    socket_.close();
}

void OriginExchange::reset() {
    const std::lock_guard lock(origin_.mutex_);
    socket_.reset();
}

ScriptedOrigin::ScriptedOrigin() : listener_(Socket::listen()), port_(listener_.port()) {
    acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedOrigin::~ScriptedOrigin() {
    gates_.cancel();
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
        listener_.shut_down();
        for (Connection& connection : connections_) {
            connection.socket.shut_down();
        }
    }
    if (acceptor_.joinable()) {
        acceptor_.join();
    }
    for (Connection& connection : connections_) {
        connection.thread.join();
    }
    for (const std::string& failure : failures_) {
        FAIL_CHECK("the origin's script failed: " << failure);
    }
}

void ScriptedOrigin::refuse() {
    {
        const std::lock_guard lock(mutex_);
        listener_.shut_down();
        for (Connection& connection : connections_) {
            connection.socket.shut_down();
        }
    }
    acceptor_.join();
    // A socket that was shut down listens no more but keeps the port: connections are refused.
    await_connections_at_most(0);
}

void ScriptedOrigin::on(const std::string& target, Script script) {
    const std::lock_guard lock(mutex_);
    scripts_[target] = std::move(script);
}

void ScriptedOrigin::otherwise(Script script) {
    const std::lock_guard lock(mutex_);
    fallback_ = std::move(script);
}

ScriptedOrigin::Script ScriptedOrigin::script_for(const std::string& target) const {
    const std::lock_guard lock(mutex_);
    const auto found = scripts_.find(target);
    return found != scripts_.end() ? found->second : fallback_;
}

void ScriptedOrigin::accept_all() {
    for (;;) {
        Socket socket = listener_.accept();
        const std::lock_guard lock(mutex_);
        if (!socket.is_open() || ending_) {
            return;
        }
        Connection& connection = connections_.emplace_back();
        connection.socket = std::move(socket);
        connection.number = static_cast<std::size_t>(connections_made_++);
        ++open_connections_;
        changed_.notify_all();
        connection.thread = std::thread([this, &connection] { serve(connection); });
    }
}

void ScriptedOrigin::record(OriginExchange& exchange) {
    const std::lock_guard lock(mutex_);
    auto& heads = heads_[exchange.target_];
    heads.push_back(exchange.head_);
    exchange.number_ = static_cast<int>(heads.size());
    ++requests_;
    changed_.notify_all();
}

void ScriptedOrigin::serve(Connection& connection) {
    std::string input;
    try {
        while (connection.socket.is_open()) {
            OriginExchange exchange(*this, connection.socket, input);
            exchange.connection_ = connection.number;
            if (!exchange.read_head()) {
                break;
            }
            record(exchange);
            const Script script = script_for(exchange.target_);
            if (script) {
                script(exchange);
            } else {
                exchange.reply(404, "", "no script");
            }
            if (connection.socket.is_open()) {
                exchange.content();
            }
        }
    } catch (const HarnessError& error) {
        const std::lock_guard lock(mutex_);
        if (!ending_) {
            failures_.emplace_back(error.what());
        }
    }
    const std::lock_guard lock(mutex_);
    connection.socket.close();
    --open_connections_;
    changed_.notify_all();
}

int ScriptedOrigin::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

int ScriptedOrigin::requests(const std::string& target) const { return static_cast<int>(heads(target).size()); }

int ScriptedOrigin::connections() const {
    const std::lock_guard lock(mutex_);
    return connections_made_;
}

int ScriptedOrigin::open_connections() const {
    const std::lock_guard lock(mutex_);
    return open_connections_;
}

std::vector<std::string> ScriptedOrigin::heads(const std::string& target) const {
    const std::lock_guard lock(mutex_);
    const auto found = heads_.find(target);
    return found == heads_.end() ? std::vector<std::string>() : found->second;
}

void ScriptedOrigin::await_requests(const std::string& target, int count) {
    std::unique_lock lock(mutex_);
    const bool come = changed_.wait_for(lock, kSafetyTime, [&] {
        const auto found = heads_.find(target);
        return found != heads_.end() && static_cast<int>(found->second.size()) >= count;
    });
    if (!come) {
        throw HarnessError("fewer than " + std::to_string(count) + " requests for " + target + " came");
    }
}

void ScriptedOrigin::await_connections_at_most(int count) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kSafetyTime, [&] { return open_connections_ <= count; })) {
        throw HarnessError("connections to the origin stay open");
    }
}

} // namespace gatehouse::testing
