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
// A path that stands in `file`: a relative one starts at the directory of that file, so that a configuration can be
// moved with its files and does not depend on where the program is started.
std::string path_beside(const std::string& file, const std::string& path);

// The longest line that messages show whole, in bytes; of a longer one they show about that much.
inline constexpr std::size_t kLongestShownLine = 160;

// A part of a line. A place at some column of the line stands `shift` columns further left in the text.
struct Excerpt {
    std::string text; // empty when it cannot be shown
    int shift = 0;
};

// Text prepared for the YAML parser: no byte order mark, lines that end in '\n' alone. One thread at a time.
class SourceText {
public:
    explicit SourceText(std::string_view text);

    const std::string& text() const noexcept { return text_; }
    // A 1-based line without its end; empty when there is none.
    std::string_view line(int number) const;
    // The line of the mark as messages show it: a long one cut to what stands around the column. Cheap when marks rise.
    Excerpt excerpt(Mark mark) const;
    // The mark of a byte offset; the column counts characters. Cheap when offsets rise, also within one long line.
    Mark mark_at(std::size_t offset) const;
    // Where the text stops being UTF-8, or holds a control character that no text file has.
    std::optional<std::size_t> first_binary_byte() const;

private:
    std::size_t offset_of(Mark mark) const;

    std::string text_;
    std::vector<std::size_t> starts_; // offset of each line
    // The last answer of mark_at. Without it a file of one long line would cost its length squared.
    mutable std::size_t last_offset_ = 0;
    mutable Mark last_mark_;
    // The last answer of offset_of, for the same reason.
    mutable std::size_t last_found_offset_ = 0;
    mutable Mark last_found_mark_;
};

} // namespace gatehouse::config
