// The floor: a bare epoll loop that answers every request with the same bytes. It parses nothing but the end of a head,
// keeps connections open, and sends until all is sent. What a proxy costs above it is what the proxy does.
//
//   epoll_responder PORT FILE     FILE holds the whole response, head and content
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
#include <unistd.h>

namespace {

struct Connection {
    std::string input;        // of a request that is not complete
    std::size_t pending = 0;  // bytes of the response still to be sent
    std::size_t owed = 0;     // whole responses after that one
};

int listen_on(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 1024) != 0) {
        std::perror("epoll_responder: listen");
        std::exit(1);
    }
    return fd;
}

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

// False: the connection is finished.
bool send_what_is_owed(int fd, Connection& connection, const std::string& response) {
    for (;;) {
        if (connection.pending == 0) {
            if (connection.owed == 0) {
                return true;
            }
            --connection.owed;
            connection.pending = response.size();
        }
        const char* from = response.data() + (response.size() - connection.pending);
        const ssize_t sent = ::send(fd, from, connection.pending, MSG_NOSIGNAL);
        if (sent < 0) {
            return errno == EAGAIN;
        }
        connection.pending -= static_cast<std::size_t>(sent);
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: epoll_responder PORT FILE\n");
        return 2;
    }
    std::ifstream file(argv[2], std::ios::binary);
    const std::string response((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const int listener = listen_on(std::atoi(argv[1]));
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
