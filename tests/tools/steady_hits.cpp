// A load that is the same each time it runs, for counting what a server does for one request, and its origin.
//
//   steady_hits ORIGIN_PORT PORT CONNECTIONS REQUESTS
//
// Answers on ORIGIN_PORT, once, with 1,000 bytes of JSON that stay fresh for an hour. Asks the server on PORT for them
// on one connection, and then, on CONNECTIONS of them with one request at a time on each, REQUESTS times. Every answer
// has to be a hit. The server is given a minute to begin to listen.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr std::string_view kRequest = "GET /v1/catalogue/items/4711?language=en HTTP/1.1\r\n"
                                      "Host: catalogue.steady.test\r\n"
                                      "User-Agent: steady_hits/1.0 (a load that is the same each time)\r\n"
                                      "Accept: application/json, text/plain, */*\r\n"
                                      "Accept-Encoding: gzip, br\r\n\r\n";
constexpr std::size_t kContentBytes = 1000;

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int try_connect(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = loopback(port);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) { // NOLINT: the API's cast
        ::close(fd);
        return -1;
    }
    return fd;
}

int connect_within_a_minute(int port) {
    for (int attempt = 0; attempt < 600; ++attempt) {
        if (const int fd = try_connect(port); fd >= 0) {
            return fd;
        }
        ::poll(nullptr, 0, 100);
    }
    fail("steady_hits: connect");
}

int listen_on(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in address = loopback(port);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || // NOLINT: the API's cast
        ::listen(fd, 16) != 0) {
        fail("steady_hits: listen");
    }
    return fd;
}

// The origin: one request, one answer.
void answer_once(int listener) {
    const int fd = ::accept(listener, nullptr, nullptr);
    std::string request;
    std::array<char, 4096> buffer{};
    while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (got <= 0) {
            fail("steady_hits: the origin got no request");
        }
        request.append(buffer.data(), static_cast<std::size_t>(got));
    }
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=3600\r\n"
                               "ETag: \"steady\"\r\nContent-Length: " +
                               std::to_string(kContentBytes) + "\r\n\r\n" + std::string(kContentBytes, 'x');
    if (::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(answer.size())) {
        fail("steady_hits: the origin could not answer");
    }
    ::close(fd);
}

struct Connection {
    int fd = -1;
    std::string answer; // that is arriving
};

void ask(const Connection& connection) {
    if (::send(connection.fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(kRequest.size())) {
        fail("steady_hits: send");
    }
}

// Reads what has come. True: an answer is complete.
bool read_answer(Connection& connection, bool has_to_be_hit) {
    std::array<char, 65536> buffer;
    const ssize_t got = ::recv(connection.fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) {
        fail("steady_hits: a connection ended");
    }
    connection.answer.append(buffer.data(), static_cast<std::size_t>(got));
    const std::size_t end = connection.answer.find("\r\n\r\n");
    if (end == std::string::npos || connection.answer.size() < end + 4 + kContentBytes) {
        return false;
    }
    const std::string_view head = std::string_view(connection.answer).substr(0, end);
    const bool is_hit = head.find("Cache-Status: gatehouse; hit") != std::string_view::npos;
    if (!head.starts_with("HTTP/1.1 200") || (has_to_be_hit && !is_hit)) {
        std::fprintf(stderr, "steady_hits: not a hit:\n%.*s\n", static_cast<int>(head.size()), head.data());
        std::exit(1);
    }
    connection.answer.clear();
    return true;
}

void ask_all(std::vector<Connection>& connections, long requests) {
    std::vector<pollfd> waits;
    long asked = 0;
    for (const Connection& connection : connections) {
        waits.push_back({connection.fd, POLLIN, 0});
    }
    for (std::size_t i = 0; i < connections.size() && asked < requests; ++i, ++asked) {
        ask(connections[i]);
    }
    for (long answered = 0; answered < requests;) {
        if (::poll(waits.data(), waits.size(), 60'000) <= 0) {
            fail("steady_hits: the server stopped answering");
        }
        for (std::size_t i = 0; i < waits.size(); ++i) {
            if (waits[i].revents == 0 || !read_answer(connections[i], true)) {
                continue;
            }
            ++answered;
            if (asked < requests) {
                ask(connections[i]);
                ++asked;
            }
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: steady_hits ORIGIN_PORT PORT CONNECTIONS REQUESTS\n");
        return 2;
    }
    std::thread origin(answer_once, listen_on(std::atoi(argv[1])));
    const int port = std::atoi(argv[2]);
    std::vector<Connection> connections{{connect_within_a_minute(port), {}}};
    ask(connections.front());
    while (!read_answer(connections.front(), false)) {}
    origin.join();
    while (connections.size() < static_cast<std::size_t>(std::atoi(argv[3]))) {
        connections.push_back({connect_within_a_minute(port), {}});
    }
    ask_all(connections, std::atol(argv[4]));
    std::printf("asked %s times\n", argv[4]);
    return 0;
}
