// A client of which every byte is the test's: what is sent need not be HTTP, and what comes back is read strictly.
#pragma once

#include "tests/support/message_reader.h"
#include "tests/support/socket.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace gatehouse::testing {

class RawClient {
public:
    // A receive buffer other than 0 bounds what the kernel takes for a client that does not read.
    explicit RawClient(std::uint16_t port, int receive_buffer = 0) : socket_(Socket::connect(port, receive_buffer)) {}
    explicit RawClient(Socket socket) : socket_(std::move(socket)) {}

    // False when the proxy has closed the connection.
    bool send(std::string_view bytes) { return socket_.send(bytes); }
    // "GET <target> HTTP/1.1", Host and the fields (whole lines, each with CR LF).
    bool get(std::string_view target, std::string_view fields = {});

    // The next response, whole. HarnessError when the connection ends within it.
    Response read(bool head_request = false);
    // The next response, also when the connection ends within it: then it is not complete.
    Response read_what_comes(bool head_request = false);
    // Reads until the head is complete. read() goes on from there.
    const Response& read_head(bool head_request = false);
    // Reads until so many bytes of the current content have come in all.
    const Response& read_content(std::size_t bytes);
    // Raw bytes, for what is no HTTP (a tunnel); fewer only at the end.
    std::string read_raw(std::size_t bytes);
    // Waits until the proxy closes or resets the connection; false when bytes come instead.
    bool ended();
    // Nothing waits to be read and the connection is open, as far as the kernel knows now.
    bool is_quiet() const { return input_.empty() && !socket_.is_readable(); }

    void half_close() { socket_.half_close(); }
    void close() { socket_.close(); }
    void reset() { socket_.reset(); }

private:
    void begin(bool head_request);
    bool receive(); // false at the end

    Socket socket_;
    std::string input_;
    ResponseReader reader_;
    bool reading_ = false;
};

} // namespace gatehouse::testing
