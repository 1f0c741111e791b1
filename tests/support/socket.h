// A blocking socket for tests: every call ends within the safety time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace gatehouse::testing {

class Socket {
public:
    Socket() = default;
    explicit Socket(int descriptor) noexcept : fd_(descriptor) {}
    ~Socket() { close(); }
    Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Socket& operator=(Socket&& other) noexcept;

    // 127.0.0.1. A receive buffer other than 0 is set before the connection is made, so that the window stays small.
    static Socket connect(std::uint16_t port, int receive_buffer = 0);
    static Socket connect_v6(std::uint16_t port);
    static Socket connect_unix(const std::string& path);
    // Bound to a free port of 127.0.0.1.
    static Socket listen(int backlog = 4096);

    bool is_open() const noexcept { return fd_ >= 0; }
    int descriptor() const noexcept { return fd_; }
    std::uint16_t port() const;
    // The next connection; not open when none came because the listening socket was shut down.
    Socket accept();

    // Everything. False when the peer has closed or reset the connection.
    bool send(std::string_view bytes);
    enum class Read : std::uint8_t { Bytes, End, Reset };
    // Appends at least one byte to `out`, or says how the connection ended. HarnessError when nothing happens.
    Read receive(std::string& out, std::size_t at_most = 65536);
    // Whether bytes or the end are there already.
    bool is_readable() const;
    void half_close();
    void shut_down(); // both directions; a thread that waits is woken
    void reset();     // RST instead of FIN
    void close();

private:
    void wait(short events) const;
    int fd_ = -1;
};

} // namespace gatehouse::testing
