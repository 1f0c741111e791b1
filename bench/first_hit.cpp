// Starts a server and measures the time from there to its first hit: the first answer whose Cache-Status has one.
//
//   first_hit PORT PATH COMMAND [ARGUMENT...]
//
// Prints the server's process id and milliseconds, and leaves the server running. Gives up after a minute.
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;

// The head of the answer; empty where nobody listens yet.
std::string ask(int port, const std::string& request) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string head;
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
        ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
        std::array<char, 16384> buffer{};
        while (head.find("\r\n\r\n") == std::string::npos) {
            const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
            if (got <= 0) {
                break;
            }
            head.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }
    ::close(fd);
    return head;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fprintf(stderr, "usage: first_hit PORT PATH COMMAND [ARGUMENT...]\n");
        return 2;
    }
    const std::string request = std::string("GET ") + argv[2] + " HTTP/1.1\r\nHost: bench.test\r\n\r\n";
    const auto from = Clock::now();
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(STDERR_FILENO, STDOUT_FILENO); // who reads what is printed here does not wait for the server's end
        ::execvp(argv[3], argv + 3);
        std::perror("first_hit: exec");
        ::_exit(127);
    }
    while (Clock::now() - from < std::chrono::minutes(1)) {
        if (::waitpid(child, nullptr, WNOHANG) == child) {
            std::fprintf(stderr, "first_hit: the server ended\n");
            return 1;
        }
        if (ask(std::atoi(argv[1]), request).find("gatehouse; hit") != std::string::npos) {
            const std::chrono::duration<double, std::milli> took = Clock::now() - from;
            std::printf("%d %.1f\n", static_cast<int>(child), took.count());
            return 0;
        }
        ::poll(nullptr, 0, 1); // a millisecond
    }
    std::fprintf(stderr, "first_hit: no hit within a minute\n");
    ::kill(child, SIGTERM);
    return 1;
}
