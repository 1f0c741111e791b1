// One round of a load against one server.
#pragma once

#include "bench/load/requests.h"
#include "bench/load/response_reader.h"
#include "bench/load/slow_clients.h"
#include "bench/load/sockets.h"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gatehouse::bench {

struct Plan {
    std::size_t requests = 0;
    std::size_t connections = 0;
    std::size_t pipeline = 1;     // requests that are sent together
    double rate = 0;              // requests that begin in a second, whatever becomes of those before; 0: closed loop
    bool new_connections = false; // one for each request
    bool waves = false;           // all connections ask for the same; then, when all have it, for the next
    bool sleeps = false;          // waits without the processor
    int status = 200;             // that is expected
    SlowClients::Plan slow;
    std::uint64_t seed = 1; // of the times between requests
};

struct Result {
    std::uint64_t bytes = 0;
    double seconds = 0;
    std::vector<std::uint32_t> nanoseconds; // of each request, from when it was to begin to its last byte
};

class Round {
public:
    Round(const Plan& plan, Requests& requests, int port, std::string name)
        : plan_(plan),
          requests_(requests),
          port_(port),
          name_(std::move(name)),
          slow_(plan.slow, port),
          poller_(::epoll_create1(EPOLL_CLOEXEC)),
          chance_(plan.seed) {
        result_.nanoseconds.reserve(plan.requests);
        const std::size_t count = std::min(plan.connections, plan.requests);
        for (std::size_t i = 0; i < count; ++i) {
            connections_.emplace_back(plan.status);
            open(i);
        }
    }
    Round(const Round&) = delete;
    Round& operator=(const Round&) = delete;
    ~Round() {
        for (const Connection& connection : connections_) {
            ::close(connection.fd);
        }
        ::close(poller_);
    }

    Result run() {
        begin_ = Clock::now();
        due_ = begin_;
        for (std::size_t i = connections_.size(); i-- > 0;) {
            idle_.push_back(i);
        }
        start_what_is_due(begin_);
        while (answered_ < plan_.requests) {
            const int count = next_ready();
            for (int i = 0; i < count; ++i) {
                receive(ready_[static_cast<std::size_t>(i)].data.u64);
            }
            if (plan_.rate > 0 || plan_.waves) {
                start_what_is_due(Clock::now());
            }
        }
        result_.seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
        return std::move(result_);
    }

private:
    using Clock = std::chrono::steady_clock;

    struct Connection {
        explicit Connection(int status) : reader(status) {}
        int fd = -1;
        ResponseReader reader;
        std::size_t outstanding = 0;
        Clock::time_point since; // when the requests that are outstanding were to begin
    };

    [[noreturn]] void fail(const std::string& what) const {
        std::fprintf(stderr, "hit_load: %s %s\n", name_.c_str(), what.c_str());
        std::exit(1);
    }

    void open(std::size_t index) {
        connections_[index].fd = connect_to(port_);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = index;
        ::epoll_ctl(poller_, EPOLL_CTL_ADD, connections_[index].fd, &event);
    }

    void start_what_is_due(Clock::time_point now) {
        if (plan_.waves) {
            if (idle_.size() == connections_.size() && sent_ < plan_.requests) {
                start_wave();
            }
        } else if (plan_.rate > 0) {
            begin_arrivals(now);
            while (!idle_.empty() && !waiting_.empty()) {
                const std::size_t index = take_idle();
                start(index, 1, waiting_.front());
                waiting_.pop_front();
            }
        } else {
            while (!idle_.empty() && sent_ < plan_.requests) {
                start(take_idle(), plan_.pipeline, Clock::now());
            }
        }
    }

