// Clients that ask for a large response each and then take nothing more: what a server's memory has to survive.
//
//   stalled_readers PORT COUNT PATH_PREFIX
//
// Opens COUNT connections with the smallest receive buffer there is, asks on connection i for PATH_PREFIX followed by i,
// reads the first bytes of each answer, prints `stalled COUNT` and holds everything until its standard input ends.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

int connect_with_small_window(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const int smallest = 1; // the kernel raises it to its minimum
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
    timeval bound{};
    bound.tv_sec = 60;
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) { // NOLINT: the socket API's cast
        std::perror("stalled_readers: connect");
        std::exit(1);
    }
    return fd;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: stalled_readers PORT COUNT PATH_PREFIX\n");
        return 2;
    }
    const int port = std::atoi(argv[1]);
    const int count = std::atoi(argv[2]);
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    std::vector<int> sockets;
    for (int i = 0; i < count; ++i) {
        const int fd = connect_with_small_window(port);
        const std::string request =
            std::string("GET ") + argv[3] + std::to_string(i) + " HTTP/1.1\r\nHost: stalled.test\r\n\r\n";
        if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) {
            std::perror("stalled_readers: send");
            return 1;
        }
        sockets.push_back(fd);
    }
    std::array<char, 64> first{};
    for (const int fd : sockets) {
        const ssize_t got = ::recv(fd, first.data(), first.size(), 0);
        const std::string_view answer(first.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
        if (!answer.starts_with("HTTP/1.1 200 ")) {
            std::fprintf(stderr, "stalled_readers: not a 200 but \"%.*s\"\n", static_cast<int>(answer.size()),
                         answer.data());
            return 1;
        }
    }
    std::printf("stalled %d\n", count);
    std::fflush(stdout);
    while (::read(STDIN_FILENO, first.data(), first.size()) > 0) {
    }
    return 0;
}
