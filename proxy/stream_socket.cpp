// Readiness from the core's poller, system calls from here, deadlines from the core's wheel.
#include "proxy/stream_socket.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gatehouse::proxy {

namespace {

// A system call that a signal interrupted is made again.
template <class Call>
ssize_t uninterrupted(Call call) noexcept {
    ssize_t result = 0;
    do {
        result = call();
    } while (result < 0 && errno == EINTR);
    return result;
}

bool would_block() noexcept { return errno == EAGAIN || errno == EWOULDBLOCK; }

} // namespace

StreamSocket::Wait::Wait(StreamSocket& on, Direction for_what, Direction by_deadline_of)
    : socket(on), what(for_what), whose(by_deadline_of), next(on.waits_) {
    if (next != nullptr) {
        next->previous = this;
    }
    on.waits_ = this;
}

StreamSocket::Wait::~Wait() {
    (previous != nullptr ? previous->next : socket.waits_) = next;
    if (next != nullptr) {
        next->previous = previous;
    }
}

StreamSocket::StreamSocket(Core& core, int descriptor, bool short_read_means_empty)
    : core_(core),
      descriptor_(descriptor),
      short_read_means_empty_(short_read_means_empty),
      read_deadline_(core.wheel(), &StreamSocket::on_read_deadline, this),
      write_deadline_(core.wheel(), &StreamSocket::on_write_deadline, this) {}

StreamSocket::Ptr StreamSocket::adopt(Core& core, int descriptor) {
    int family = AF_UNSPEC;
    socklen_t size = sizeof family;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) {
        return {};
    }
    const int flags = ::fcntl(descriptor, F_GETFL);
    if (flags < 0 || ((flags & O_NONBLOCK) == 0 && ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0)) {
        return {};
    }
    // TCP gives all it has; a Unix socket may stop where the sender's writes met.
    Ptr socket(new StreamSocket(core, -1, family != AF_UNIX));
    if (!core.poller().add(descriptor, *socket)) {
        return {};
    }
    socket->descriptor_ = descriptor;
    return socket;
}

ssize_t StreamSocket::receive(std::span<char> room) noexcept {
    const ssize_t got = uninterrupted([&] { return ::recv(descriptor_, room.data(), room.size(), MSG_DONTWAIT); });
    if (got < 0) {
        readable_ = readable_ && !would_block();
    } else if (static_cast<std::size_t>(got) == room.size()) {
        readable_ = true; // there may be more, although its edge has not been told
    } else if (short_read_means_empty_ && !ended_) {
        // Empty now; what comes later, an end too, is a new edge.
        readable_ = false;
    }
    return got;
}

ssize_t StreamSocket::peek(std::span<char> room) noexcept {
    const ssize_t got =
        uninterrupted([&] { return ::recv(descriptor_, room.data(), room.size(), MSG_DONTWAIT | MSG_PEEK); });
    if (got < 0 && would_block()) {
        readable_ = false;
    }
    return got;
}

ssize_t send_pieces(int descriptor, std::span<const iovec> pieces, bool more) noexcept {
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0);
    if (pieces.size() == 1) {
        return ::send(descriptor, pieces[0].iov_base, pieces[0].iov_len, flags);
    }
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data()); // NOLINT: sendmsg(2) does not write to it
    message.msg_iovlen = std::min<std::size_t>(pieces.size(), IOV_MAX);
    return ::sendmsg(descriptor, &message, flags);
}

ssize_t StreamSocket::send(std::span<const iovec> pieces) noexcept {
    const ssize_t sent = uninterrupted([&] { return send_pieces(descriptor_, pieces); });
    if (sent < 0 && would_block()) {
        writable_ = false;
    }
    return sent;
}

std::size_t StreamSocket::unacknowledged_bytes() const noexcept {
    int bytes = 0;
    return ::ioctl(descriptor_, SIOCOUTQ, &bytes) == 0 ? static_cast<std::size_t>(bytes) : 0;
}

void StreamSocket::shutdown_sending() noexcept {
    if (is_open()) {
        ::shutdown(descriptor_, SHUT_WR);
    }
}

// Every wait that is told looks again whether it was meant; those that were not go on waiting.
template <class Which>
void StreamSocket::signal(Which which) noexcept {
    for (Wait* wait = waits_; wait != nullptr; wait = wait->next) {
        if (which(*wait)) {
            wait->event.signal();
        }
    }
}

void StreamSocket::on_ready(std::uint32_t events) noexcept {
    const Ptr hold(this); // a reader may let go of the stream
    const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
    if (broken || (events & EPOLLRDHUP) != 0) {
        ended_ = true;
    }
    if (broken || (events & (EPOLLIN | EPOLLRDHUP)) != 0) {
        readable_ = true;
        signal([](const Wait& wait) { return wait.what == Direction::Read; });
    }
    if (broken || (events & EPOLLOUT) != 0) {
        writable_ = true;
        signal([](const Wait& wait) { return wait.what == Direction::Write; });
    }
    if (readable_ && reader_ != nullptr) {
        reader_->on_readable();
    }
}

void StreamSocket::on_turn() noexcept {
    const Ptr hold(this);
    signal([this](const Wait& wait) { return ready(wait.what); });
    if (readable_ && reader_ != nullptr) {
        reader_->on_readable();
    }
}

// Coroutines that wait here are handed to the core's loop, which ends them unresumed.
void StreamSocket::on_core_end() noexcept {
    const Ptr hold(this);
    close();
}

void StreamSocket::on_read_deadline(void* self) {
    static_cast<StreamSocket*>(self)->signal([](const Wait& wait) { return wait.whose == Direction::Read; });
}

void StreamSocket::on_write_deadline(void* self) {
    static_cast<StreamSocket*>(self)->signal([](const Wait& wait) { return wait.whose == Direction::Write; });
}

awaitable<IoResult> StreamSocket::wait(Direction what, Direction whose) {
    const Ptr hold(this);
    bool had_turn = false;
    for (;;) {
        if (!is_open()) {
            co_return failed_by(ECANCELED);
        }
        if (deadline(whose).expired()) {
            IoResult result;
            result.state = IoResult::State::TimedOut;
            co_return result;
        }
        if (ready(what)) {
            if (had_turn) {
                co_return IoResult();
            }
            core_.poller().next_turn(*this);
        }
        had_turn = true;
        Wait waiting(*this, what, whose);
        co_await waiting.event.wait();
    }
}

void StreamSocket::set_reader(StreamReader* reader) {
    reader_ = reader;
    if (reader != nullptr && readable_ && is_open()) {
        read_again();
    }
}

void StreamSocket::close() noexcept {
    if (!is_open()) {
        return;
    }
    core_.poller().remove(descriptor_, *this);
    ::close(std::exchange(descriptor_, -1));
    reader_ = nullptr;
    readable_ = true; // whoever reads learns of it
    read_deadline_.disarm();
    write_deadline_.disarm();
    signal([](const Wait&) { return true; });
}

IoResult failed_by(int error_number) noexcept {
    IoResult result;
    result.state = IoResult::State::Failed;
    result.error = error_code(error_number, boost::system::system_category());
    return result;
}

} // namespace gatehouse::proxy
