// Clients that read slowly, beside those that are measured.
#pragma once

#include "bench/load/requests.h"
#include "bench/load/sockets.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

namespace gatehouse::bench {

// Each asks again and again for the same, and takes a little of what has arrived in equal steps of time; the kernel
// holds next to nothing for it, so that the server finds no room to send most of the time. They read in the thread of
// the load: one of their own would take the processor away from what is measured.
class SlowClients {
public:
    using Clock = std::chrono::steady_clock;

    struct Plan {
        std::size_t count = 0;
        std::uint64_t bytes_per_second = 0; // of each
        std::string path;
    };

    SlowClients(const Plan& plan, int port) : requests_(plan.path) {
        if (plan.count == 0) {
            return;
        }
        step_ = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
            static_cast<double>(kStepBytes) / static_cast<double>(plan.bytes_per_second * plan.count)));
        next_ = Clock::now();
        for (std::size_t i = 0; i < plan.count; ++i) {
            fds_.push_back(connect_to(port, kReceiveBuffer));
            // More requests than are answered within the run: nobody has to find the ends of responses.
            std::string text;
            for (int asked = 0; asked < kRequests; ++asked) {
                requests_.append_next(text);
            }
            if (::send(fds_.back(), text.data(), text.size(), MSG_NOSIGNAL) < 0) {
                std::perror("hit_load: slow client");
                std::exit(1);
            }
        }
    }
    SlowClients(const SlowClients&) = delete;
    SlowClients& operator=(const SlowClients&) = delete;
    ~SlowClients() {
        for (const int fd : fds_) {
            ::close(fd);
        }
    }

    // One client reads when it is time for that.
    void read_when_due(Clock::time_point now) {
        if (fds_.empty() || now < next_) {
            return;
        }
        next_ += step_;
        std::array<char, kStepBytes> buffer{};
        const ssize_t got = ::recv(fds_[turn_], buffer.data(), buffer.size(), MSG_DONTWAIT);
        received_ += got > 0 ? static_cast<std::uint64_t>(got) : 0;
        turn_ = (turn_ + 1) % fds_.size();
    }

    std::uint64_t received() const { return received_; }

private:
    static constexpr std::size_t kStepBytes = 4096;
    static constexpr int kReceiveBuffer = 16384;
    static constexpr int kRequests = 8;

    Requests requests_;
    std::vector<int> fds_;
    Clock::duration step_{};
    Clock::time_point next_;
    std::size_t turn_ = 0;
    std::uint64_t received_ = 0;
};

} // namespace gatehouse::bench
