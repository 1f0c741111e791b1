// Reads the repository and takes comments and literals out of C++.
#include "tests/style/source_tree.h"

#include "tests/style/scan.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <utility>

namespace gatehouse::style {
namespace {

namespace fs = std::filesystem;

// Walks over C++ source and blanks what the two views leave out. Line ends stay, so lines stay.
class Stripper {
public:
    explicit Stripper(std::string_view text) : text_(text), code_(text), with_strings_(text) {}

    void run() {
        while (at_ < text_.size()) {
            if (starts_with("//")) {
                skip_comment(text_.find('\n', at_));
            } else if (starts_with("/*")) {
                const auto end = text_.find("*/", at_ + 2);
                skip_comment(end == std::string_view::npos ? end : end + 2);
            } else if (starts_with("R\"") && is_raw_string_prefix()) {
                skip_raw_string();
            } else if (text_[at_] == '"' || is_character_literal()) {
                skip_literal(text_[at_]);
            } else {
                ++at_;
            }
        }
    }

    std::string take_code() { return std::move(code_); }
    std::string take_with_strings() { return std::move(with_strings_); }

private:
    bool starts_with(std::string_view prefix) const { return text_.substr(at_).starts_with(prefix); }

    // R"( opens a raw string unless the R ends a longer name; u8R, LR and the like do open one.
    bool is_raw_string_prefix() const {
        auto begin = at_;
        while (begin > 0 && is_identifier_char(text_[begin - 1])) --begin;
        const auto prefix = text_.substr(begin, at_ - begin);
        return prefix.empty() || prefix == "u8" || prefix == "u" || prefix == "U" || prefix == "L";
    }

    // A quote between digits separates them: 10'000.
    bool is_character_literal() const {
        return text_[at_] == '\'' && (at_ == 0 || !is_identifier_char(text_[at_ - 1]));
    }

    static void blank(std::string& view, std::size_t from, std::size_t to) {
        for (auto i = from; i < to; ++i) {
            if (view[i] != '\n') view[i] = ' ';
        }
    }

    void skip_comment(std::size_t end) {
        end = std::min(end, text_.size());
        blank(code_, at_, end);
        blank(with_strings_, at_, end);
        at_ = end;
    }

    void skip_raw_string() {
        const auto open = text_.find('(', at_);
        if (open == std::string_view::npos) {
            at_ = text_.size();
            return;
        }
        const auto closing = ")" + std::string(text_.substr(at_ + 2, open - at_ - 2)) + "\"";
        const auto end = std::min(text_.find(closing, open), text_.size());
        blank(code_, open + 1, end);
        at_ = std::min(end + closing.size(), text_.size());
    }

    void skip_literal(char quote) {
        auto end = at_ + 1;
        while (end < text_.size() && text_[end] != quote && text_[end] != '\n') {
            end += text_[end] == '\\' ? 2U : 1U;
        }
        end = std::min(end, text_.size());
        blank(code_, at_ + 1, end);
        at_ = std::min(end + 1, text_.size());
    }

    std::string_view text_;
    std::string code_;
    std::string with_strings_;
    std::size_t at_ = 0;
};

bool is_skipped_folder(const fs::path& path) {
    const auto name = path.filename().string();
    if (name == ".ci" || name == ".github") return false;
    return name.starts_with('.') || name == "node_modules" || name.starts_with("build");
}

bool is_text_of_ours(const fs::path& path) {
    static constexpr std::array kExtensions{".cpp",  ".h",    ".md",  ".mjs", ".sh",  ".cmake",
                                            ".yaml", ".json", ".txt", ".arc", ".css", ".html"};
    const auto extension = path.extension().string();
    const auto name = path.filename().string();
    return extension.empty() || name.starts_with(".clang") ||
           std::ranges::find(kExtensions, extension) != kExtensions.end();
}

std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream content;
    content << in.rdbuf();
    return std::move(content).str();
}

} // namespace

bool SourceFile::is_in(std::string_view folder) const {
    return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

std::string to_string(const Finding& finding) {
    return finding.path + ":" + std::to_string(finding.line) + ": " + finding.message;
}

SourceFile make_source_file(std::string path, std::string text) {
    SourceFile file{std::move(path), std::move(text), {}, {}};
    if (file.is_cpp()) {
        Stripper stripper(file.text);
        stripper.run();
        file.code = stripper.take_code();
        file.code_and_strings = stripper.take_with_strings();
    }
    return file;
}

std::size_t line_of(std::string_view text, std::size_t offset) {
    const auto before = text.substr(0, offset);
    return 1 + static_cast<std::size_t>(std::ranges::count(before, '\n'));
}

std::vector<SourceFile> read_source_tree(const fs::path& root) {
    std::vector<SourceFile> files;
    for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
        if (it->is_directory() && is_skipped_folder(it->path())) {
            it.disable_recursion_pending();
        } else if (it->is_regular_file() && is_text_of_ours(it->path())) {
            auto path = it->path().lexically_relative(root).generic_string();
            files.push_back(make_source_file(std::move(path), read(it->path())));
        }
    }
    std::ranges::sort(files, {}, &SourceFile::path);
    return files;
}

} // namespace gatehouse::style
