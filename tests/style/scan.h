// Small helpers to look for things in source text.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace gatehouse::style {

bool is_identifier_char(char c);
bool is_space(char c);

// Where `word` stands in `text` as a whole word: no identifier character before or behind it.
std::vector<std::size_t> find_words(std::string_view text, std::string_view word);

// The offset of the next character that is no white space, or the size of the text.
std::size_t skip_space(std::string_view text, std::size_t at);

// The last character before `at` that is no white space, or '\0'.
char last_before(std::string_view text, std::size_t at);

// The lines of a text, without their ends.
std::vector<std::string_view> split_lines(std::string_view text);

} // namespace gatehouse::style
