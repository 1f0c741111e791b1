// A port where a connection never opens: its backlog is full, so that the kernel drops what else would like to connect.
#pragma once

#include "tests/support/socket.h"

#include <cstdint>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

namespace gatehouse::testing {

class FullBacklog {
public:
    FullBacklog() : listening_(Socket::listen(1)) {
        ::listen(listening_.descriptor(), 0); // the smallest there is
        for (int i = 0; i < 4; ++i) {
            waiting_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            sockaddr_in to{};
            to.sin_family = AF_INET;
            to.sin_port = htons(port());
            to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            const void* raw = &to;
            static_cast<void>(::connect(waiting_.back().descriptor(), static_cast<const sockaddr*>(raw), sizeof to));
        }
    }
    std::uint16_t port() const { return listening_.port(); }

private:
    Socket listening_;
    std::vector<Socket> waiting_;
};

} // namespace gatehouse::testing