    // The times between requests are those of clients that know nothing of each other: exponential.
    void begin_arrivals(Clock::time_point now) {
        while (arrived_ < plan_.requests && due_ <= now) {
            waiting_.push_back(due_);
            ++arrived_;
            const double gap = -std::log1p(-std::generate_canonical<double, 53>(chance_)) / plan_.rate;
            due_ += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(gap));
        }
    }

    std::size_t take_idle() {
        const std::size_t index = idle_.back();
        idle_.pop_back();
        return index;
    }

    void start_wave() {
        const std::uint64_t number = requests_.next_number();
        text_.clear();
        requests_.append(text_, number);
        const Clock::time_point now = Clock::now();
        while (!idle_.empty()) {
            Connection& connection = connections_[take_idle()];
            connection.since = now;
            send(connection, 1);
        }
    }

    void start(std::size_t index, std::size_t count, Clock::time_point since) {
        Connection& connection = connections_[index];
        if (connection.fd < 0) {
            open(index);
        }
        count = std::min(count, plan_.requests - sent_);
        text_.clear();
        for (std::size_t i = 0; i < count; ++i) {
            requests_.append_next(text_);
        }
        connection.since = since;
        send(connection, count);
    }

    void send(Connection& connection, std::size_t count) {
        if (::send(connection.fd, text_.data(), text_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text_.size())) {
            fail("takes no request");
        }
        connection.outstanding = count;
        sent_ += count;
    }

    // Looks without sleeping, for ten seconds at most. A load that sleeps while a slower server works has to be woken
    // by that server's every answer, which the faster one, that keeps the load busy, does not pay: ratios would speak
    // of the load and not of the servers.
    int next_ready() {
        const auto end = Clock::now() + kPatience;
        for (;;) {
            const int count = plan_.sleeps ? wait_asleep() : ::epoll_wait(poller_, ready_.data(), kReadyAtOnce, 0);
            if (count > 0) {
                return count;
            }
            const auto now = Clock::now();
            slow_.read_when_due(now);
            if (plan_.rate > 0 && arrived_ < plan_.requests && due_ <= now) {
                return 0;
            }
            if (now > end) {
                fail("stopped answering");
            }
        }
    }

    int wait_asleep() {
        auto longest = std::chrono::nanoseconds(kPatience);
        if (plan_.rate > 0 && arrived_ < plan_.requests) {
            longest = std::max(std::chrono::nanoseconds(due_ - Clock::now()), std::chrono::nanoseconds(0));
        }
        timespec timeout{};
        timeout.tv_sec = static_cast<time_t>(longest.count() / 1'000'000'000);
        timeout.tv_nsec = static_cast<long>(longest.count() % 1'000'000'000);
        return ::epoll_pwait2(poller_, ready_.data(), kReadyAtOnce, &timeout, nullptr);
    }

    void receive(std::size_t index) {
        Connection& connection = connections_[index];
        // Content is dropped by the kernel and not copied: of large ones the load would be the limit.
        const std::uint64_t missing = connection.reader.missing();
        const ssize_t got = missing > 0 ? ::recv(connection.fd, nullptr, missing, MSG_TRUNC)
                                        : ::recv(connection.fd, buffer_.data(), buffer_.size(), 0);
        if (got <= 0) {
            fail("closed a connection");
        }
        result_.bytes += static_cast<std::uint64_t>(got);
        std::size_t complete = 0;
        if (missing > 0) {
            complete = connection.reader.skip(static_cast<std::uint64_t>(got)) ? 1 : 0;
        } else {
            complete = connection.reader.take({buffer_.data(), static_cast<std::size_t>(got)});
            if (!connection.reader.error().empty()) {
                fail(connection.reader.error());
            }
        }
        if (complete > 0) {
            finish(index, complete);
        }
    }

    void finish(std::size_t index, std::size_t complete) {
        Connection& connection = connections_[index];
        if (complete > connection.outstanding) {
            fail("sent more responses than were asked for");
        }
        const auto took = std::chrono::nanoseconds(Clock::now() - connection.since);
        result_.nanoseconds.insert(result_.nanoseconds.end(), complete, static_cast<std::uint32_t>(took.count()));
        answered_ += complete;
        connection.outstanding -= complete;
        if (connection.outstanding > 0) {
            return;
        }
        if (plan_.new_connections) {
            ::close(connection.fd);
            connection.fd = -1;
        }
        idle_.push_back(index);
        if (plan_.rate == 0 && !plan_.waves) {
            start_what_is_due({});
        }
    }

    static constexpr std::chrono::seconds kPatience{10};
    static constexpr int kReadyAtOnce = 64;

    const Plan plan_;
    Requests& requests_;
    const int port_;
    const std::string name_;
    SlowClients slow_;
    const int poller_;
    std::mt19937_64 chance_;
    std::vector<Connection> connections_;
    std::vector<std::size_t> idle_;         // connections on which nothing is outstanding
    std::deque<Clock::time_point> waiting_; // requests that were to begin and found no connection
    std::array<epoll_event, kReadyAtOnce> ready_{};
    std::array<char, 65536> buffer_{};
    std::string text_;
    Clock::time_point begin_;
    Clock::time_point due_; // when the next request is to begin
    std::size_t arrived_ = 0;
    std::size_t sent_ = 0;
    std::size_t answered_ = 0;
    Result result_;
};

} // namespace gatehouse::bench
