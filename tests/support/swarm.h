// Many clients at once, driven by one thread with epoll.
#pragma once

#include "tests/support/message_reader.h"
#include "tests/support/socket.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gatehouse::testing {

class Swarm {
public:
    // Connects all clients, then has each of them send what `request` says for its number.
    Swarm(std::uint16_t port, std::size_t clients, const std::function<std::string(std::size_t)>& request);

    // Reads until every client that is left has its response, whole or broken off. In the order of the clients; those
    // that were killed have an incomplete one.
    std::vector<Response> collect();
    // Waits until that many clients have read the head of their response and at least `content` bytes of it.
    void await_content(std::size_t clients, std::size_t content);
    // Bytes that all of them have sent together.
    std::size_t sent() const noexcept { return sent_; }
    // The client is gone, with a reset.
    void kill(std::size_t client);

private:
    struct Client {
        Socket socket;
        std::string input;
        ResponseReader reader;
        bool done = false;
    };
    void read_some();
    static void take(Client& client);

    Socket poller_;
    std::vector<Client> clients_;
    std::size_t sent_ = 0;
};

// So many descriptors may be open at once from now on, if the hard limit allows it.
void allow_descriptors(std::size_t count);

} // namespace gatehouse::testing
