// An origin that answers /BYTES/ANYTHING with so many bytes, cacheable for a day, /BYTES/no-store/ANYTHING with what
// may not be stored, /BYTES/late/ANYTHING after 20 ms, /mixed/ANYTHING with 100 to 20,000 bytes, always as many for the
// same, and /count with the number of answers that it gave before. A bare epoll loop: it is not to be what is measured.
//
//   sized_origin PORT
#include "bench/load/sockets.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kStepBytes = 256 * 1024; // of a body, at once
constexpr std::chrono::milliseconds kLate{20};

struct Connection {
    std::string input;              // of requests that are not answered yet
    std::string head;               // what is left of a response's head
    std::uint64_t body_missing = 0; // and of its body
    bool waits = false;             // until it is late enough
};

std::string date_now() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::array<char, 64> text{};
    return {text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

// Each size is as likely as the others. FNV-1a, with its bits mixed once more, because its upper ones differ little
// between numbers that follow one another.
std::uint64_t mixed_size(std::string_view target) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char byte : target) {
        hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    }
    hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15;
    return 100 + (hash >> 32) % 19'901;
}

struct Late {
    Clock::time_point at;
    int fd;
};

class Origin {
public:
    explicit Origin(int port) : listener_(gatehouse::bench::listen_on(port)), poller_(::epoll_create1(0)), body_(kStepBytes, 'x') {
        watch(listener_, EPOLLIN);
    }

    [[noreturn]] void run() {
        std::array<epoll_event, 256> ready{};
        for (;;) {
            const int count =
                ::epoll_wait(poller_, ready.data(), static_cast<int>(ready.size()), milliseconds_to_next());
            answer_what_is_late_enough();
            for (int i = 0; i < count; ++i) {
                const epoll_event& event = ready[static_cast<std::size_t>(i)];
                if (event.data.fd == listener_) {
                    take_connection();
                } else if (!serve(event.data.fd, (event.events & EPOLLIN) != 0)) {
                    end(event.data.fd);
                }
            }
        }
    }

private:
    void watch(int fd, std::uint32_t events) const {
        epoll_event event{};
        event.events = events;
        event.data.fd = fd;
        ::epoll_ctl(poller_, EPOLL_CTL_ADD, fd, &event);
    }

    void take_connection() {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
        if (fd < 0) {
            return;
        }
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connections_[fd] = Connection();
        watch(fd, EPOLLIN | EPOLLOUT | EPOLLET);
    }

    void end(int fd) {
        connections_.erase(fd);
        std::erase_if(late_, [&](const Late& late) { return late.fd == fd; });
        ::close(fd);
    }

    int milliseconds_to_next() const {
        if (late_.empty()) {
            return -1;
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(late_.front().at - Clock::now());
        return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
    }

    void answer_what_is_late_enough() {
        while (!late_.empty() && late_.front().at <= Clock::now()) {
            const int fd = late_.front().fd;
            late_.pop_front();
            connections_[fd].waits = false;
            if (!serve(fd, false)) {
                end(fd);
            }
        }
    }

    // False: the connection is finished.
    bool serve(int fd, bool has_input) {
        Connection& connection = connections_[fd];
        if (has_input) {
            std::array<char, 16384> buffer{};
            const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
            if (got == 0 || (got < 0 && errno != EAGAIN)) {
                return false;
            }
            connection.input.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        }
        for (;;) {
            const bool has_sent_all = connection.head.empty() && connection.body_missing == 0;
            if (connection.waits || (has_sent_all && !begin_next(fd, connection))) {
                return true;
            }
            if (!send_on(fd, connection)) {
                return errno == EAGAIN;
            }
        }
    }

    // False: there is nothing to send yet.
    bool begin_next(int fd, Connection& connection) {
        const std::size_t end = connection.input.find("\r\n\r\n");
        if (end == std::string::npos) {
            return false;
        }
        const std::string target = connection.input.substr(4, connection.input.find(' ', 4) - 4); // after "GET "
        connection.input.erase(0, end + 4);
        if (target == "/count") {
            const std::string text = std::to_string(answers_);
            connection.head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text;
            return true;
        }
        ++answers_;
        connection.body_missing =
            target.starts_with("/mixed/") ? mixed_size(target) : std::strtoull(target.c_str() + 1, nullptr, 10);
        const bool may_be_stored = target.find("/no-store/") == std::string::npos;
        connection.head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: ";
        connection.head += may_be_stored ? "max-age=86400\r\nETag: \"bench\"" : "no-store";
        connection.head += "\r\nDate: " + date() + "\r\nContent-Length: ";
        connection.head += std::to_string(connection.body_missing) + "\r\n\r\n";
        connection.waits = target.find("/late/") != std::string::npos;
        if (connection.waits) {
            late_.push_back({Clock::now() + kLate, fd});
        }
        return !connection.waits;
    }

    // False: errno says why not all was sent.
    bool send_on(int fd, Connection& connection) const {
        while (!connection.head.empty() || connection.body_missing > 0) {
            const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(connection.body_missing, kStepBytes));
            std::array<iovec, 2> parts{
                {{connection.head.data(), connection.head.size()}, {const_cast<char*>(body_.data()), step}}};
            msghdr message{};
            message.msg_iov = parts.data();
            message.msg_iovlen = parts.size();
            const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
            if (sent < 0) {
                return false;
            }
            const std::size_t of_head = std::min(static_cast<std::size_t>(sent), connection.head.size());
            connection.head.erase(0, of_head);
            connection.body_missing -= static_cast<std::size_t>(sent) - of_head;
        }
        return true;
    }

    const std::string& date() {
        if (const std::time_t now = std::time(nullptr); now != date_at_) {
            date_at_ = now;
            date_ = date_now();
        }
        return date_;
    }

    const int listener_;
    const int poller_;
    const std::string body_;
    std::unordered_map<int, Connection> connections_;
    std::deque<Late> late_; // the next one first: all wait equally long
    std::uint64_t answers_ = 0;
    std::time_t date_at_ = 0;
    std::string date_;
};

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: sized_origin PORT\n");
        return 2;
    }
    Origin(std::atoi(argv[1])).run();
}
