// Measures CPU per request of several servers in one run: the same closed loop of keep-alive connections against each
// in turn, several rounds interleaved, CPU from the kernel's accounting of every thread of the server's processes.
//
//   hit_load ROUNDS REQUESTS CONNECTIONS PATH NAME:PORT:PID[,PID...] ...
//
// Prints one line a server: median CPU microseconds a request, requests a second, and the ratio to the first server.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

struct Server {
    std::string name;
    int port = 0;
    std::vector<std::string> pids;
    std::vector<double> cpu_us;
    std::vector<double> per_second;
};

// Nanoseconds on a CPU, of all threads of all processes.
double cpu_ns(const Server& server) {
    double total = 0;
    for (const std::string& pid : server.pids) {
        const std::string folder = "/proc/" + pid + "/task";
        DIR* directory = ::opendir(folder.c_str());
        if (directory == nullptr) {
            std::fprintf(stderr, "hit_load: process %s of %s is gone\n", pid.c_str(), server.name.c_str());
            std::exit(1);
        }
        while (const dirent* entry = ::readdir(directory)) {
            if (entry->d_name[0] == '.') {
                continue;
            }
            std::ifstream file(folder + "/" + entry->d_name + "/schedstat");
            double on_cpu = 0;
            file >> on_cpu;
            total += on_cpu;
        }
        ::closedir(directory);
    }
    return total;
}

int connect_to(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        std::perror("hit_load: connect");
        std::exit(1);
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

std::size_t content_length(const std::string& head) {
    const std::size_t at = head.find("Content-Length: ");
    if (at == std::string::npos) {
        std::fprintf(stderr, "hit_load: a response without Content-Length:\n%s\n", head.c_str());
        std::exit(1);
    }
    return static_cast<std::size_t>(std::atol(head.c_str() + at + 16));
}

struct Connection {
    int fd = -1;
    std::string head;         // of the response that is arriving
    std::size_t missing = 0;  // content bytes still to come
    bool in_content = false;
};

// Looks without sleeping, for ten seconds at most. A load that sleeps while a slower server works has to be woken by
// that server's every answer, which the faster one, that keeps the load busy, does not pay: ratios would speak of the
// load and not of the servers.
int next_ready(int poller, std::array<epoll_event, 64>& ready) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (;;) {
        for (int look = 0; look < 1'000; ++look) {
            const int count = ::epoll_wait(poller, ready.data(), static_cast<int>(ready.size()), 0);
            if (count != 0) {
                return count;
            }
        }
        if (std::chrono::steady_clock::now() > end) {
            return 0;
        }
    }
}

// One round: `requests` in all, one at a time on each connection.
void run_round(const Server& server, std::size_t requests, std::size_t connections, const std::string& request) {
    const int poller = ::epoll_create1(0);
    std::vector<Connection> all(connections);
    std::size_t sent = 0;
    std::size_t answered = 0;
    for (std::size_t i = 0; i < connections; ++i) {
        all[i].fd = connect_to(server.port);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = i;
        ::epoll_ctl(poller, EPOLL_CTL_ADD, all[i].fd, &event);
        ::send(all[i].fd, request.data(), request.size(), MSG_NOSIGNAL);
        ++sent;
    }
    std::array<epoll_event, 64> ready{};
    std::array<char, 65536> buffer{};
    while (answered < requests) {
        const int count = next_ready(poller, ready);
        if (count <= 0) {
            std::fprintf(stderr, "hit_load: %s stopped answering\n", server.name.c_str());
            std::exit(1);
        }
        for (int i = 0; i < count; ++i) {
            Connection& connection = all[ready[static_cast<std::size_t>(i)].data.u64];
            const ssize_t got = ::recv(connection.fd, buffer.data(), buffer.size(), 0);
            if (got <= 0) {
                std::fprintf(stderr, "hit_load: %s closed a connection\n", server.name.c_str());
                std::exit(1);
            }
            std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
            if (!connection.in_content) {
                connection.head.append(bytes);
                const std::size_t end = connection.head.find("\r\n\r\n");
                if (end == std::string::npos) {
                    continue;
                }
                if (connection.head.compare(0, 12, "HTTP/1.1 200") != 0) {
                    std::fprintf(stderr, "hit_load: %s answered %.40s\n", server.name.c_str(),
                                 connection.head.c_str());
                    std::exit(1);
                }
                const std::size_t content = content_length(connection.head);
                const std::size_t have = connection.head.size() - end - 4;
                connection.missing = content - have;
                connection.in_content = true;
            } else {
                connection.missing -= bytes.size();
            }
            if (connection.missing > 0) {
                continue;
            }
            connection.in_content = false;
            connection.head.clear();
            ++answered;
            if (sent < requests) {
                ::send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL);
                ++sent;
            }
        }
    }
    for (const Connection& connection : all) {
        ::close(connection.fd);
    }
    ::close(poller);
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

Server parse_server(const std::string& text) {
    Server server;
    std::istringstream in(text);
    std::string port;
    std::string pids;
    std::getline(in, server.name, ':');
    std::getline(in, port, ':');
    std::getline(in, pids);
    server.port = std::atoi(port.c_str());
    std::istringstream list(pids);
    for (std::string pid; std::getline(list, pid, ',');) {
        server.pids.push_back(pid);
    }
    return server;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 6) {
        std::fprintf(stderr, "usage: hit_load ROUNDS REQUESTS CONNECTIONS PATH NAME:PORT:PID[,PID...] ...\n");
        return 2;
    }
    const int rounds = std::atoi(argv[1]);
    const auto requests = static_cast<std::size_t>(std::atol(argv[2]));
    const auto connections = static_cast<std::size_t>(std::atol(argv[3]));
    const std::string request =
        std::string("GET ") + argv[4] + " HTTP/1.1\r\nHost: bench.test\r\nAccept: */*\r\nUser-Agent: hit_load\r\n\r\n";
    std::vector<Server> servers;
    for (int i = 5; i < argc; ++i) {
        servers.push_back(parse_server(argv[i]));
    }
    for (Server& server : servers) {
        run_round(server, requests / 10 + connections, connections, request); // warm
    }
    for (int round = 0; round < rounds; ++round) {
        for (Server& server : servers) {
            const double cpu_before = cpu_ns(server);
            const auto from = std::chrono::steady_clock::now();
            run_round(server, requests, connections, request);
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
            server.cpu_us.push_back((cpu_ns(server) - cpu_before) / 1000.0 / static_cast<double>(requests));
            server.per_second.push_back(static_cast<double>(requests) / took.count());
        }
    }
    const double floor = median(servers.front().cpu_us);
    std::printf("| server | CPU per request, us | ratio to the first | requests/s |\n| --- | --- | --- | --- |\n");
    for (const Server& server : servers) {
        std::printf("| %s | %.2f | %.2f | %.0f |\n", server.name.c_str(), median(server.cpu_us),
                    median(server.cpu_us) / floor, median(server.per_second));
    }
    return 0;
}
