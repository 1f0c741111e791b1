// Measures CPU per request of several servers in one run: the same closed loop of keep-alive connections against each
// in turn, several rounds interleaved, CPU from the kernel's accounting of every thread of the server's processes.
//
//   hit_load [--no-warm] [--sleep] ROUNDS REQUESTS CONNECTIONS PATH NAME:PORT:PID[,PID...] ...
//
// PATH is asked for as it is, or has one of these, which a number takes the place of:
//   {next:FIRST}    FIRST, FIRST + 1 and so on: every request of a server another one, over all rounds
//   {cycle:COUNT}   0 to COUNT - 1, then from 0 again
//   {random:COUNT}  one of 0 to COUNT - 1, each as likely; the same order for each server, from a fixed seed
//   {zipf:COUNT:A:SEED}  one of 0 to COUNT - 1, number n as likely as 1 / (n + 1)^A
// --no-warm: no requests before the first round. --sleep: waits for answers without the CPU, for others that share it,
// such as the origin.
//
// Prints one line a server: median CPU microseconds a request, requests and megabytes a second, and the ratio to the
// first server.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fstream>
#include <random>
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

// What to ask for, one request after the other.
class Requests {
public:
    explicit Requests(const std::string& path) : before_("GET " + path) {
        const std::size_t open = before_.find('{');
        const std::size_t close = before_.find('}');
        if (open == std::string::npos || close == std::string::npos) {
            return;
        }
        std::istringstream in(before_.substr(open + 1, close - open - 1));
        std::string kind;
        std::getline(in, kind, ':');
        in >> number_;
        double exponent = 0;
        std::uint64_t seed = 1; // the same for each server and each run
        if (in.ignore(1) >> exponent) {
            in.ignore(1) >> seed;
        }
        chance_.seed(seed);
        after_ = before_.substr(close + 1);
        before_.erase(open);
        kind_ = kind == "next"    ? Kind::Next
                : kind == "cycle" ? Kind::Cycle
                : kind == "zipf"  ? Kind::Zipf
                                  : Kind::Random;
        if (kind_ == Kind::Zipf) {
            double sum = 0;
            for (std::uint64_t n = 1; n <= number_; ++n) {
                sum += std::pow(static_cast<double>(n), -exponent);
                sums_.push_back(sum);
            }
        }
    }

    const std::string& next() {
        text_ = before_;
        if (kind_ != Kind::Fixed) {
            text_ += std::to_string(next_number());
        }
        text_ += after_;
        text_ += " HTTP/1.1\r\nHost: bench.test\r\nAccept: */*\r\nUser-Agent: hit_load\r\n\r\n";
        return text_;
    }

private:
    enum class Kind { Fixed, Next, Cycle, Random, Zipf };

    std::uint64_t next_number() {
        switch (kind_) {
        case Kind::Next: return number_ + asked_++;
        case Kind::Cycle: return asked_++ % number_;
        case Kind::Random: return chance_() % number_;
        default: break;
        }
        const double at = std::generate_canonical<double, 53>(chance_) * sums_.back();
        return static_cast<std::uint64_t>(std::lower_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
    }

    Kind kind_ = Kind::Fixed;
    std::string before_;
    std::string after_;
    std::string text_;
    std::uint64_t number_ = 0; // the first, or how many
    std::uint64_t asked_ = 0;
    std::mt19937_64 chance_;
    std::vector<double> sums_; // of likelihoods, up to each number
};

struct Server {
    std::string name;
    int port = 0;
    std::vector<std::string> pids;
    Requests requests;
    std::vector<double> cpu_us;
    std::vector<double> per_second;
    std::vector<double> megabytes_per_second;
};

bool sleeps = false;

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
    if (sleeps) {
        return ::epoll_wait(poller, ready.data(), static_cast<int>(ready.size()), 10'000);
    }
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

void send_next(const Connection& connection, Server& server) {
    const std::string& request = server.requests.next();
    ::send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL);
}

// One round: `requests` in all, one at a time on each connection. Returns the bytes that came.
std::uint64_t run_round(Server& server, std::size_t requests, std::size_t connections) {
    connections = std::min(connections, requests);
    std::uint64_t received = 0;
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
        send_next(all[i], server);
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
            // Content is dropped by the kernel and not copied: of large ones the load would be the limit.
            const ssize_t got = connection.in_content ? ::recv(connection.fd, nullptr, connection.missing, MSG_TRUNC)
                                                      : ::recv(connection.fd, buffer.data(), buffer.size(), 0);
            if (got <= 0) {
                std::fprintf(stderr, "hit_load: %s closed a connection\n", server.name.c_str());
                std::exit(1);
            }
            received += static_cast<std::uint64_t>(got);
            if (!connection.in_content) {
                connection.head.append(buffer.data(), static_cast<std::size_t>(got));
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
                connection.missing -= static_cast<std::size_t>(got);
            }
            if (connection.missing > 0) {
                continue;
            }
            connection.in_content = false;
            connection.head.clear();
            ++answered;
            if (sent < requests) {
                send_next(connection, server);
                ++sent;
            }
        }
    }
    for (const Connection& connection : all) {
        ::close(connection.fd);
    }
    ::close(poller);
    return received;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

Server parse_server(const std::string& text, const Requests& requests) {
    Server server{{}, 0, {}, requests, {}, {}, {}};
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
    bool warm = true;
    for (; argc > 1 && std::strncmp(argv[1], "--", 2) == 0; --argc, ++argv) {
        warm = warm && std::strcmp(argv[1], "--no-warm") != 0;
        sleeps = sleeps || std::strcmp(argv[1], "--sleep") == 0;
    }
    if (argc < 6) {
        std::fprintf(stderr, "usage: hit_load [--no-warm] [--sleep] ROUNDS REQUESTS CONNECTIONS PATH "
                             "NAME:PORT:PID[,PID...] ...\n");
        return 2;
    }
    const int rounds = std::atoi(argv[1]);
    const auto requests = static_cast<std::size_t>(std::atol(argv[2]));
    const auto connections = static_cast<std::size_t>(std::atol(argv[3]));
    std::vector<Server> servers;
    for (int i = 5; i < argc; ++i) {
        servers.push_back(parse_server(argv[i], Requests(argv[4])));
    }
    for (Server& server : servers) {
        if (warm) {
            run_round(server, requests / 10 + connections, connections);
        }
    }
    for (int round = 0; round < rounds; ++round) {
        for (Server& server : servers) {
            const double cpu_before = cpu_ns(server);
            const auto from = std::chrono::steady_clock::now();
            const std::uint64_t received = run_round(server, requests, connections);
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
            server.cpu_us.push_back((cpu_ns(server) - cpu_before) / 1000.0 / static_cast<double>(requests));
            server.per_second.push_back(static_cast<double>(requests) / took.count());
            server.megabytes_per_second.push_back(static_cast<double>(received) / 1e6 / took.count());
        }
    }
    const double floor = median(servers.front().cpu_us);
    std::printf("| server | CPU per request, us | ratio to the first | requests/s | MB/s |\n"
                "| --- | --- | --- | --- | --- |\n");
    for (const Server& server : servers) {
        std::printf("| %s | %.2f | %.2f | %.0f | %.0f |\n", server.name.c_str(), median(server.cpu_us),
                    median(server.cpu_us) / floor, median(server.per_second), median(server.megabytes_per_second));
    }
    return 0;
}
