// The floor of content that is sent from a file: for each request a head, and then a piece of a file, each with one
// system call where the socket has room. It parses nothing, looks nothing up, and asks nobody whether the file is in
// memory.
//
//   sendfile_responder PORT HEAD_FILE CONTENT_FILE CONTENT_BYTES
//
// The pieces are CONTENT_BYTES long, as the head must say, and lie at random places of CONTENT_FILE.
#include "bench/load/sockets.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

struct Connection {
    std::size_t head_left = 0;
    std::size_t content_left = 0;
    off_t content_at = 0;
};

struct Content {
    std::string head;
    int descriptor = -1;
    std::size_t piece_bytes = 0;
    off_t pieces = 0;
};

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

Content open_content(char** arguments) {
    Content content;
    std::ifstream head(arguments[2], std::ios::binary);
    content.head.assign(std::istreambuf_iterator<char>(head), {});
    content.descriptor = ::open(arguments[3], O_RDONLY | O_CLOEXEC);
    struct stat found {};
    if (content.descriptor < 0 || ::fstat(content.descriptor, &found) != 0) {
        fail(arguments[3]);
    }
    content.piece_bytes = std::strtoull(arguments[4], nullptr, 10);
    content.pieces = found.st_size / static_cast<off_t>(content.piece_bytes);
    return content;
}

// False: the connection is finished.
bool send_what_is_owed(int fd, Connection& connection, const Content& content) {
    while (connection.head_left > 0 || connection.content_left > 0) {
        ssize_t sent = 0;
        if (connection.head_left > 0) {
            const std::string_view left =
                std::string_view(content.head).substr(content.head.size() - connection.head_left);
            sent = ::send(fd, left.data(), left.size(), MSG_NOSIGNAL);
            connection.head_left -= static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
        } else {
            sent = ::sendfile(fd, content.descriptor, &connection.content_at, connection.content_left);
            connection.content_left -= static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
        }
        if (sent <= 0) {
            return sent < 0 && errno == EAGAIN;
        }
    }
    return true;
}

void accept_one(int listener, int poller, std::vector<Connection>& connections) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.fd = fd;
    ::epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    connections.resize(std::max(connections.size(), static_cast<std::size_t>(fd) + 1));
    connections[static_cast<std::size_t>(fd)] = Connection();
}

} // namespace

int main(int count, char** arguments) {
    if (count != 5) {
        std::fputs("usage: sendfile_responder PORT HEAD_FILE CONTENT_FILE CONTENT_BYTES\n", stderr);
        return 2;
    }
    const Content content = open_content(arguments);
    const int listener = gatehouse::bench::listen_on(std::atoi(arguments[1]));
    const int poller = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event listening{};
    listening.events = EPOLLIN;
    listening.data.fd = listener;
    ::epoll_ctl(poller, EPOLL_CTL_ADD, listener, &listening);
    std::vector<Connection> connections;
    std::array<epoll_event, 256> ready{};
    std::array<char, 65536> buffer{};
    std::minstd_rand random(1); // NOLINT: the same places in each run
    for (;;) {
        const int events = ::epoll_wait(poller, ready.data(), static_cast<int>(ready.size()), -1);
        for (int i = 0; i < events; ++i) {
            const epoll_event& event = ready[static_cast<std::size_t>(i)];
            const int fd = event.data.fd;
            if (fd == listener) {
                accept_one(listener, poller, connections);
                continue;
            }
            Connection& connection = connections[static_cast<std::size_t>(fd)];
            bool is_open = true;
            if ((event.events & EPOLLIN) != 0) { // one request at a time comes as a whole
                const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
                is_open = got > 0 || (got < 0 && errno == EAGAIN);
                if (got > 0) {
                    connection.head_left = content.head.size();
                    connection.content_left = content.piece_bytes;
                    connection.content_at =
                        static_cast<off_t>(random()) % content.pieces * static_cast<off_t>(content.piece_bytes);
                }
            }
            if (!is_open || !send_what_is_owed(fd, connection, content)) {
                ::close(fd);
            }
        }
    }
}
