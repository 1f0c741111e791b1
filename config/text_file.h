// The bytes of a configuration file, and its lines as messages show them.
#pragma once

#include "config/document.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::config {

// No configuration is longer; reading stops here, whatever the path turns out to be.
inline constexpr std::size_t kLongestFile = 4 * 1024 * 1024;

// The file's bytes, or why it cannot be had ("cannot be read: No such file or directory", "is a directory", "is
// longer than 4MiB").
struct FileText {
    std::optional<std::string> text;
    std::string problem;
};
FileText read_file(const std::string& path);
bool is_readable_file(const std::string& path);

// Text prepared for the YAML parser: no byte order mark, lines that end in '\n' alone. One thread at a time.
class SourceText {
public:
    explicit SourceText(std::string_view text);

    const std::string& text() const noexcept { return text_; }
    // A 1-based line without its end; empty when there is none, or when it is too long to be shown.
    std::string line(int number) const;
    // The mark of a byte offset; the column counts characters. Cheap when offsets rise, also within one long line.
    Mark mark_at(std::size_t offset) const;
    // Where the text stops being UTF-8, or holds a control character that no text file has.
    std::optional<std::size_t> first_binary_byte() const;

private:
    std::string_view raw_line(std::size_t index) const;

    std::string text_;
    std::vector<std::size_t> starts_; // offset of each line
    // The last answer of mark_at. Without it a file of one long line would cost its length squared.
    mutable std::size_t last_offset_ = 0;
    mutable Mark last_mark_;
};

} // namespace gatehouse::config
