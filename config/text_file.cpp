// Reading files within a limit, and finding lines and columns in text.
#include "config/text_file.h"

#include "config/units.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace gatehouse::config {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kCut = "..."; // stands for what was cut off

constexpr int kPipeWaitMs = 2'000;

class Descriptor {
public:
    explicit Descriptor(const char* path) : fd_(::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const noexcept { return fd_; }

private:
    int fd_;
};

std::string cannot_be_read(int error) { return std::string("cannot be read: ") + std::strerror(error); }

// The length of the UTF-8 character that starts at `text`, or 0 when there is none (RFC 3629 section 4).
std::size_t character_length(std::string_view text) noexcept {
    const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) return 0;
    }
    const unsigned char second = byte(1);
    const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
    const bool surrogate = first == 0xED && second > 0x9F;
    const bool too_large = first == 0xF4 && second > 0x8F;
    return overlong || surrogate || too_large ? 0 : length;
}

bool continues_character(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

int count_characters(std::string_view text) {
    return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

// The start of the character that the byte at `offset` belongs to; the text may be none that is UTF-8.
std::size_t character_start(std::string_view text, std::size_t offset) noexcept {
    std::size_t start = offset;
    for (int i = 0; i < 4 && start > 0 && start < text.size(); ++i) {
        if (!continues_character(text[start])) return start;
        --start;
    }
    return offset;
}

// The window of a long line with `at` in its middle, or nearer to an end where the line ends before.
Excerpt cut_around(std::string_view line, std::size_t at) {
    const std::size_t half = kLongestShownLine / 2;
    std::size_t begin = at > half ? at - half : 0;
    if (begin + kLongestShownLine > line.size()) begin = line.size() - kLongestShownLine;
    begin = character_start(line, begin);
    const std::size_t end = character_start(line, begin + kLongestShownLine);
    Excerpt out;
    if (begin > 0) {
        out.text = kCut;
        out.shift = count_characters(line.substr(0, begin)) - static_cast<int>(kCut.size());
    }
    out.text += line.substr(begin, end - begin);
    if (end < line.size()) out.text += kCut;
    return out;
}

bool is_binary(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7F;
}

} // namespace

FileText read_file(const std::string& path) {
    const Descriptor file(path.c_str());
    struct stat status {};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0) return {std::nullopt, cannot_be_read(errno)};
    if (S_ISDIR(status.st_mode)) return {std::nullopt, "is a directory"};
    std::string text;
    std::array<char, 64 * 1024> buffer;
    while (true) {
        const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        // A pipe: whoever is to write into it gets a while, and no more, because others may wait for this program.
        if (got < 0 && errno == EAGAIN) {
            pollfd waiting{file.get(), POLLIN, 0};
            if (::poll(&waiting, 1, kPipeWaitMs) > 0) continue;
            return {std::nullopt, "is a pipe, and nothing came out of it for two seconds"};
        }
        if (got < 0) return {std::nullopt, cannot_be_read(errno)};
        if (got == 0) return {std::move(text), ""};
        text.append(buffer.data(), static_cast<std::size_t>(got));
        if (text.size() > kLongestFile) return {std::nullopt, "is longer than " + format_size(kLongestFile)};
    }
}

bool is_readable_file(const std::string& path) {
    const Descriptor file(path.c_str());
    struct stat status {};
    return file.get() >= 0 && ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode);
}

std::string path_beside(const std::string& file, const std::string& path) {
    const std::size_t slash = file.rfind('/');
    if (path.empty() || path.front() == '/' || slash == std::string::npos) return path;
    return file.substr(0, slash + 1) + path;
}

SourceText::SourceText(std::string_view text) {
    if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) text.remove_prefix(kByteOrderMark.size());
    text_.reserve(text.size());
    starts_.push_back(0);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
        text_ += text[i];
        if (text[i] == '\n') starts_.push_back(text_.size());
    }
}

std::string_view SourceText::line(int number) const {
    if (number < 1 || static_cast<std::size_t>(number) > starts_.size()) return "";
    const auto index = static_cast<std::size_t>(number - 1);
    const std::size_t start = starts_[index];
    const std::size_t end = index + 1 < starts_.size() ? starts_[index + 1] - 1 : text_.size();
    return std::string_view(text_).substr(start, end - start);
}

// Requires: the line exists. A column behind its end is its end.
std::size_t SourceText::offset_of(Mark mark) const {
    const std::size_t start = starts_[static_cast<std::size_t>(mark.line - 1)];
    const std::size_t end = start + line(mark.line).size();
    std::size_t offset = start;
    int column = 1;
    if (last_found_mark_.line == mark.line && last_found_mark_.column <= mark.column) {
        offset = last_found_offset_;
        column = last_found_mark_.column;
    }
    while (offset < end && column < mark.column) {
        ++offset;
        if (offset == end || !continues_character(text_[offset])) ++column;
    }
    last_found_offset_ = offset;
    last_found_mark_ = {mark.line, column};
    return offset;
}

Excerpt SourceText::excerpt(Mark mark) const {
    const std::string_view whole = line(mark.line);
    Excerpt out{std::string(whole.substr(0, kLongestShownLine)), 0};
    if (whole.size() > kLongestShownLine) {
        const std::size_t start = starts_[static_cast<std::size_t>(mark.line - 1)];
        out = cut_around(whole, offset_of(mark) - start);
    }
    if (std::any_of(out.text.begin(), out.text.end(), is_binary)) return {};
    return out;
}

Mark SourceText::mark_at(std::size_t offset) const {
    offset = std::min(offset, text_.size());
    const auto after = std::upper_bound(starts_.begin(), starts_.end(), offset);
    const auto index = static_cast<std::size_t>(after - starts_.begin()) - 1;
    Mark mark{static_cast<int>(index) + 1, 1};
    std::size_t from = starts_[index];
    if (last_offset_ >= from && last_offset_ <= offset) {
        from = last_offset_;
        mark.column = last_mark_.column;
    }
    const std::string_view between = std::string_view(text_).substr(from, offset - from);
    mark.column += count_characters(between);
    last_offset_ = offset;
    last_mark_ = mark;
    return mark;
}

std::optional<std::size_t> SourceText::first_binary_byte() const {
    const std::string_view text = text_;
    std::size_t i = 0;
    while (i < text.size()) {
        const std::size_t length = character_length(text.substr(i, 4));
        if (length == 0 || is_binary(text[i])) return i;
        i += length;
    }
    return std::nullopt;
}

} // namespace gatehouse::config
