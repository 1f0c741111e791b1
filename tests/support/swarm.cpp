#include "tests/support/swarm.h"

#include "tests/support/gates.h"

#include <algorithm>
#include <array>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>

namespace gatehouse::testing {

void allow_descriptors(std::size_t count) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < count) {
        limit.rlim_cur = std::min<rlim_t>(count, limit.rlim_max);
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

Swarm::Swarm(std::uint16_t port, std::size_t clients, const std::function<std::string(std::size_t)>& request)
    : poller_(::epoll_create1(EPOLL_CLOEXEC)) {
    allow_descriptors(4 * clients + 256);
    clients_.resize(clients);
    for (std::size_t i = 0; i < clients; ++i) {
        Client& client = clients_[i];
        client.socket = Socket::connect(port);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = i;
        ::epoll_ctl(poller_.descriptor(), EPOLL_CTL_ADD, client.socket.descriptor(), &event);
    }
    for (std::size_t i = 0; i < clients; ++i) {
        const std::string text = request(i);
        clients_[i].reader = ResponseReader(text.starts_with("HEAD "));
        clients_[i].socket.send(text);
        sent_ += text.size();
    }
}

void Swarm::take(Client& client) {
    std::string bytes;
    const bool ended = client.socket.receive(bytes) != Socket::Read::Bytes;
    client.input += bytes;
    if (client.reader.read(client.input, ended)) {
        client.done = true;
        client.socket.close(); // epoll forgets a descriptor that is closed
    }
}

void Swarm::read_some() {
    std::array<epoll_event, 256> events;
    const int timeout = static_cast<int>(std::chrono::milliseconds(kSafetyTime).count());
    const int ready = ::epoll_wait(poller_.descriptor(), events.data(), static_cast<int>(events.size()), timeout);
    if (ready <= 0) {
        const auto waiting = std::ranges::count_if(clients_, [](const Client& client) { return !client.done; });
        throw HarnessError(std::to_string(waiting) + " clients wait for their response");
    }
    for (int i = 0; i < ready; ++i) {
        Client& client = clients_[events[static_cast<std::size_t>(i)].data.u64];
        if (!client.done) {
            take(client);
        }
    }
}

std::vector<Response> Swarm::collect() {
    while (!std::ranges::all_of(clients_, [](const Client& client) { return client.done; })) {
        read_some();
    }
    std::vector<Response> responses;
    for (Client& client : clients_) {
        responses.push_back(std::move(client.reader.response()));
    }
    return responses;
}

void Swarm::await_content(std::size_t clients, std::size_t content) {
    const auto has_enough = [&](const Client& client) {
        return client.reader.head_done() && client.reader.response().content.size() >= content;
    };
    while (static_cast<std::size_t>(std::ranges::count_if(clients_, has_enough)) < clients) {
        read_some();
    }
}

void Swarm::kill(std::size_t client) {
    clients_[client].socket.reset();
    clients_[client].done = true;
}

} // namespace gatehouse::testing
