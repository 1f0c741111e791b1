// The rules of the house that a program can check. Each takes one file and returns what is wrong with it;
// docs and CONTRIBUTING.md say why the rules exist.
#pragma once

#include "tests/style/source_tree.h"

#include <filesystem>
#include <vector>

namespace gatehouse::style {

using Findings = std::vector<Finding>;

// http, config <- cache/policy <- cache/store <- cache <- proxy; quoted includes start at the root.
Findings check_include_direction(const SourceFile& file);
// Beast, OpenSSL and yaml-cpp stay where they belong; Asio stays out of the value folders.
Findings check_library_includes(const SourceFile& file);
// Waiting goes through the deadline wheel, which tests advance; nothing sleeps.
Findings check_waiting(const SourceFile& file);
// The time is read in proxy/clock and is a parameter everywhere else.
Findings check_clock_reads(const SourceFile& file);
// `detached` swallows the exception that ends a coroutine.
Findings check_detached(const SourceFile& file);
// GCC 12 destroys some temporaries twice that are written inside a co_await expression.
Findings check_co_await_temporaries(const SourceFile& file);
// Marks of unfinished work belong into an issue.
Findings check_unfinished_marks(const SourceFile& file);
// At most 600 lines, headers at most 300.
Findings check_length(const SourceFile& file);
// Every source file starts with a comment that says what it is, or with its own header, which does.
Findings check_opening_comment(const SourceFile& file);
// Lock files name packages by version and checksum, never by the address they were loaded from.
Findings check_lock_file(const SourceFile& file);
// Relative links of a Markdown file lead to a file below `root`, and to a heading if they name one.
Findings check_links(const SourceFile& file, const std::filesystem::path& root);

} // namespace gatehouse::style
