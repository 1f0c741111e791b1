// The floor: a bare epoll loop that answers every request with the same bytes. It parses nothing but the end of a head,
// keeps connections open, and sends until all is sent. What a proxy costs above it is what the proxy does.
//
//   epoll_responder PORT FILE     FILE holds the whole response, head and content
#include "bench/load/sockets.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <unordered_map>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

constexpr std::size_t kResponsesAtOnce = 64;

struct Connection {
    std::string input;       // of a request that is not complete
    std::size_t pending = 0; // bytes of the response still to be sent
    std::size_t owed = 0;    // whole responses after that one
};

std::size_t count_heads(std::string_view bytes, std::size_t& used) {
    std::size_t heads = 0;
    used = 0;
    for (;;) {
        const std::size_t end = bytes.find("\r\n\r\n", used);
        if (end == std::string_view::npos) {
            return heads;
        }
        ++heads;
        used = end + 4;
    }
}

void forget_sent(Connection& connection, std::size_t sent, std::size_t response_size) {
    if (sent < connection.pending) {
        connection.pending -= sent;
        return;
    }
    sent -= connection.pending;
    connection.owed -= sent / response_size;
    connection.pending = 0;
    if (sent % response_size > 0) {
        --connection.owed;
        connection.pending = response_size - sent % response_size;
    }
}

// Responses that are owed for pipelined requests leave together, as many as fit. False: the connection is finished.
bool send_what_is_owed(int fd, Connection& connection, const std::string& response) {
    while (connection.pending > 0 || connection.owed > 0) {
        if (connection.pending == 0) {
            --connection.owed;
            connection.pending = response.size();
        }
        std::array<iovec, kResponsesAtOnce> parts{};
        char* const begin = const_cast<char*>(response.data());
        parts[0] = {begin + (response.size() - connection.pending), connection.pending};
        const std::size_t others = std::min(connection.owed, parts.size() - 1);
        std::fill_n(parts.begin() + 1, others, iovec{begin, response.size()});
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = others + 1;
        const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent < 0) {
            return errno == EAGAIN;
        }
        forget_sent(connection, static_cast<std::size_t>(sent), response.size());
    }
    return true;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: epoll_responder PORT FILE\n");
        return 2;
    }
    std::ifstream file(argv[2], std::ios::binary);
    const std::string response((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const int listener = gatehouse::bench::listen_on(std::atoi(argv[1]));
    const int poller = ::epoll_create1(0);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = listener;
    ::epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    std::unordered_map<int, Connection> connections;
    std::array<epoll_event, 256> ready{};
    std::array<char, 65536> buffer{};
    for (;;) {
        const int count = ::epoll_wait(poller, ready.data(), static_cast<int>(ready.size()), -1);
        for (int i = 0; i < count; ++i) {
            const int fd = ready[static_cast<std::size_t>(i)].data.fd;
            if (fd == listener) {
                const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
                if (accepted >= 0) {
                    const int on = 1;
                    ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
                    event.data.fd = accepted;
                    ::epoll_ctl(poller, EPOLL_CTL_ADD, accepted, &event);
                    connections[accepted] = Connection();
                }
                continue;
            }
            Connection& connection = connections[fd];
            bool open = true;
            if ((ready[static_cast<std::size_t>(i)].events & EPOLLIN) != 0) {
                const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
                if (got <= 0) {
                    open = got < 0 && errno == EAGAIN;
                } else {
                    std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
                    if (!connection.input.empty()) {
                        connection.input.append(bytes);
                        bytes = connection.input;
                    }
                    std::size_t used = 0;
                    connection.owed += count_heads(bytes, used);
                    connection.input = std::string(bytes.substr(used));
                }
            }
            if (!open || !send_what_is_owed(fd, connection, response)) {
                connections.erase(fd);
                ::close(fd);
            }
        }
    }
}
