// Where log lines go: a file, a named pipe, or standard output. Writing never blocks where the kernel can avoid it, so
// that a reader who stalls cannot hang the end of the program. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gatehouse::proxy {

class LogOutput {
public:
    // "-": standard output. Anything else is a path; the file is made when it is missing and appended to.
    explicit LogOutput(std::string path) : path_(std::move(path)) {}
    ~LogOutput();
    LogOutput(const LogOutput&) = delete;
    LogOutput& operator=(const LogOutput&) = delete;

    // Opens the output, or opens it again: the old one stays in use when that fails. 0, or errno.
    int open() noexcept;
    const std::string& path() const noexcept { return path_; }
    int descriptor() const noexcept { return descriptor_; } // for poll(); negative: not open

    struct Written {
        std::size_t bytes = 0;
        int error = 0; // errno; EAGAIN: nothing fits now, wait for POLLOUT
    };
    // One write. May write less than all of `text`.
    Written write(std::string_view text) noexcept;

private:
    enum class Kind : unsigned char { File, Socket, BlockingPipe };

    std::string path_;
    int descriptor_ = -1;
    Kind kind_ = Kind::File;
};

} // namespace gatehouse::proxy
