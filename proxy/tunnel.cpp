// Two pumps on one core, and a count of what they moved to tell idleness.
#include "proxy/tunnel.h"

#include "proxy/event.h"
#include "proxy/spawn.h"

#include <memory>

namespace gatehouse::proxy {

namespace {

constexpr std::size_t kTunnelBuffer = 16 * 1024;

struct Tunnel {
    std::uint64_t moved = 0; // by both directions: one that moves keeps the other alive
    int running = 2;
    Event ended;
};

awaitable<void> pump(std::shared_ptr<Tunnel> tunnel, Stream& from, Stream& to, std::string first,
                     http::Duration idle, http::Duration send) {
    const auto buffer = std::make_unique<char[]>(kTunnelBuffer);
    const std::span<char> room(buffer.get(), kTunnelBuffer);
    bool ok = true;
    if (!first.empty()) {
        iovec piece{first.data(), first.size()};
        const IoResult wrote = co_await to.write_all(std::span(&piece, 1), send);
        ok = wrote.ok();
    }
    while (ok) {
        const std::uint64_t before = tunnel->moved;
        const IoResult got = co_await from.read_some(room, idle);
        if (got.state == IoResult::State::TimedOut && tunnel->moved != before) {
            continue; // the other direction moved meanwhile
        }
        if (!got.ok()) {
            ok = got.state == IoResult::State::EndOfStream;
            break;
        }
        iovec piece{room.data(), got.bytes};
        const IoResult wrote = co_await to.write_all(std::span(&piece, 1), send);
        tunnel->moved += got.bytes;
        if (!wrote.ok()) {
            ok = false;
        }
    }
    if (ok) {
        co_await to.finish_sending(send); // this direction ended in order; the other may go on
    } else {
        from.close();
        to.close();
    }
    --tunnel->running;
    tunnel->ended.signal();
}

} // namespace

awaitable<void> relay_tunnel(ClientConnection& client, Stream& origin, http::Duration idle, http::Duration send) {
    auto tunnel = std::make_shared<Tunnel>();
    Coroutines& coroutines = client.core.coroutines();
    std::string ahead = std::move(client.input);
    client.input.clear();
    spawn_logged(coroutines, "tunnel up", pump(tunnel, *client.stream, origin, std::move(ahead), idle, send));
    spawn_logged(coroutines, "tunnel down", pump(tunnel, origin, *client.stream, std::string(), idle, send));
    while (tunnel->running > 0) {
        co_await tunnel->ended.wait();
    }
    client.stream->close();
    origin.close();
}

} // namespace gatehouse::proxy
