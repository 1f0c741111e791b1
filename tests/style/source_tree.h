// The files of this repository as the style rules see them: with and without their comments and strings.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::style {

// One text file. `code` and `code_and_strings` are as long as `text`, line by line: what they leave out is
// replaced by blanks, so that an offset means the same place in all three.
struct SourceFile {
    std::string path;             // relative to the repository, with '/'
    std::string text;             // as it is on disk
    std::string code;             // C++ only: without comments and without the content of literals
    std::string code_and_strings; // C++ only: without comments

    bool is_cpp() const { return path.ends_with(".cpp") || is_header(); }
    bool is_header() const { return path.ends_with(".h"); }
    bool is_in(std::string_view folder) const;
};

// A broken rule: where, and what is wrong in one sentence.
struct Finding {
    std::string path;
    std::size_t line = 0; // 1-based
    std::string message;
};

std::string to_string(const Finding& finding);

// A file from its content; the rules' own tests make theirs with it.
SourceFile make_source_file(std::string path, std::string text);

std::size_t line_of(std::string_view text, std::size_t offset);

// Every text file below `root` that is ours: build directories, installed packages and hidden folders are
// left out, the ones that hold our own scripts are not. Sorted by path.
std::vector<SourceFile> read_source_tree(const std::filesystem::path& root);

} // namespace gatehouse::style
