// Finds the ends of responses in what a connection receives.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <strings.h>

namespace gatehouse::bench {

// Knows what a load has to know: status, Content-Length, and that a 304 has no content. It is not to be what is
// measured, so it looks at nothing else.
class ResponseReader {
public:
    explicit ResponseReader(int expected_status) : expected_status_(expected_status) {}

    // The number of responses that end in these bytes. After a failure, which `error` then tells, it is used no more.
    std::size_t take(std::string_view bytes) {
        std::size_t complete = 0;
        while (!bytes.empty() && error_.empty()) {
            if (missing_ > 0) {
                const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(missing_, bytes.size()));
                bytes.remove_prefix(step);
                complete += skip(step) ? 1 : 0;
                continue;
            }
            head_.append(bytes);
            const std::size_t end = head_.find("\r\n\r\n");
            if (end == std::string::npos) {
                return complete;
            }
            const std::size_t rest = head_.size() - end - 4;
            bytes.remove_prefix(bytes.size() - rest);
            head_.resize(end + 4);
            read_head();
            head_.clear();
            complete += error_.empty() && missing_ == 0 ? 1 : 0;
        }
        return complete;
    }

    // Content that was received without looking at it. Whether the response ends with it.
    bool skip(std::uint64_t bytes) {
        missing_ -= bytes;
        return missing_ == 0;
    }

    // Content still to come of a response whose head is complete.
    std::uint64_t missing() const { return missing_; }

    const std::string& error() const { return error_; }

private:
    void read_head() {
        const int status = head_.size() > 12 ? std::atoi(head_.c_str() + 9) : 0;
        if (status != expected_status_) {
            error_ = "answered " + head_.substr(0, head_.find('\r'));
            return;
        }
        if (status == 304) {
            return;
        }
        for (std::size_t line = head_.find("\r\n"); line + 4 < head_.size(); line = head_.find("\r\n", line + 2)) {
            static constexpr std::string_view kName = "content-length:";
            if (::strncasecmp(head_.c_str() + line + 2, kName.data(), kName.size()) == 0) {
                missing_ = std::strtoull(head_.c_str() + line + 2 + kName.size(), nullptr, 10);
                return;
            }
        }
        error_ = "sent a response without Content-Length";
    }

    int expected_status_;
    std::string head_; // of the response that is arriving
    std::uint64_t missing_ = 0;
    std::string error_;
};

} // namespace gatehouse::bench
