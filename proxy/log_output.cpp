// Opening and writing a log without being held up by whoever reads it.
#include "proxy/log_output.h"

#include <cerrno>
#include <climits>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gatehouse::proxy {

namespace {

constexpr int kOpenFlags = O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
constexpr mode_t kFileMode = 0640; // lines name clients: not for everybody

// A second description of standard output that does not block. O_NONBLOCK on the first would hit everybody who shares
// it: the shell, and standard error after 2>&1.
int open_standard_output_again() noexcept { return ::open("/proc/self/fd/1", kOpenFlags); }

} // namespace

LogOutput::~LogOutput() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

int LogOutput::open() noexcept {
    int descriptor = -1;
    Kind kind = Kind::File;
    if (path_ == "-") {
        if (descriptor_ >= 0) {
            return 0; // there is nothing to open again
        }
        struct stat facts {};
        if (::fstat(STDOUT_FILENO, &facts) != 0) {
            return errno;
        }
        const bool may_block = S_ISFIFO(facts.st_mode) || S_ISCHR(facts.st_mode);
        if (may_block) {
            descriptor = open_standard_output_again();
        }
        if (descriptor < 0) {
            kind = S_ISSOCK(facts.st_mode) ? Kind::Socket : may_block ? Kind::BlockingPipe : Kind::File;
            descriptor = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
        }
    } else {
        descriptor = ::open(path_.c_str(), O_CREAT | kOpenFlags, kFileMode);
    }
    if (descriptor < 0) {
        return errno;
    }
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
    descriptor_ = descriptor;
    kind_ = kind;
    return 0;
}

LogOutput::Written LogOutput::write(std::string_view text) noexcept {
    if (kind_ == Kind::BlockingPipe) {
        // A pipe that is ready takes PIPE_BUF bytes without blocking (pipe(7)).
        pollfd ready{descriptor_, POLLOUT, 0};
        if (::poll(&ready, 1, 0) == 0) {
            return {0, EAGAIN};
        }
        text = text.substr(0, PIPE_BUF);
    }
    for (;;) {
        const ssize_t count = kind_ == Kind::Socket
                                  ? ::send(descriptor_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                                  : ::write(descriptor_, text.data(), text.size());
        if (count > 0) {
            return {static_cast<std::size_t>(count), 0};
        }
        if (count == 0) {
            return {0, EIO}; // no device says this; it must not be asked for ever
        }
        if (errno != EINTR) {
            return {0, errno == EWOULDBLOCK ? EAGAIN : errno};
        }
    }
}

} // namespace gatehouse::proxy
